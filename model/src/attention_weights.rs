//! The attention weights that a forward pass returns, and which of them it is asked for.

use burn::tensor::Tensor;

/// Which attention weights a forward pass returns beside its output.
///
/// An attention whose weights nobody asks for runs as one fused operation, which never holds them as a tensor. Where
/// they are asked for, the attention runs step by step; its output may then differ by rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnedWeights {
    /// No weights.
    None,
    /// The weights with which the last decoder layer but one attends to the encoder's output. They agree best with
    /// human word alignments (Garg et al., 2019, "Jointly Learning to Align and Translate with Transformer Models",
    /// section 4.1).
    Alignment,
    /// The weights of every attention in every layer.
    All,
}

/// The attention weights that one decoder layer returns, each where it was asked for.
#[derive(Clone, Debug)]
pub struct DecoderLayerWeights {
    /// How much each target position attends to each target position, `[batch, n_heads, target_seq, target_seq]`.
    pub self_attention: Option<Tensor<4>>,
    /// How much each target position attends to each source position, `[batch, n_heads, target_seq, source_seq]`.
    pub cross_attention: Option<Tensor<4>>,
}

/// All attention weights of one forward pass, a tensor for each layer from the bottom up. Each row sums to 1.
#[derive(Clone, Debug)]
pub struct AttentionWeights {
    /// Encoder self-attention, `[batch, n_heads, source_seq, source_seq]` in each layer.
    pub encoder: Vec<Tensor<4>>,
    /// Decoder self-attention, `[batch, n_heads, target_seq, target_seq]` in each layer.
    pub decoder: Vec<Tensor<4>>,
    /// Attention of the decoder to the encoder's output, `[batch, n_heads, target_seq, source_seq]` in each layer.
    pub cross: Vec<Tensor<4>>,
}

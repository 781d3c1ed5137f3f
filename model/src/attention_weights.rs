//! The attention weights that a forward pass returns, and the choice of which it returns.

use burn::tensor::Tensor;

/// The attention weights that a forward pass returns besides its output.
///
/// If an attention does not return its weights, it runs as one fused operation, which never holds them in a tensor. If
/// it returns them, it runs as a chain of tensor operations, and its output may differ by rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReturnedAttention {
    /// No weights.
    None,
    /// The cross-attention weights of the second-to-last decoder layer. Of all layers, this layer's weights agree best
    /// with human word alignments (Garg et al., 2019, "Jointly Learning to Align and Translate with Transformer
    /// Models", section 4.1).
    Alignment,
    /// The weights of every attention in every layer.
    All,
}

/// The attention weights that one decoder layer returns. Weights that were not asked for are `None`, and so are those
/// of self-attention in a layer with an [`Ssru`](crate::Ssru) in its place.
///
/// A decoding step returns the weights of one position, so that `target_seq` is 1 in the third dimension. In the last
/// dimension of its self-attention, it has a weight for each position that the cache has room for. If the layer is
/// [restricted](crate::LayerKind::Restricted), the first of them is that of the first position in sight.
#[derive(Clone, Debug)]
pub struct DecoderLayerWeights {
    /// The weight of each target position (last dimension) for each target position that attends to it (third
    /// dimension), `[batch, n_heads, target_seq, target_seq]`.
    pub self_attention: Option<Tensor<4>>,
    /// The weight of each source position (last dimension) for each target position that attends to it (third
    /// dimension), `[batch, n_heads, target_seq, source_seq]`.
    pub cross_attention: Option<Tensor<4>>,
}

/// All attention weights of one forward pass, with one tensor per layer, from the first layer to the last.
///
/// The weights of a query, along the last dimension, sum to 1. In [restricted](crate::LayerKind::Restricted) layers, a
/// query at padding may see padding alone, and its weights are then 0.
#[derive(Clone, Debug)]
pub struct AttentionWeights {
    /// Encoder self-attention, `[batch, n_heads, source_seq, source_seq]` in each layer. It is empty if the encoder's
    /// layers are no attention, but recurrent or convolutions.
    pub encoder: Vec<Tensor<4>>,
    /// Decoder self-attention, `[batch, n_heads, target_seq, target_seq]` in each layer. It is empty if the decoder's
    /// layers are [recurrent](crate::Ssru).
    pub decoder: Vec<Tensor<4>>,
    /// Attention of the decoder to the encoder's output, `[batch, n_heads, target_seq, source_seq]` in each layer.
    pub cross: Vec<Tensor<4>>,
}

impl AttentionWeights {
    /// Takes the weights that an encoder and the layers of a decoder return for [`ReturnedAttention::All`].
    pub(crate) fn new(encoder: Vec<Tensor<4>>, decoder: Vec<DecoderLayerWeights>) -> Self {
        let (mut self_attention, mut cross) = (Vec::new(), Vec::new());
        for layer in decoder {
            self_attention.extend(layer.self_attention);
            cross.extend(layer.cross_attention);
        }
        Self {
            encoder,
            decoder: self_attention,
            cross,
        }
    }
}

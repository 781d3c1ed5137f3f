//! The decoder stack (section 3.1).

use burn::module::Module;
use burn::nn::LayerNorm;
use burn::tensor::{Bool, Device, Tensor};

use crate::add_norm::{AddNorm, final_norm, normalize};
use crate::attention::MultiHeadAttention;
use crate::config::TransformerConfig;
use crate::feed_forward::FeedForward;
use crate::mask::causal_mask;
use crate::transformer::{AttentionWeights, Memory};

/// Masked self-attention, attention to the encoder's output, and a feed-forward network.
#[derive(Module, Debug)]
pub struct DecoderLayer {
    pub(crate) self_attention: MultiHeadAttention,
    pub(crate) self_attention_norm: AddNorm,
    pub(crate) cross_attention: MultiHeadAttention,
    pub(crate) cross_attention_norm: AddNorm,
    pub(crate) feed_forward: FeedForward,
    pub(crate) feed_forward_norm: AddNorm,
}

impl DecoderLayer {
    /// A layer with initial weights.
    pub fn new(config: &TransformerConfig, device: &Device) -> Self {
        let attention = || MultiHeadAttention::new(config.d_model, config.n_heads, device);
        Self {
            self_attention: attention(),
            self_attention_norm: AddNorm::new(config, device),
            cross_attention: attention(),
            cross_attention_norm: AddNorm::new(config, device),
            feed_forward: FeedForward::new(config, device),
            feed_forward_norm: AddNorm::new(config, device),
        }
    }

    /// Takes a whole target through the layer. Pushes the attention weights onto `weights` where given.
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, seq, d_model]`
    /// - later_hidden: `[1, 1, seq, seq]`, `true` at later positions
    pub fn forward(
        &self,
        x: Tensor<3>,
        later_hidden: Tensor<4, Bool>,
        memory: &Memory,
        weights: Option<&mut AttentionWeights>,
    ) -> Tensor<3> {
        let (self_weights, cross_weights) = match weights {
            Some(weights) => (Some(&mut weights.decoder), Some(&mut weights.cross)),
            None => (None, None),
        };
        let x = self.self_attention_norm.forward(x, |x| {
            let target = self.self_attention.project(x.clone());
            self.self_attention.attend(x, target, later_hidden, self_weights)
        });
        let x = self.cross_attention_norm.forward(x, |x| {
            let sequence = self.cross_attention.project(memory.states.clone());
            self.cross_attention
                .attend(x, sequence, memory.hidden.clone(), cross_weights)
        });
        self.feed_forward_norm
            .forward(x, |x| self.feed_forward.forward(x))
    }
}

/// A stack of [`DecoderLayer`]s, with a norm at its end in pre-norm.
#[derive(Module, Debug)]
pub struct Decoder {
    pub(crate) layers: Vec<DecoderLayer>,
    pub(crate) norm: Option<LayerNorm>,
}

impl Decoder {
    /// A stack with initial weights.
    pub fn new(config: &TransformerConfig, device: &Device) -> Self {
        Self {
            layers: (0..config.decoder_layers)
                .map(|_| DecoderLayer::new(config, device))
                .collect(),
            norm: final_norm(config, device),
        }
    }

    /// Takes whole targets through the stack. Pushes each layer's attention weights onto `weights` where given.
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, seq, d_model]`
    pub fn forward(
        &self,
        x: Tensor<3>,
        memory: &Memory,
        mut weights: Option<&mut AttentionWeights>,
    ) -> Tensor<3> {
        let [_, seq, _] = x.dims();
        let later_hidden = causal_mask(seq, &x.device());
        let x = self.layers.iter().fold(x, |x, layer| {
            layer.forward(x, later_hidden.clone(), memory, weights.as_deref_mut())
        });
        match &self.norm {
            Some(norm) => normalize(norm, x),
            None => x,
        }
    }
}

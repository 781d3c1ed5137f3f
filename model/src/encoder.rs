//! The encoder stack (section 3.1).

use burn::module::Module;
use burn::nn::LayerNorm;
use burn::tensor::{Bool, Device, Tensor};

use crate::add_norm::{AddNorm, final_norm, normalize};
use crate::attention::MultiHeadAttention;
use crate::config::TransformerConfig;
use crate::feed_forward::FeedForward;

/// Self-attention and a feed-forward network.
#[derive(Module, Debug)]
pub struct EncoderLayer {
    pub(crate) self_attention: MultiHeadAttention,
    pub(crate) self_attention_norm: AddNorm,
    pub(crate) feed_forward: FeedForward,
    pub(crate) feed_forward_norm: AddNorm,
}

impl EncoderLayer {
    /// A layer with initial weights.
    pub fn new(config: &TransformerConfig, device: &Device) -> Self {
        Self {
            self_attention: MultiHeadAttention::new(config.d_model, config.n_heads, device),
            self_attention_norm: AddNorm::new(config, device),
            feed_forward: FeedForward::new(config, device),
            feed_forward_norm: AddNorm::new(config, device),
        }
    }

    /// Pushes the attention weights onto `weights` where given.
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, seq, d_model]`
    /// - hidden: `[batch, 1, 1, seq]`, `true` at padding
    pub fn forward(
        &self,
        x: Tensor<3>,
        hidden: Tensor<4, Bool>,
        weights: Option<&mut Vec<Tensor<4>>>,
    ) -> Tensor<3> {
        let x = self.self_attention_norm.forward(x, |x| {
            let sequence = self.self_attention.project(x.clone());
            self.self_attention.attend(x, sequence, hidden, weights)
        });
        self.feed_forward_norm
            .forward(x, |x| self.feed_forward.forward(x))
    }
}

/// A stack of [`EncoderLayer`]s, with a norm at its end in pre-norm.
#[derive(Module, Debug)]
pub struct Encoder {
    pub(crate) layers: Vec<EncoderLayer>,
    pub(crate) norm: Option<LayerNorm>,
}

impl Encoder {
    /// A stack with initial weights.
    pub fn new(config: &TransformerConfig, device: &Device) -> Self {
        Self {
            layers: (0..config.encoder_layers)
                .map(|_| EncoderLayer::new(config, device))
                .collect(),
            norm: final_norm(config, device),
        }
    }

    /// Pushes each layer's attention weights onto `weights` where given.
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, seq, d_model]`
    /// - hidden: `[batch, 1, 1, seq]`, `true` at padding
    pub fn forward(
        &self,
        x: Tensor<3>,
        hidden: Tensor<4, Bool>,
        mut weights: Option<&mut Vec<Tensor<4>>>,
    ) -> Tensor<3> {
        let x = self.layers.iter().fold(x, |x, layer| {
            layer.forward(x, hidden.clone(), weights.as_deref_mut())
        });
        match &self.norm {
            Some(norm) => normalize(norm, x),
            None => x,
        }
    }
}

//! The encoder stack (section 3.1).

use attend_ops::{PackedLinear, Precision};
use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{Bool, Device, Tensor};

use crate::add_norm::{AddNorm, final_norm, normalize_last};
use crate::attention::{Attended, MultiHeadAttention};
use crate::attention_weights::ReturnedAttention;
use crate::config::TransformerConfig;
use crate::feed_forward::FeedForward;
use crate::projection::Projection;

/// An encoder layer: self-attention and a feed-forward network.
#[derive(Module, Debug)]
pub struct EncoderLayer<P = Linear> {
    self_attention: MultiHeadAttention<P>,
    self_attention_norm: AddNorm,
    feed_forward: FeedForward<P>,
    feed_forward_norm: AddNorm,
}

impl EncoderLayer {
    /// Returns a layer with initial weights.
    pub fn new(config: &TransformerConfig, device: &Device) -> Self {
        Self {
            self_attention: MultiHeadAttention::new(config, config.encoder_window(), device),
            self_attention_norm: AddNorm::new(config, device),
            feed_forward: FeedForward::new(config, device),
            feed_forward_norm: AddNorm::new(config, device),
        }
    }

    fn pack(self, precision: Precision) -> EncoderLayer<PackedLinear> {
        EncoderLayer {
            self_attention: self.self_attention.pack(precision),
            self_attention_norm: self.self_attention_norm,
            feed_forward: self.feed_forward.pack(precision),
            feed_forward_norm: self.feed_forward_norm,
        }
    }
}

impl<P: Projection> EncoderLayer<P> {
    /// Runs the layer on a batch of sequences. With [`ReturnedAttention::All`], it also returns the attention weights.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, seq, d_model]`
    /// - hidden: `[batch, 1, 1, seq]`, `true` at padding
    /// - output: `[batch, seq, d_model]`, and weights `[batch, n_heads, seq, seq]`
    pub fn forward(&self, x: Tensor<3>, hidden: Tensor<4, Bool>, returned: ReturnedAttention) -> Attended {
        let (x, weights) = self.self_attention_norm.forward_with(x, |x| {
            let sequence = self.self_attention.project(x.clone());
            self.self_attention
                .attend(x, sequence, hidden, returned == ReturnedAttention::All)
        });
        let x = self
            .feed_forward_norm
            .forward(x, |x| self.feed_forward.forward(x));
        (x, weights)
    }
}

/// A stack of [`EncoderLayer`]s. In pre-norm, a layer normalization follows the last layer.
#[derive(Module, Debug)]
pub struct Encoder<P = Linear> {
    layers: Vec<EncoderLayer<P>>,
    norm: Option<LayerNorm>,
}

impl Encoder {
    /// Returns a stack of `encoder_layers` layers with initial weights.
    pub fn new(config: &TransformerConfig, device: &Device) -> Self {
        Self {
            layers: (0..config.encoder_layers)
                .map(|_| EncoderLayer::new(config, device))
                .collect(),
            norm: final_norm(config, device),
        }
    }

    /// Packs the weights for inference in the given precision.
    #[must_use]
    pub fn pack(self, precision: Precision) -> Encoder<PackedLinear> {
        let layers = self.layers.into_iter();
        Encoder {
            layers: layers.map(|layer| layer.pack(precision)).collect(),
            norm: self.norm,
        }
    }
}

impl<P: Projection> Encoder<P> {
    /// Runs the stack on a batch of sequences. With [`ReturnedAttention::All`], it also returns the attention weights
    /// of each layer, from the first layer to the last.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, seq, d_model]`
    /// - hidden: `[batch, 1, 1, seq]`, `true` at padding
    /// - output: `[batch, seq, d_model]`, and weights `[batch, n_heads, seq, seq]` of each layer
    pub fn forward(
        &self,
        mut x: Tensor<3>,
        hidden: Tensor<4, Bool>,
        returned: ReturnedAttention,
    ) -> (Tensor<3>, Vec<Tensor<4>>) {
        let mut weights = Vec::new();
        for layer in &self.layers {
            let (output, of_layer) = layer.forward(x, hidden.clone(), returned);
            x = output;
            weights.extend(of_layer);
        }
        (normalize_last(&self.norm, x), weights)
    }
}

//! The encoder stack (section 3.1).

use attend_ops::{PackedLinear, Precision};
use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{Bool, Device, Tensor};

use crate::add_norm::{AddNorm, final_norm, normalize_last};
use crate::attention::{Attended, MultiHeadAttention};
use crate::attention_weights::ReturnedAttention;
use crate::config::{LayerKind, TransformerConfig};
use crate::convolution::Convolution;
use crate::feed_forward::FeedForward;
use crate::projection::Projection;
use crate::recurrent::Recurrent;
use crate::sequence_layer::SequenceLayer;

/// An encoder layer: a [`SequenceLayer`] of the kind that `config.encoder_layer` names, which is self-attention by
/// default, and a feed-forward network.
#[derive(Module, Debug)]
pub struct EncoderLayer<P = Linear> {
    // The kind that the layer has is present. An enum would add the kind to the names of the weights.
    self_attention: Option<MultiHeadAttention<P>>,
    recurrent: Option<Recurrent<P>>,
    convolution: Option<Convolution<P>>,
    /// The norm around the layer of any kind.
    self_attention_norm: AddNorm,
    feed_forward: FeedForward<P>,
    feed_forward_norm: AddNorm,
}

impl EncoderLayer {
    /// Returns the layer at this index of a stack, with initial weights.
    pub fn new(config: &TransformerConfig, index: usize, device: &Device) -> Self {
        let mut layer = Self {
            self_attention: None,
            recurrent: None,
            convolution: None,
            self_attention_norm: AddNorm::new(config, device),
            feed_forward: FeedForward::new(config, device),
            feed_forward_norm: AddNorm::new(config, device),
        };
        match config.encoder_layer {
            // No valid shape has an SSRU in the encoder.
            LayerKind::SelfAttention | LayerKind::Restricted | LayerKind::Ssru => {
                let window = config.encoder_window();
                layer.self_attention = Some(MultiHeadAttention::new(config, window, device));
            }
            LayerKind::Recurrent => layer.recurrent = Some(Recurrent::new(config, device)),
            LayerKind::Convolution => layer.convolution = Some(Convolution::new(config, index, device)),
        }
        layer
    }

    fn pack(self, precision: Precision) -> EncoderLayer<PackedLinear> {
        EncoderLayer {
            self_attention: self.self_attention.map(|layer| layer.pack(precision)),
            recurrent: self.recurrent.map(|layer| layer.pack(precision)),
            convolution: self.convolution.map(|layer| layer.pack(precision)),
            self_attention_norm: self.self_attention_norm,
            feed_forward: self.feed_forward.pack(precision),
            feed_forward_norm: self.feed_forward_norm,
        }
    }
}

impl<P: Projection> EncoderLayer<P> {
    /// Runs the layer on a batch of sequences. With [`ReturnedAttention::All`], it also returns the attention weights,
    /// if it is self-attention.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, seq, d_model]`
    /// - hidden: `[batch, 1, 1, seq]`, `true` at padding
    /// - output: `[batch, seq, d_model]`, and weights `[batch, n_heads, seq, seq]`
    pub fn forward(&self, x: Tensor<3>, hidden: Tensor<4, Bool>, returned: ReturnedAttention) -> Attended {
        let with_weights = returned == ReturnedAttention::All;
        let (x, weights) = self
            .self_attention_norm
            .forward_with(x, |x| self.sequence_layer().forward(x, hidden, with_weights));
        let x = self
            .feed_forward_norm
            .forward(x, |x| self.feed_forward.forward(x));
        (x, weights)
    }

    fn sequence_layer(&self) -> &dyn SequenceLayer {
        let attention = self
            .self_attention
            .as_ref()
            .map(|layer| layer as &dyn SequenceLayer);
        let recurrent = self.recurrent.as_ref().map(|layer| layer as _);
        let convolution = self.convolution.as_ref().map(|layer| layer as _);
        attention
            .or(recurrent)
            .or(convolution)
            .expect("a layer of one kind")
    }
}

/// A stack of [`EncoderLayer`]s. In pre-norm, a layer normalization follows the last layer.
#[derive(Module, Debug)]
pub struct Encoder<P = Linear> {
    layers: Vec<EncoderLayer<P>>,
    norm: Option<LayerNorm>,
    norm_epsilon: f64,
}

impl Encoder {
    /// Returns a stack of `encoder_layers` layers with initial weights.
    pub fn new(config: &TransformerConfig, device: &Device) -> Self {
        Self {
            layers: (0..config.encoder_layers)
                .map(|index| EncoderLayer::new(config, index, device))
                .collect(),
            norm: final_norm(config, device),
            norm_epsilon: config.norm_epsilon,
        }
    }

    /// Packs the weights for inference in the given precision.
    #[must_use]
    pub fn pack(self, precision: Precision) -> Encoder<PackedLinear> {
        let layers = self.layers.into_iter();
        Encoder {
            layers: layers.map(|layer| layer.pack(precision)).collect(),
            norm: self.norm,
            norm_epsilon: self.norm_epsilon,
        }
    }
}

impl<P: Projection> Encoder<P> {
    /// Runs the stack on a batch of sequences. With [`ReturnedAttention::All`], it also returns the attention weights
    /// of each layer, from the first layer to the last. Layers that are no attention return none.
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
        (normalize_last(&self.norm, self.norm_epsilon, x), weights)
    }
}

//! The decoder stack (section 3.1), for whole targets and for one position at a time.

use attend_ops::{PackedLinear, Precision, Window};
use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{Bool, Device, Tensor};

use crate::add_norm::{AddNorm, final_norm, normalize_last};
use crate::attention::{Attended, MultiHeadAttention};
use crate::attention_weights::{DecoderLayerWeights, ReturnedAttention};
use crate::cache::{CacheSlots, DecoderState, LayerCache};
use crate::config::TransformerConfig;
use crate::feed_forward::FeedForward;
use crate::memory::Memory;
use crate::projection::Projection;
use crate::sequence_layer::SequenceLayer;

/// A decoder layer: masked self-attention, cross-attention to the encoder's output, and a feed-forward network.
#[derive(Module, Debug)]
pub struct DecoderLayer<P = Linear> {
    self_attention: MultiHeadAttention<P>,
    self_attention_norm: AddNorm,
    cross_attention: MultiHeadAttention<P>,
    cross_attention_norm: AddNorm,
    feed_forward: FeedForward<P>,
    feed_forward_norm: AddNorm,
}

impl DecoderLayer {
    /// Returns a layer with initial weights.
    pub fn new(config: &TransformerConfig, device: &Device) -> Self {
        Self {
            self_attention: MultiHeadAttention::new(config, config.decoder_window(), device),
            self_attention_norm: AddNorm::new(config, device),
            cross_attention: MultiHeadAttention::new(config, Window::ALL, device),
            cross_attention_norm: AddNorm::new(config, device),
            feed_forward: FeedForward::new(config, device),
            feed_forward_norm: AddNorm::new(config, device),
        }
    }

    fn pack(self, precision: Precision) -> DecoderLayer<PackedLinear> {
        DecoderLayer {
            self_attention: self.self_attention.pack(precision),
            self_attention_norm: self.self_attention_norm,
            cross_attention: self.cross_attention.pack(precision),
            cross_attention_norm: self.cross_attention_norm,
            feed_forward: self.feed_forward.pack(precision),
            feed_forward_norm: self.feed_forward_norm,
        }
    }
}

impl<P: Projection> DecoderLayer<P> {
    /// Runs the layer on whole targets.
    ///
    /// With [`ReturnedAttention::Alignment`], the layer returns the weights of its cross-attention. With
    /// [`ReturnedAttention::All`], it returns the weights of both attentions.
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, target_seq, d_model]`
    pub fn forward(
        &self,
        x: Tensor<3>,
        memory: &Memory,
        returned: ReturnedAttention,
    ) -> (Tensor<3>, DecoderLayerWeights) {
        self.sub_layers(
            x,
            |x| {
                let [_, target_seq, _] = x.dims();
                // Padding is on the right, so that it lies after every real position, which does not see it.
                let none_hidden = Tensor::<4, Bool>::zeros([1, 1, 1, target_seq], &x.device());
                self.self_attention
                    .forward(x, none_hidden, returned == ReturnedAttention::All)
            },
            |x| {
                let source = self.cross_attention.project(memory.states.clone());
                let hidden = memory.hidden.clone();
                self.cross_attention
                    .attend(x, source, hidden, returned != ReturnedAttention::None)
            },
        )
    }

    /// Returns the layer's cache before the first step. `memory` is the encoder's output
    /// `[batch, source_seq, d_model]`.
    fn start(&self, memory: Tensor<3>) -> LayerCache {
        LayerCache::new(self.cross_attention.project(memory))
    }

    /// Runs the layer on the next position of each row, and adds the position's key and value to the cache.
    ///
    /// With [`ReturnedAttention::Alignment`], the layer returns the weights of its cross-attention. With
    /// [`ReturnedAttention::All`], it returns the weights of both attentions.
    ///
    /// # Shapes
    ///
    /// - x and output: `[rows, 1, d_model]`
    fn step(
        &self,
        x: Tensor<3>,
        cache: &mut LayerCache,
        slots: &CacheSlots,
        returned: ReturnedAttention,
    ) -> (Tensor<3>, DecoderLayerWeights) {
        let LayerCache { target, memory } = cache;
        self.sub_layers(
            x,
            |x| {
                target.write(slots.first_new_slot, self.self_attention.project(x.clone()));
                let slots = slots.target.clone();
                self.self_attention
                    .attend_cached(x, target, slots, returned == ReturnedAttention::All)
            },
            |x| {
                let slots = slots.memory.clone();
                self.cross_attention
                    .attend_cached(x, memory, slots, returned != ReturnedAttention::None)
            },
        )
    }

    /// Runs the three sub-layers on `x`, `[batch, seq, d_model]`. The two functions compute the two attentions.
    fn sub_layers(
        &self,
        x: Tensor<3>,
        attend_to_target: impl FnOnce(Tensor<3>) -> Attended,
        attend_to_source: impl FnOnce(Tensor<3>) -> Attended,
    ) -> (Tensor<3>, DecoderLayerWeights) {
        let (x, self_attention) = self.self_attention_norm.forward_with(x, attend_to_target);
        let (x, cross_attention) = self.cross_attention_norm.forward_with(x, attend_to_source);
        let x = self
            .feed_forward_norm
            .forward(x, |x| self.feed_forward.forward(x));
        let weights = DecoderLayerWeights {
            self_attention,
            cross_attention,
        };
        (x, weights)
    }
}

/// A stack of [`DecoderLayer`]s. In pre-norm, a layer normalization follows the last layer.
#[derive(Module, Debug)]
pub struct Decoder<P = Linear> {
    layers: Vec<DecoderLayer<P>>,
    norm: Option<LayerNorm>,
}

impl Decoder {
    /// Returns a stack of `decoder_layers` layers with initial weights.
    pub fn new(config: &TransformerConfig, device: &Device) -> Self {
        Self {
            layers: (0..config.decoder_layers)
                .map(|_| DecoderLayer::new(config, device))
                .collect(),
            norm: final_norm(config, device),
        }
    }

    /// Packs the weights for inference in the given precision.
    #[must_use]
    pub fn pack(self, precision: Precision) -> Decoder<PackedLinear> {
        let layers = self.layers.into_iter();
        Decoder {
            layers: layers.map(|layer| layer.pack(precision)).collect(),
            norm: self.norm,
        }
    }
}

impl<P: Projection> Decoder<P> {
    /// Runs the stack on whole targets. Returns the output and the attention weights that each layer returns, from the
    /// first layer to the last.
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, target_seq, d_model]`
    pub fn forward(
        &self,
        mut x: Tensor<3>,
        memory: &Memory,
        returned: ReturnedAttention,
    ) -> (Tensor<3>, Vec<DecoderLayerWeights>) {
        let mut weights = Vec::with_capacity(self.layers.len());
        for (layer, returned) in self.layers_returning(returned) {
            let (output, of_layer) = layer.forward(x, memory, returned);
            x = output;
            weights.push(of_layer);
        }
        (normalize_last(&self.norm, x), weights)
    }

    /// Returns the state before the first target token, with one row per sentence.
    pub fn start(&self, memory: Memory) -> DecoderState {
        let layers = self.layers.iter().map(|layer| layer.start(memory.states.clone()));
        let window = self.layers.first().map(|layer| layer.self_attention.window());
        DecoderState::new(layers.collect(), memory.hidden, window.unwrap_or(Window::CAUSAL))
    }

    /// Runs the stack on the next position of each row, and adds this position to `state`. Step by step, the outputs
    /// are those that [`forward`](Self::forward) returns for whole targets, up to rounding. Returns the output and the
    /// attention weights that each layer returns, from the first layer to the last; their `target_seq` is 1.
    ///
    /// # Shapes
    ///
    /// - x and output: `[rows, 1, d_model]`, the position that follows those in `state`
    pub fn step(
        &self,
        mut x: Tensor<3>,
        state: &mut DecoderState,
        returned: ReturnedAttention,
    ) -> (Tensor<3>, Vec<DecoderLayerWeights>) {
        let slots = state.advance();
        let mut weights = Vec::with_capacity(self.layers.len());
        for ((layer, returned), cache) in self.layers_returning(returned).zip(&mut state.layers) {
            let (output, of_layer) = layer.step(x, cache, &slots, returned);
            x = output;
            weights.push(of_layer);
        }
        (normalize_last(&self.norm, x), weights)
    }

    /// Pairs each layer with the attention weights that it returns. For [`ReturnedAttention::Alignment`], only the
    /// second-to-last layer returns weights, or the only layer if there is one.
    fn layers_returning(
        &self,
        returned: ReturnedAttention,
    ) -> impl Iterator<Item = (&DecoderLayer<P>, ReturnedAttention)> {
        let aligning = self.layers.len().saturating_sub(2);
        self.layers.iter().enumerate().map(move |(index, layer)| {
            if returned == ReturnedAttention::Alignment && index != aligning {
                (layer, ReturnedAttention::None)
            } else {
                (layer, returned)
            }
        })
    }
}

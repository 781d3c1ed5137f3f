//! The decoder stack (section 3.1), for whole targets and for one position after the other.

use attend_ops::{PackedLinear, Precision};
use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{Bool, Device, Tensor};

use crate::add_norm::{AddNorm, final_norm, normalize_last};
use crate::attention::{Attended, MultiHeadAttention};
use crate::attention_weights::{DecoderLayerWeights, ReturnedWeights};
use crate::cache::{CacheSlots, DecoderState, LayerCache};
use crate::config::TransformerConfig;
use crate::feed_forward::FeedForward;
use crate::mask::causal_mask;
use crate::memory::Memory;
use crate::projection::Projection;

/// Masked self-attention, attention to the encoder's output, and a feed-forward network.
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
            self_attention: MultiHeadAttention::new(config, device),
            self_attention_norm: AddNorm::new(config, device),
            cross_attention: MultiHeadAttention::new(config, device),
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
    /// Takes whole targets through the layer.
    ///
    /// The weights of the attention to the encoder's output are returned for [`ReturnedWeights::Alignment`], those of
    /// both attentions for [`ReturnedWeights::All`].
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, target_seq, d_model]`
    /// - later_hidden: `[1, 1, target_seq, target_seq]`, `true` at later positions
    pub fn forward(
        &self,
        x: Tensor<3>,
        later_hidden: Tensor<4, Bool>,
        memory: &Memory,
        returned: ReturnedWeights,
    ) -> (Tensor<3>, DecoderLayerWeights) {
        self.sub_layers(
            x,
            |x| {
                let target = self.self_attention.project(x.clone());
                self.self_attention
                    .attend(x, target, later_hidden, returned == ReturnedWeights::All)
            },
            |x| {
                let source = self.cross_attention.project(memory.states.clone());
                let hidden = memory.hidden.clone();
                self.cross_attention
                    .attend(x, source, hidden, returned != ReturnedWeights::None)
            },
        )
    }

    /// Returns a cache before the first step, over the encoder's output `[batch, source_seq, d_model]`.
    fn start(&self, memory: Tensor<3>) -> LayerCache {
        LayerCache::new(self.cross_attention.project(memory))
    }

    /// Takes the next position of each row through the layer, and adds its key and value to the cache.
    ///
    /// The weights of the attention to the encoder's output are returned for [`ReturnedWeights::Alignment`], those of
    /// both attentions for [`ReturnedWeights::All`].
    ///
    /// # Shapes
    ///
    /// - x and output: `[rows, 1, d_model]`
    fn step(
        &self,
        x: Tensor<3>,
        cache: &mut LayerCache,
        slots: &CacheSlots,
        returned: ReturnedWeights,
    ) -> (Tensor<3>, DecoderLayerWeights) {
        let LayerCache { target, memory } = cache;
        self.sub_layers(
            x,
            |x| {
                target.write(slots.next, self.self_attention.project(x.clone()));
                let slots = slots.target.clone();
                self.self_attention
                    .attend_cached(x, target, slots, returned == ReturnedWeights::All)
            },
            |x| {
                let slots = slots.memory.clone();
                self.cross_attention
                    .attend_cached(x, memory, slots, returned != ReturnedWeights::None)
            },
        )
    }

    /// Takes `x`, `[batch, seq, d_model]`, through the three sub-layers, the two attentions as they are given.
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

/// A stack of [`DecoderLayer`]s, with a norm at its end in pre-norm.
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

    /// Lays out the weights for translating, in this precision.
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
    /// Takes whole targets through the stack. Returns the output and, from the bottom up, what each layer returns of
    /// its attention weights.
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, target_seq, d_model]`
    pub fn forward(
        &self,
        mut x: Tensor<3>,
        memory: &Memory,
        returned: ReturnedWeights,
    ) -> (Tensor<3>, Vec<DecoderLayerWeights>) {
        let [_, target_seq, _] = x.dims();
        let later_hidden = causal_mask(target_seq, &x.device());
        let mut weights = Vec::with_capacity(self.layers.len());
        for (layer, returned) in self.layers_returning(returned) {
            let (output, of_layer) = layer.forward(x, later_hidden.clone(), memory, returned);
            x = output;
            weights.push(of_layer);
        }
        (normalize_last(&self.norm, x), weights)
    }

    /// Returns the state before the first target token, a row for each sentence.
    pub fn start(&self, memory: Memory) -> DecoderState {
        let layers = self.layers.iter().map(|layer| layer.start(memory.states.clone()));
        DecoderState::new(layers.collect(), memory.hidden)
    }

    /// Takes the next position of each row through the stack, after which `state` includes it. One position after the
    /// other gives the output that [`forward`](Self::forward) gives for whole targets. Returns the output and, from the
    /// bottom up, what each layer returns of its attention weights, with a `target_seq` of 1.
    ///
    /// # Shapes
    ///
    /// - x and output: `[rows, 1, d_model]`, the positions after those in `state`
    pub fn step(
        &self,
        mut x: Tensor<3>,
        state: &mut DecoderState,
        returned: ReturnedWeights,
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

    /// Pairs each layer with the attention weights that it returns. Only the last layer but one returns the alignment.
    fn layers_returning(
        &self,
        returned: ReturnedWeights,
    ) -> impl Iterator<Item = (&DecoderLayer<P>, ReturnedWeights)> {
        let aligning = self.layers.len().saturating_sub(2);
        self.layers.iter().enumerate().map(move |(index, layer)| {
            if returned == ReturnedWeights::Alignment && index != aligning {
                (layer, ReturnedWeights::None)
            } else {
                (layer, returned)
            }
        })
    }
}

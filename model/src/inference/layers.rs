//! The stacks (section 3.1) while translating.

use attend_ops::{Activation, PackedLinear, Precision};
use burn::nn::LayerNorm;
use burn::tensor::{Bool, Tensor};

use super::attention::InferenceAttention;
use super::cache::{DecoderState, LayerCache, Places};
use crate::add_norm::{AddNorm, normalize};
use crate::decoder::{Decoder, DecoderLayer};
use crate::encoder::{Encoder, EncoderLayer};
use crate::feed_forward::FeedForward;
use crate::linear;
use crate::mask::causal_mask;
use crate::transformer::Memory;

/// A [`FeedForward`] with packed layers.
#[derive(Clone, Debug)]
struct InferenceFeedForward {
    inner: PackedLinear,
    outer: PackedLinear,
}

impl InferenceFeedForward {
    fn new(feed_forward: FeedForward, precision: Precision) -> Self {
        Self {
            inner: linear::packed(feed_forward.inner, precision),
            outer: linear::packed(feed_forward.outer, precision),
        }
    }

    fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let inner = self.inner.forward(x, Activation::Relu);
        self.outer.forward(inner, Activation::Identity)
    }
}

/// An [`EncoderLayer`] with packed layers.
#[derive(Clone, Debug)]
struct InferenceEncoderLayer {
    self_attention: InferenceAttention,
    self_attention_norm: AddNorm,
    feed_forward: InferenceFeedForward,
    feed_forward_norm: AddNorm,
}

impl InferenceEncoderLayer {
    fn new(layer: EncoderLayer, precision: Precision) -> Self {
        Self {
            self_attention: InferenceAttention::new(layer.self_attention, precision),
            self_attention_norm: layer.self_attention_norm,
            feed_forward: InferenceFeedForward::new(layer.feed_forward, precision),
            feed_forward_norm: layer.feed_forward_norm,
        }
    }

    fn forward(&self, x: Tensor<3>, hidden: Tensor<4, Bool>) -> Tensor<3> {
        let x = self
            .self_attention_norm
            .forward(x, |x| self.self_attention.attend_to_itself(x, hidden));
        self.feed_forward_norm
            .forward(x, |x| self.feed_forward.forward(x))
    }
}

/// An [`Encoder`] with packed layers.
#[derive(Clone, Debug)]
pub(super) struct InferenceEncoder {
    layers: Vec<InferenceEncoderLayer>,
    norm: Option<LayerNorm>,
}

impl InferenceEncoder {
    pub(super) fn new(encoder: Encoder, precision: Precision) -> Self {
        let layers = encoder.layers.into_iter();
        Self {
            layers: layers
                .map(|layer| InferenceEncoderLayer::new(layer, precision))
                .collect(),
            norm: encoder.norm,
        }
    }

    /// # Shapes
    ///
    /// - x and output: `[batch, seq, d_model]`
    /// - hidden: `[batch, 1, 1, seq]`, `true` at padding
    pub(super) fn forward(&self, x: Tensor<3>, hidden: Tensor<4, Bool>) -> Tensor<3> {
        let layers = self.layers.iter();
        let x = layers.fold(x, |x, layer| layer.forward(x, hidden.clone()));
        normalize_last(&self.norm, x)
    }
}

/// A [`DecoderLayer`] with packed layers.
#[derive(Clone, Debug)]
struct InferenceDecoderLayer {
    self_attention: InferenceAttention,
    self_attention_norm: AddNorm,
    cross_attention: InferenceAttention,
    cross_attention_norm: AddNorm,
    feed_forward: InferenceFeedForward,
    feed_forward_norm: AddNorm,
}

impl InferenceDecoderLayer {
    fn new(layer: DecoderLayer, precision: Precision) -> Self {
        Self {
            self_attention: InferenceAttention::new(layer.self_attention, precision),
            self_attention_norm: layer.self_attention_norm,
            cross_attention: InferenceAttention::new(layer.cross_attention, precision),
            cross_attention_norm: layer.cross_attention_norm,
            feed_forward: InferenceFeedForward::new(layer.feed_forward, precision),
            feed_forward_norm: layer.feed_forward_norm,
        }
    }

    /// Takes whole targets through the layer. Pushes the weights of its attention to the encoder's output onto
    /// `weights` where given.
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, target_seq, d_model]`
    /// - later_hidden: `[1, 1, target_seq, target_seq]`, `true` at later positions
    fn forward(
        &self,
        x: Tensor<3>,
        later_hidden: Tensor<4, Bool>,
        memory: &Memory,
        weights: Option<&mut Vec<Tensor<4>>>,
    ) -> Tensor<3> {
        let x = self
            .self_attention_norm
            .forward(x, |x| self.self_attention.attend_to_itself(x, later_hidden));
        let x = self.cross_attention_norm.forward(x, |x| {
            let sequence = self.cross_attention.project(memory.states.clone());
            self.cross_attention
                .attend(x, sequence, memory.hidden.clone(), weights)
        });
        self.feed_forward_norm
            .forward(x, |x| self.feed_forward.forward(x))
    }

    /// A cache before the first step, over the encoder's output `[batch, source_seq, d_model]`.
    fn start(&self, memory: Tensor<3>) -> LayerCache {
        LayerCache::new(self.cross_attention.project(memory))
    }

    /// Takes the next position of each row through the layer, `[rows, 1, d_model]` as is the output, and adds it to the
    /// cache. Pushes the weights of its attention to the encoder's output onto `weights` where given.
    fn step(
        &self,
        x: Tensor<3>,
        cache: &mut LayerCache,
        places: &Places,
        weights: Option<&mut Vec<Tensor<3>>>,
    ) -> Tensor<3> {
        let LayerCache { target, memory } = cache;
        let x = self.self_attention_norm.forward(x, |x| {
            target.write(places.next, self.self_attention.project(x.clone()));
            self.self_attention
                .attend_gathered(x, target, places.target.clone(), None)
        });
        let x = self.cross_attention_norm.forward(x, |x| {
            self.cross_attention
                .attend_gathered(x, memory, places.memory.clone(), weights)
        });
        self.feed_forward_norm
            .forward(x, |x| self.feed_forward.forward(x))
    }
}

/// A [`Decoder`] with packed layers.
#[derive(Clone, Debug)]
pub(super) struct InferenceDecoder {
    layers: Vec<InferenceDecoderLayer>,
    norm: Option<LayerNorm>,
}

impl InferenceDecoder {
    pub(super) fn new(decoder: Decoder, precision: Precision) -> Self {
        let layers = decoder.layers.into_iter();
        Self {
            layers: layers
                .map(|layer| InferenceDecoderLayer::new(layer, precision))
                .collect(),
            norm: decoder.norm,
        }
    }

    /// Takes whole targets through the stack. Pushes the weights of the aligning layer's attention to the encoder's
    /// output onto `weights` where given.
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, target_seq, d_model]`
    pub(super) fn forward(
        &self,
        x: Tensor<3>,
        memory: &Memory,
        mut weights: Option<&mut Vec<Tensor<4>>>,
    ) -> Tensor<3> {
        let [_, target_seq, _] = x.dims();
        let later_hidden = causal_mask(target_seq, &x.device());
        let x = self.layers.iter().enumerate().fold(x, |x, (number, layer)| {
            let weights = weights.as_deref_mut().filter(|_| number == self.aligning_layer());
            layer.forward(x, later_hidden.clone(), memory, weights)
        });
        normalize_last(&self.norm, x)
    }

    /// That of [`InferenceTransformer::alignment`](super::InferenceTransformer::alignment).
    fn aligning_layer(&self) -> usize {
        self.layers.len().saturating_sub(2)
    }

    /// The state before the first target token.
    pub(super) fn start(&self, memory: Memory) -> DecoderState {
        let layers = self.layers.iter().map(|layer| layer.start(memory.states.clone()));
        let [sentences, source_seq, _] = memory.states.dims();
        let places = Tensor::arange(0..(sentences * source_seq) as i64, &memory.states.device());
        let hidden = memory.hidden.reshape([sentences, source_seq]);
        let places = places.reshape([sentences, source_seq]).mask_fill(hidden, -1);
        DecoderState::new(layers.collect(), places)
    }

    /// Takes the next position of each row through the stack; `state` then includes it. One position at a time and the
    /// whole target at once give the same result. Pushes the weights of the aligning layer's attention to the encoder's
    /// output onto `weights` where given.
    ///
    /// # Shapes
    ///
    /// - x and output: `[rows, 1, d_model]`, the positions after those in `state`
    pub(super) fn step(
        &self,
        x: Tensor<3>,
        state: &mut DecoderState,
        mut weights: Option<&mut Vec<Tensor<3>>>,
    ) -> Tensor<3> {
        let places = state.advance();
        let layers = self.layers.iter().zip(&mut state.layers).enumerate();
        let x = layers.fold(x, |x, (number, (layer, cache))| {
            let weights = weights.as_deref_mut().filter(|_| number == self.aligning_layer());
            layer.step(x, cache, &places, weights)
        });
        normalize_last(&self.norm, x)
    }
}

/// The norm at the end of a stack, which only pre-norm has.
fn normalize_last(norm: &Option<LayerNorm>, x: Tensor<3>) -> Tensor<3> {
    match norm {
        Some(norm) => normalize(norm, x),
        None => x,
    }
}

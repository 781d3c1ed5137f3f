//! The decoder stack (section 3.1), for whole targets and for one position at a time.

use attend_ops::{PackedLinear, Precision, Window};
use burn::module::Module;
use burn::nn::{LayerNorm, Linear};
use burn::tensor::{Bool, Device, Tensor};

use crate::add_norm::{AddNorm, final_norm, normalize_last};
use crate::attention::{Attended, MultiHeadAttention};
use crate::attention_weights::{DecoderLayerWeights, ReturnedAttention};
use crate::cache::{CacheSlots, DecoderState, LayerCache, TargetCache};
use crate::config::{LayerKind, TransformerConfig};
use crate::feed_forward::FeedForward;
use crate::memory::Memory;
use crate::projection::Projection;
use crate::sequence_layer::SequenceLayer;
use crate::ssru::Ssru;

/// A decoder layer: masked self-attention or, if `config.decoder_layer` names it, an [`Ssru`]; cross-attention to the
/// encoder's output; and a feed-forward network.
#[derive(Module, Debug)]
pub struct DecoderLayer<P = Linear> {
    // The kind that the layer has is present. An enum would add the kind to the names of the weights.
    self_attention: Option<MultiHeadAttention<P>>,
    ssru: Option<Ssru<P>>,
    /// The norm around the self-attention or the SSRU.
    self_attention_norm: AddNorm,
    cross_attention: MultiHeadAttention<P>,
    cross_attention_norm: AddNorm,
    feed_forward: FeedForward<P>,
    feed_forward_norm: AddNorm,
}

impl DecoderLayer {
    /// Returns a layer with initial weights.
    pub fn new(config: &TransformerConfig, device: &Device) -> Self {
        let is_ssru = config.decoder_layer == LayerKind::Ssru;
        let attention = || MultiHeadAttention::new(config, config.decoder_window(), device);
        Self {
            self_attention: (!is_ssru).then(attention),
            ssru: is_ssru.then(|| Ssru::new(config, device)),
            self_attention_norm: AddNorm::new(config, device),
            cross_attention: MultiHeadAttention::new(config, Window::ALL, device),
            cross_attention_norm: AddNorm::new(config, device),
            feed_forward: FeedForward::new(config, device),
            feed_forward_norm: AddNorm::new(config, device),
        }
    }

    fn pack(self, precision: Precision) -> DecoderLayer<PackedLinear> {
        DecoderLayer {
            self_attention: self.self_attention.map(|layer| layer.pack(precision)),
            ssru: self.ssru.map(|layer| layer.pack(precision)),
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
    /// [`ReturnedAttention::All`], it returns the weights of both attentions. An [`Ssru`] has none.
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
            // Padding is on the right, so that it lies after every real position, which does not see it.
            |x| match self.target_layer() {
                TargetLayer::Attention(attention) => {
                    let [_, target_seq, _] = x.dims();
                    let none_hidden = Tensor::<4, Bool>::zeros([1, 1, 1, target_seq], &x.device());
                    attention.forward(x, none_hidden, returned == ReturnedAttention::All)
                }
                TargetLayer::Ssru(ssru) => {
                    let [batch, _, d_model] = x.dims();
                    let mut state = Tensor::zeros([batch, 1, d_model], &x.device());
                    (ssru.forward(x, &mut state), None)
                }
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
        let memory = self.cross_attention.project(memory);
        match self.target_layer() {
            TargetLayer::Attention(_) => LayerCache::of_attention(memory),
            TargetLayer::Ssru(_) => LayerCache::of_recurrence(memory),
        }
    }

    /// Runs the layer on the next position of each row, and adds the position to the cache.
    ///
    /// With [`ReturnedAttention::Alignment`], the layer returns the weights of its cross-attention. With
    /// [`ReturnedAttention::All`], it returns the weights of both attentions. An [`Ssru`] has none.
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
            |x| match (self.target_layer(), target, &slots.target) {
                (TargetLayer::Attention(attention), TargetCache::Attention(table), Some(slots)) => {
                    table.write(slots.first_new, attention.project(x.clone()));
                    let slots = slots.of_rows.clone();
                    attention.attend_cached(x, table, slots, returned == ReturnedAttention::All)
                }
                (TargetLayer::Ssru(ssru), TargetCache::Recurrence(state), _) => {
                    (ssru.forward(x, state), None)
                }
                _ => unreachable!("a layer goes on with the cache that it started"),
            },
            |x| {
                let slots = slots.memory.clone();
                self.cross_attention
                    .attend_cached(x, memory, slots, returned != ReturnedAttention::None)
            },
        )
    }

    /// Returns the part of the layer that looks at the target.
    fn target_layer(&self) -> TargetLayer<'_, P> {
        match (&self.self_attention, &self.ssru) {
            (Some(attention), _) => TargetLayer::Attention(attention),
            (None, ssru) => TargetLayer::Ssru(ssru.as_ref().expect("a layer of one kind")),
        }
    }

    /// Runs the three sub-layers on `x`, `[batch, seq, d_model]`. The first function looks at the target, the second
    /// attends to the source.
    fn sub_layers(
        &self,
        x: Tensor<3>,
        look_at_target: impl FnOnce(Tensor<3>) -> Attended,
        attend_to_source: impl FnOnce(Tensor<3>) -> Attended,
    ) -> (Tensor<3>, DecoderLayerWeights) {
        let (x, self_attention) = self.self_attention_norm.forward_with(x, look_at_target);
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

/// The part of a decoder layer that looks at the target.
enum TargetLayer<'a, P> {
    Attention(&'a MultiHeadAttention<P>),
    Ssru(&'a Ssru<P>),
}

/// A stack of [`DecoderLayer`]s. In pre-norm, a layer normalization follows the last layer.
#[derive(Module, Debug)]
pub struct Decoder<P = Linear> {
    layers: Vec<DecoderLayer<P>>,
    norm: Option<LayerNorm>,
    norm_epsilon: f64,
}

impl Decoder {
    /// Returns a stack of `decoder_layers` layers with initial weights.
    pub fn new(config: &TransformerConfig, device: &Device) -> Self {
        Self {
            layers: (0..config.decoder_layers)
                .map(|_| DecoderLayer::new(config, device))
                .collect(),
            norm: final_norm(config, device),
            norm_epsilon: config.norm_epsilon,
        }
    }

    /// Packs the weights for inference in the given precision.
    #[must_use]
    pub fn pack(self, precision: Precision) -> Decoder<PackedLinear> {
        let layers = self.layers.into_iter();
        Decoder {
            layers: layers.map(|layer| layer.pack(precision)).collect(),
            norm: self.norm,
            norm_epsilon: self.norm_epsilon,
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
        (normalize_last(&self.norm, self.norm_epsilon, x), weights)
    }

    /// Returns the state before the first target token, with one row per sentence.
    pub fn start(&self, memory: Memory) -> DecoderState {
        let layers = self.layers.iter().map(|layer| layer.start(memory.states.clone()));
        let attention = self
            .layers
            .first()
            .and_then(|layer| layer.self_attention.as_ref());
        let window = attention.map(MultiHeadAttention::window);
        DecoderState::new(layers.collect(), memory.hidden, window)
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
        (normalize_last(&self.norm, self.norm_epsilon, x), weights)
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

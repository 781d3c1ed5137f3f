//! The decoder stack (section 3.1).

use burn::module::Module;
use burn::nn::LayerNorm;
use burn::tensor::{Bool, Device, Tensor};

use crate::add_norm::{AddNorm, final_norm, normalize};
use crate::attention::MultiHeadAttention;
use crate::cache::{DecoderState, LayerCache, Places};
use crate::config::TransformerConfig;
use crate::feed_forward::FeedForward;
use crate::mask::causal_mask;
use crate::transformer::{AttentionWeights, Memory};

/// Masked self-attention, attention to the encoder's output, and a feed-forward network.
#[derive(Module, Debug)]
pub struct DecoderLayer {
    self_attention: MultiHeadAttention,
    self_attention_norm: AddNorm,
    cross_attention: MultiHeadAttention,
    cross_attention_norm: AddNorm,
    feed_forward: FeedForward,
    feed_forward_norm: AddNorm,
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
        let attend_to_target = |x: Tensor<3>| {
            let target = self.self_attention.project(x.clone());
            self.self_attention.attend(x, target, later_hidden, self_weights)
        };
        let attend_to_memory = |x| {
            let sequence = self.cross_attention.project(memory.states.clone());
            self.cross_attention
                .attend(x, sequence, memory.hidden.clone(), cross_weights)
        };
        self.sublayers(x, attend_to_target, attend_to_memory)
    }

    /// A cache before the first step, over the encoder's output `[batch, source_seq, d_model]`.
    fn start(&self, memory: Tensor<3>) -> LayerCache {
        LayerCache::new(self.cross_attention.project(memory))
    }

    /// Takes the next position of each row through the layer, `[rows, 1, d_model]` as is the output, and adds it to the
    /// cache.
    fn step(&self, x: Tensor<3>, cache: &mut LayerCache, places: &Places) -> Tensor<3> {
        let LayerCache { target, memory } = cache;
        let attend_to_target = |x: Tensor<3>| {
            let next = self.self_attention.project(x.clone());
            target.write(places.next, next);
            self.self_attention
                .attend_gathered(x, target, places.target.clone())
        };
        let attend_to_memory = |x| {
            self.cross_attention
                .attend_gathered(x, memory, places.memory.clone())
        };
        self.sublayers(x, attend_to_target, attend_to_memory)
    }

    fn sublayers(
        &self,
        x: Tensor<3>,
        attend_to_target: impl FnOnce(Tensor<3>) -> Tensor<3>,
        attend_to_memory: impl FnOnce(Tensor<3>) -> Tensor<3>,
    ) -> Tensor<3> {
        let x = self.self_attention_norm.forward(x, attend_to_target);
        let x = self.cross_attention_norm.forward(x, attend_to_memory);
        self.feed_forward_norm
            .forward(x, |x| self.feed_forward.forward(x))
    }
}

/// A stack of [`DecoderLayer`]s, with a norm at its end in pre-norm.
#[derive(Module, Debug)]
pub struct Decoder {
    layers: Vec<DecoderLayer>,
    norm: Option<LayerNorm>,
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
        self.normalize(x)
    }

    /// The state before the first target token.
    pub fn start(&self, memory: Memory) -> DecoderState {
        let layers = self.layers.iter().map(|layer| layer.start(memory.states.clone()));
        let [sentences, source_seq, _] = memory.states.dims();
        let places = Tensor::arange(0..(sentences * source_seq) as i64, &memory.states.device());
        let hidden = memory.hidden.reshape([sentences, source_seq]);
        let places = places.reshape([sentences, source_seq]).mask_fill(hidden, -1);
        DecoderState::new(layers.collect(), places)
    }

    /// Takes the next position of each row through the stack; `state` then includes it. One position at a time and the
    /// whole target at once give the same result.
    ///
    /// # Shapes
    ///
    /// - x and output: `[rows, 1, d_model]`, the positions after those in `state`
    pub fn step(&self, x: Tensor<3>, state: &mut DecoderState) -> Tensor<3> {
        let places = state.advance();
        let layers = self.layers.iter().zip(&mut state.layers);
        let x = layers.fold(x, |x, (layer, cache)| layer.step(x, cache, &places));
        self.normalize(x)
    }

    fn normalize(&self, x: Tensor<3>) -> Tensor<3> {
        match &self.norm {
            Some(norm) => normalize(norm, x),
            None => x,
        }
    }
}

//! The decoder stack (section 3.1).

use burn::module::Module;
use burn::nn::LayerNorm;
use burn::tensor::{Bool, Device, Tensor};

use crate::add_norm::{AddNorm, final_norm, normalize};
use crate::attention::MultiHeadAttention;
use crate::cache::{DecoderState, LayerCache};
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

    /// A cache before the first step, over the encoder's output `[batch, source_seq, d_model]`.
    pub fn start(&self, memory: Tensor<3>) -> LayerCache {
        LayerCache::new(self.cross_attention.project(memory))
    }

    /// Takes the next positions of the target through the layer and adds them to its cache. Pushes the attention
    /// weights onto `weights` where given.
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, seq, d_model]`, the `seq` positions after those in the cache
    /// - later_hidden: `[1, 1, seq, cached + seq]`, `true` at later positions
    /// - memory_hidden: `[batch, 1, 1, source_seq]`, `true` at source padding
    pub fn forward(
        &self,
        x: Tensor<3>,
        cache: &mut LayerCache,
        later_hidden: Tensor<4, Bool>,
        memory_hidden: Tensor<4, Bool>,
        weights: Option<&mut AttentionWeights>,
    ) -> Tensor<3> {
        let (self_weights, cross_weights) = match weights {
            Some(weights) => (Some(&mut weights.decoder), Some(&mut weights.cross)),
            None => (None, None),
        };
        let x = self.self_attention_norm.forward(x, |x| {
            let next = self.self_attention.project(x.clone());
            let target = match cache.target.take() {
                Some(past) => past.append(next),
                None => next,
            };
            cache.target = Some(target.clone());
            self.self_attention.attend(x, target, later_hidden, self_weights)
        });
        let x = self.cross_attention_norm.forward(x, |x| {
            self.cross_attention
                .attend(x, cache.memory.clone(), memory_hidden, cross_weights)
        });
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

    /// The state before the first target token.
    pub fn start(&self, memory: Memory) -> DecoderState {
        DecoderState {
            layers: self
                .layers
                .iter()
                .map(|layer| layer.start(memory.states.clone()))
                .collect(),
            memory_hidden: memory.hidden,
            length: 0,
        }
    }

    /// Takes the next positions of the target through the stack; `state` then includes them. The whole target at
    /// once and one token at a time give the same result.
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, seq, d_model]`, the `seq` positions after those in `state`
    pub fn forward(
        &self,
        x: Tensor<3>,
        state: &mut DecoderState,
        mut weights: Option<&mut AttentionWeights>,
    ) -> Tensor<3> {
        let [_, seq, _] = x.dims();
        state.length += seq;
        let later_hidden = causal_mask(seq, state.length, &x.device());
        let x = self
            .layers
            .iter()
            .zip(&mut state.layers)
            .fold(x, |x, (layer, cache)| {
                layer.forward(
                    x,
                    cache,
                    later_hidden.clone(),
                    state.memory_hidden.clone(),
                    weights.as_deref_mut(),
                )
            });
        match &self.norm {
            Some(norm) => normalize(norm, x),
            None => x,
        }
    }
}

//! A simple recurrent unit, in place of the decoder's self-attention.

use attend_ops::{Activation, PackedLinear, Precision, gated_states};
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};

use crate::config::TransformerConfig;
use crate::init;
use crate::projection::{Projection, pack};

/// The simpler simple recurrent unit (SSRU) of Kim et al. (2019), "From Research to Production and Back: Ludicrously
/// Fast Neural Machine Translation". It stands in place of the decoder's self-attention: a position learns of those
/// before it by a state alone, so that a step of decoding takes as long at the end of a sentence as at its beginning.
///
/// The state c' and the output y follow from the input x and the state c of the position before:
///
/// ```text
/// f = σ(W_f x + b_f)
/// c' = f ∘ c + (1 - f) ∘ W x      (∘ multiplies element by element)
/// y = max(0, c')
/// ```
#[derive(Module, Debug)]
pub struct Ssru<P = Linear> {
    /// `W_f` with `b_f`.
    forget: P,
    /// `W`, which has no bias.
    candidate: P,
}

impl Ssru {
    /// Returns a layer with initial weights. Its input, its state and its output have the width `d_model`.
    pub fn new(config: &TransformerConfig, device: &Device) -> Self {
        let d_model = config.d_model;
        Self {
            forget: init::linear(d_model, d_model, 1.0, device),
            candidate: init::linear_without_bias(d_model, d_model, 1.0, device),
        }
    }

    pub(crate) fn pack(self, precision: Precision) -> Ssru<PackedLinear> {
        Ssru {
            forget: pack(self.forget, precision),
            candidate: pack(self.candidate, precision),
        }
    }
}

impl<P: Projection> Ssru<P> {
    /// Reads sequences, and replaces each sequence's state before the first position by that after the last. Returns
    /// the output at each position. Before a whole sequence, the state is 0.
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, seq, d_model]`
    /// - state: `[batch, 1, d_model]`
    pub fn forward(&self, x: Tensor<3>, state: &mut Tensor<3>) -> Tensor<3> {
        let [_, seq, _] = x.dims();
        let gate = self.forget.forward(x.clone(), Activation::Identity);
        let candidate = self.candidate.forward(x, Activation::Identity);
        let states = gated_states(gate, candidate, state.clone());
        *state = states.clone().slice_dim(1, seq - 1..seq);
        relu(states)
    }
}

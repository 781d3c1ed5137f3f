//! A recurrent layer, a relative of self-attention (section 4).

use attend_ops::{Activation, PackedLinear, Precision};
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::{sigmoid, tanh};
use burn::tensor::{Bool, Device, Tensor};

use crate::attention::Attended;
use crate::config::TransformerConfig;
use crate::init;
use crate::projection::{Projection, pack};
use crate::sequence_layer::{SequenceLayer, padding};

/// Gated recurrent units (Cho et al., 2014), one half of which read a sequence forwards and the other half backwards.
///
/// The output at a position is the concatenation of the two states there, each `d_model / 2` wide, as that of PyTorch's
/// `torch.nn.GRU(d_model, d_model // 2, bidirectional=True)`. It is 0 at padding.
#[derive(Module, Debug)]
pub struct Recurrent<P = Linear> {
    forwards: GatedUnits<P>,
    backwards: GatedUnits<P>,
}

impl Recurrent {
    /// Returns a layer with initial weights. `config.d_model` must be even.
    pub fn new(config: &TransformerConfig, device: &Device) -> Self {
        Self {
            forwards: GatedUnits::new(config.d_model, config.d_model / 2, device),
            backwards: GatedUnits::new(config.d_model, config.d_model / 2, device),
        }
    }

    pub(crate) fn pack(self, precision: Precision) -> Recurrent<PackedLinear> {
        Recurrent {
            forwards: self.forwards.pack(precision),
            backwards: self.backwards.pack(precision),
        }
    }
}

impl<P: Projection> SequenceLayer for Recurrent<P> {
    fn forward(&self, x: Tensor<3>, hidden: Tensor<4, Bool>, _with_weights: bool) -> Attended {
        let padding = padding(hidden);
        let x = x.mask_fill(padding.clone(), 0.0);
        let padding = padding.split(1, 1);
        let read = |units: &GatedUnits<P>| positions(units.input.forward(x.clone(), Activation::Identity));
        let steps = read(&self.forwards).into_iter().zip(padding.clone());
        let forwards = self.forwards.states(steps);
        let steps = read(&self.backwards).into_iter().zip(padding).rev();
        let mut backwards = self.backwards.states(steps);
        backwards.reverse();
        let states = [forwards, backwards].map(|states| Tensor::cat(states, 1));
        (Tensor::cat(states.to_vec(), 2), None)
    }
}

/// Units with a reset gate r, an update gate z and a candidate n, as those of PyTorch. The new state h' follows from the
/// input x and the state h:
///
/// ```text
/// r = σ(W_r x + b_r + U_r h + c_r)
/// z = σ(W_z x + b_z + U_z h + c_z)
/// n = tanh(W_n x + b_n + r ∘ (U_n h + c_n))      (∘ multiplies element by element)
/// h' = (1 - z) ∘ n + z ∘ h
/// ```
#[derive(Module, Debug)]
struct GatedUnits<P = Linear> {
    /// `W_r`, `W_z` and `W_n`, one after another, with `b`: PyTorch's `weight_ih` and `bias_ih`.
    input: P,
    /// `U_r`, `U_z` and `U_n`, one after another, with `c`: PyTorch's `weight_hh` and `bias_hh`.
    state: P,
    width: usize,
}

impl GatedUnits {
    fn new(d_input: usize, width: usize, device: &Device) -> Self {
        Self {
            input: init::linear(d_input, 3 * width, 1.0, device),
            state: init::linear(width, 3 * width, 1.0, device),
            width,
        }
    }

    fn pack(self, precision: Precision) -> GatedUnits<PackedLinear> {
        GatedUnits {
            input: pack(self.input, precision),
            state: pack(self.state, precision),
            width: self.width,
        }
    }
}

impl<P: Projection> GatedUnits<P> {
    /// Returns the state after each step, `[batch, 1, width]`. A step has the output of the layer `input` at a position,
    /// `[batch, 1, 3 · width]`, and `[batch, 1, 1]`, which is `true` at padding. At padding, the state returns to 0.
    fn states(&self, steps: impl Iterator<Item = (Tensor<3>, Tensor<3, Bool>)>) -> Vec<Tensor<3>> {
        let width = self.width;
        let mut states: Vec<Tensor<3>> = Vec::new();
        for (of_input, padding) in steps {
            let [batch, ..] = padding.dims();
            let state = states.last().cloned();
            let state = state.unwrap_or_else(|| Tensor::zeros([batch, 1, width], &of_input.device()));
            let of_state = self.state.forward(state.clone(), Activation::Identity);
            let gates = |x: &Tensor<3>| x.clone().slice_dim(2, 0..2 * width);
            let candidate = |x: &Tensor<3>| x.clone().slice_dim(2, 2 * width..3 * width);
            let gate = sigmoid(gates(&of_input) + gates(&of_state));
            let reset = gate.clone().slice_dim(2, 0..width);
            let update = gate.slice_dim(2, width..2 * width);
            let new = tanh(candidate(&of_input) + reset * candidate(&of_state));
            let state = new.clone() + update * (state - new);
            states.push(state.mask_fill(padding, 0.0));
        }
        states
    }
}

/// Returns the positions of `[batch, seq, width]`, each `[batch, 1, width]`.
///
/// The backward pass of a slice fills a tensor as long as what was sliced. Of n positions, n slices of the whole sequence
/// would fill n² positions. The sequence is halved again and again instead, which fills n log n.
fn positions(x: Tensor<3>) -> Vec<Tensor<3>> {
    let [_, seq, _] = x.dims();
    if seq < 2 {
        return vec![x];
    }
    let halves = [0..seq / 2, seq / 2..seq].map(|half| positions(x.clone().slice_dim(1, half)));
    halves.concat()
}

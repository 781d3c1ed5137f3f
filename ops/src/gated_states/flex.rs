//! The kernel for the states of a simple recurrent unit on flex.

use burn::backend::flex::{Flex, FlexTensor};
use pulp::{Scalar, Simd, WithSimd};

use super::kernel::GatedStates;
use crate::flex::activation::Sigmoid;
use crate::flex::tensor::{columns, contiguous, floats, tensor};
use crate::flex::vectorized;

impl GatedStates for Flex {
    fn gated_states(gate: FlexTensor, candidate: FlexTensor, initial: FlexTensor) -> FlexTensor {
        let (gate, candidate, initial) = (contiguous(gate), contiguous(candidate), contiguous(initial));
        let states = vectorized(Sequences {
            gate: floats(&gate),
            candidate: floats(&candidate),
            initial: floats(&initial),
            width: columns(&initial),
        });
        tensor(states, gate.layout().shape().clone())
    }
}

/// The forward pass over all sequences.
struct Sequences<'a> {
    gate: &'a [f32],
    candidate: &'a [f32],
    initial: &'a [f32],
    width: usize,
}

impl WithSimd for Sequences<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let Self {
            gate,
            candidate,
            initial,
            width,
        } = self;
        let length = gate.len() * width / initial.len();
        let mut states = vec![0.0; gate.len()];
        let inputs = gate.chunks_exact(length).zip(candidate.chunks_exact(length));
        let sequences = inputs
            .zip(initial.chunks_exact(width))
            .zip(states.chunks_exact_mut(length));
        for (((gate, candidate), initial), states) in sequences {
            let mut before = initial;
            let rows = gate.chunks_exact(width).zip(candidate.chunks_exact(width));
            for ((gate, candidate), state) in rows.zip(states.chunks_exact_mut(width)) {
                next_state(simd, gate, candidate, before, state);
                before = state;
            }
        }
        states
    }
}

/// Writes the state that follows the state `before`.
#[inline(always)]
fn next_state<S: Simd>(simd: S, gate: &[f32], candidate: &[f32], before: &[f32], state: &mut [f32]) {
    let ((gate, gate_rest), (candidate, candidate_rest)) =
        (S::as_simd_f32s(gate), S::as_simd_f32s(candidate));
    let ((before, before_rest), (state, state_rest)) = (S::as_simd_f32s(before), S::as_mut_simd_f32s(state));
    let inputs = gate.iter().zip(candidate).zip(before);
    for (((&gate, &candidate), &before), state) in inputs.zip(state) {
        *state = next(simd, gate, candidate, before);
    }
    let inputs = gate_rest.iter().zip(candidate_rest).zip(before_rest);
    for (((&gate, &candidate), &before), state) in inputs.zip(state_rest) {
        *state = next(Scalar, gate, candidate, before);
    }
}

/// Returns `f · before + (1 - f) · candidate`, with `f = σ(gate)`, as `f · (before - candidate) + candidate`.
#[inline(always)]
fn next<S: Simd>(simd: S, gate: S::f32s, candidate: S::f32s, before: S::f32s) -> S::f32s {
    simd.mul_add_e_f32s(
        Sigmoid::value(simd, gate),
        simd.sub_f32s(before, candidate),
        candidate,
    )
}

#[cfg(feature = "autodiff")]
mod backward {
    use super::{
        Flex, FlexTensor, Scalar, Sigmoid, Simd, WithSimd, columns, contiguous, floats, tensor, vectorized,
    };
    use crate::gated_states::kernel::GatedStatesBackward;

    impl GatedStatesBackward for Flex {
        fn gated_states_backward(
            gate: FlexTensor,
            candidate: FlexTensor,
            initial: FlexTensor,
            states: FlexTensor,
            gradient: FlexTensor,
        ) -> [FlexTensor; 3] {
            let [gate, candidate, initial, gradient] = [gate, candidate, initial, gradient].map(contiguous);
            let [d_gate, d_candidate, d_initial] = vectorized(Gradient {
                of_states: floats(&gradient),
                gate: floats(&gate),
                candidate: floats(&candidate),
                initial: floats(&initial),
                states: floats(&states),
                width: columns(&initial),
            });
            [
                tensor(d_gate, gate.layout().shape().clone()),
                tensor(d_candidate, candidate.layout().shape().clone()),
                tensor(d_initial, initial.layout().shape().clone()),
            ]
        }
    }

    /// The backward pass over all sequences, from the last position to the first.
    ///
    /// Let `G` be the gradient of the loss with respect to the state `c_t`, by way of the output and of all later
    /// states, and `f = σ(g_t)`. Then
    ///
    /// ```text
    /// dg_t = G (c_(t-1) - n_t) f (1 - f)
    /// dn_t = G (1 - f)
    /// dc_(t-1) = G f, to which the gradient with respect to the output at t-1 is added
    /// ```
    struct Gradient<'a> {
        of_states: &'a [f32],
        gate: &'a [f32],
        candidate: &'a [f32],
        initial: &'a [f32],
        states: &'a [f32],
        width: usize,
    }

    impl WithSimd for Gradient<'_> {
        /// The gradients with respect to gate, candidate and initial state.
        type Output = [Vec<f32>; 3];

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> [Vec<f32>; 3] {
            let Self {
                of_states,
                gate,
                candidate,
                initial,
                states,
                width,
            } = self;
            let length = gate.len() * width / initial.len();
            let (mut d_gate, mut d_candidate) = (vec![0.0; gate.len()], vec![0.0; gate.len()]);
            let mut d_initial = vec![0.0; initial.len()];
            for (sequence, d_before) in d_initial.chunks_exact_mut(width).enumerate() {
                let first = sequence * length;
                for row in (first..first + length).step_by(width).rev() {
                    let before = if row == first {
                        &initial[sequence * width..][..width]
                    } else {
                        &states[row - width..row]
                    };
                    let position = Position {
                        of_state: &of_states[row..][..width],
                        gate: &gate[row..][..width],
                        candidate: &candidate[row..][..width],
                        before,
                    };
                    position.backward(
                        simd,
                        &mut d_gate[row..][..width],
                        &mut d_candidate[row..][..width],
                        d_before,
                    );
                }
            }
            [d_gate, d_candidate, d_initial]
        }
    }

    /// One position of one sequence.
    struct Position<'a> {
        of_state: &'a [f32],
        gate: &'a [f32],
        candidate: &'a [f32],
        before: &'a [f32],
    }

    impl Position<'_> {
        /// Writes the gradients. `d_before` holds the gradient with respect to the state by way of later states, and
        /// then that with respect to the state before.
        #[inline(always)]
        fn backward<S: Simd>(
            self,
            simd: S,
            d_gate: &mut [f32],
            d_candidate: &mut [f32],
            d_before: &mut [f32],
        ) {
            let [of_state, gate, candidate, before] =
                [self.of_state, self.gate, self.candidate, self.before].map(S::as_simd_f32s);
            let [d_gate, d_candidate, d_before] = [d_gate, d_candidate, d_before].map(S::as_mut_simd_f32s);
            for index in 0..gate.0.len() {
                [d_gate.0[index], d_candidate.0[index], d_before.0[index]] = gradients(
                    simd,
                    simd.add_f32s(of_state.0[index], d_before.0[index]),
                    gate.0[index],
                    candidate.0[index],
                    before.0[index],
                );
            }
            for index in 0..gate.1.len() {
                [d_gate.1[index], d_candidate.1[index], d_before.1[index]] = gradients(
                    Scalar,
                    of_state.1[index] + d_before.1[index],
                    gate.1[index],
                    candidate.1[index],
                    before.1[index],
                );
            }
        }
    }

    /// Returns the gradients with respect to gate, candidate and the state before, given that with respect to the
    /// state.
    #[inline(always)]
    fn gradients<S: Simd>(
        simd: S,
        of_state: S::f32s,
        gate: S::f32s,
        candidate: S::f32s,
        before: S::f32s,
    ) -> [S::f32s; 3] {
        let kept = Sigmoid::value(simd, gate);
        let of_before = simd.mul_f32s(of_state, kept);
        let of_candidate = simd.sub_f32s(of_state, of_before);
        let difference = simd.sub_f32s(before, candidate);
        let of_gate = simd.mul_f32s(simd.mul_f32s(of_candidate, kept), difference);
        [of_gate, of_candidate, of_before]
    }
}

//! What a backend implements to have a kernel for the states of a simple recurrent unit.

use burn::backend::tensor::FloatTensor;
#[cfg(feature = "autodiff")]
use burn::backend::{Autodiff, autodiff::checkpoint::strategy::CheckpointStrategy};
use burn::backend::{Backend, backend_extension};

/// A backend with a kernel for [`gated_states`](super::gated_states()).
#[backend_extension(Flex, Autodiff: cfg(feature = "autodiff"))]
pub(super) trait GatedStates: Backend {
    fn gated_states(
        gate: FloatTensor<Self>,
        candidate: FloatTensor<Self>,
        initial: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
}

/// A backend with kernels for the forward and the backward pass.
#[cfg(feature = "autodiff")]
pub(super) trait GatedStatesBackward: GatedStates {
    /// Returns the gradients with respect to gate, candidate and initial state, given the `states` and the `gradient`
    /// with respect to them.
    fn gated_states_backward(
        gate: FloatTensor<Self>,
        candidate: FloatTensor<Self>,
        initial: FloatTensor<Self>,
        states: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3];
}

#[cfg(feature = "autodiff")]
impl<B: GatedStatesBackward, C: CheckpointStrategy> GatedStates for Autodiff<B, C> {
    fn gated_states(
        gate: FloatTensor<Self>,
        candidate: FloatTensor<Self>,
        initial: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        crate::autodiff::record::<B, C, _, _>(
            [gate, candidate, initial],
            |[gate, candidate, initial]| {
                let states = B::gated_states(gate.clone(), candidate.clone(), initial.clone());
                (states.clone(), (gate, candidate, initial, states))
            },
            |(gate, candidate, initial, states), gradient| {
                B::gated_states_backward(gate, candidate, initial, states, gradient)
            },
        )
    }
}

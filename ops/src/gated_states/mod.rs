//! The states of a simple recurrent unit.

use burn::tensor::Tensor;

use crate::dispatch::dispatch;

#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod kernel;
mod reference;

pub use reference::reference;

/// Returns the state `c` of a simple recurrent unit at each position `t`, by its forget gate `g`, the candidate `n` and
/// the initial state `c_0` (Kim et al., 2019, "From Research to Production and Back: Ludicrously Fast Neural Machine
/// Translation"):
///
/// ```text
/// c_t = σ(g_t) ∘ c_(t-1) + (1 - σ(g_t)) ∘ n_t      (∘ multiplies element by element)
/// ```
///
/// For example, with gates of 0, whose σ is 1/2, a state of 0 and the candidates 4 and 8, the states are 2 and 5.
///
/// # Shapes
///
/// - gate, candidate and output: `[batch, seq, width]`
/// - initial: `[batch, 1, width]`
#[must_use]
pub fn gated_states(gate: Tensor<3>, candidate: Tensor<3>, initial: Tensor<3>) -> Tensor<3> {
    dispatch!(Flex | FlexAutodiff => GatedStates::gated_states(gate, candidate, initial))
}

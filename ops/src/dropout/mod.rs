//! Dropout.

use burn::tensor::Tensor;

use crate::dispatch::dispatch;

mod draw;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod kernel;
mod reference;

pub use reference::reference;

/// Sets each element of `x` to 0 with `probability`, and multiplies the others by `1 / (1 - probability)`, which keeps
/// the expected value of each element (Srivastava et al., 2014). The probability is in [0, 1).
///
/// `seed` decides which elements are dropped: calls with the same seed drop the same elements, on every device. In a
/// batch of sequences `[..., seq, d]`, padding along `seq` to a multiple of eight does not change which elements are
/// dropped. The backward pass finds the dropped elements again from the seed, so that no mask is kept.
#[must_use]
pub fn dropout<const D: usize>(x: Tensor<D>, probability: f64, seed: u64) -> Tensor<D> {
    dispatch!(Flex | FlexAutodiff => Dropout::dropout(x; probability, seed))
}

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

/// Sets each element of `x` to 0 with `probability`, and multiplies the others by `1 / (1 - probability)`, so that an
/// element's expected value stays (Srivastava et al., 2014). The probability is in [0, 1).
///
/// `seed` decides which elements are dropped: each call with this seed drops the same elements, on every device. A
/// batch of sequences `[..., seq, d]` loses the same elements when it is padded along `seq` to a multiple of eight. The
/// backward pass draws the elements again from the seed, so that no mask is kept.
#[must_use]
pub fn dropout<const D: usize>(x: Tensor<D>, probability: f64, seed: u64) -> Tensor<D> {
    dispatch!(Flex | FlexAutodiff => Dropout::dropout(x; probability, seed))
}

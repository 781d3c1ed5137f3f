//! The sum of the squares of all gradients. Gradients are clipped by its root, their norm.

use burn::tensor::Tensor;

use crate::dispatch::dispatch;

#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod kernel;
mod reference;

pub use reference::reference;

/// Returns the sum of the squares of all numbers in all `vectors`, with the shape `[1]`. The vectors are on one device,
/// without autodiff.
///
/// # Panics
///
/// If there is no vector.
#[must_use]
pub fn sum_of_squares(vectors: Vec<Tensor<1>>) -> Tensor<1> {
    dispatch!(&vectors[0], Flex => kernel::of_vectors(vectors), else reference(vectors))
}

//! A sum of squares in tensor operations.

use burn::tensor::Tensor;

/// Computes [`sum_of_squares`](super::sum_of_squares()) in tensor operations.
///
/// # Panics
///
/// If there is no vector.
#[must_use]
pub fn reference(vectors: Vec<Tensor<1>>) -> Tensor<1> {
    // One sum, because a GPU takes as long to begin a sum as to copy a small vector beside the others.
    Tensor::cat(vectors, 0).square().sum()
}

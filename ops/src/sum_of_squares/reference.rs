//! A sum of squares in tensor operations.

use burn::tensor::Tensor;

/// Computes [`sum_of_squares`](super::sum_of_squares()) in tensor operations.
///
/// # Panics
///
/// If there is no vector.
#[must_use]
pub fn reference(vectors: Vec<Tensor<1>>) -> Tensor<1> {
    // The vectors are joined for a single sum, because starting a sum on a GPU takes as long as copying a small vector.
    Tensor::cat(vectors, 0).square().sum()
}

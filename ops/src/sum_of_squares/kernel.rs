//! What a backend implements to have a kernel for a sum of squares.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;

/// A backend with a kernel for [`sum_of_squares`](super::sum_of_squares()) of one vector.
#[backend_extension(Flex)]
pub(super) trait SumOfSquares: Backend {
    fn sum_of_squares(vector: FloatTensor<Self>) -> FloatTensor<Self>;
}

/// Computes [`sum_of_squares`](super::sum_of_squares()) by the kernel.
pub(super) fn of_vectors(vectors: Vec<Tensor<1>>) -> Tensor<1> {
    let of_vector = |vector: Tensor<1>| -> Tensor<1> {
        Tensor::from_dispatch(Dispatch::sum_of_squares(vector.into_dispatch()))
    };
    Tensor::cat(vectors.into_iter().map(of_vector).collect(), 0).sum()
}

//! What a backend implements to have a kernel for Adam's step.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::Tensor;

use super::{AdamStep, Factors, Moments};

/// A backend with a kernel for [`adam`](super::adam()).
#[backend_extension(Flex)]
pub(super) trait Adam: Backend {
    /// Returns the weight and its moments after the step.
    fn adam(
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        mean_square: FloatTensor<Self>,
        factors: Factors,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
}

/// Computes [`adam`](super::adam()) by the kernel.
pub(super) fn of_tensors<const D: usize>(
    weight: Tensor<D>,
    gradient: Tensor<D>,
    moments: Moments<D>,
    step: &AdamStep,
) -> (Tensor<D>, Moments<D>) {
    let (weight, mean, mean_square) = Dispatch::adam(
        weight.into_dispatch(),
        gradient.into_dispatch(),
        moments.mean.into_dispatch(),
        moments.mean_square.into_dispatch(),
        Factors::of(step),
    );
    let moments = Moments {
        mean: Tensor::from_dispatch(mean),
        mean_square: Tensor::from_dispatch(mean_square),
    };
    (Tensor::from_dispatch(weight), moments)
}

//! What a backend implements to have a kernel for the loss.

use burn::backend::tensor::{FloatTensor, IntTensor};
#[cfg(feature = "autodiff")]
use burn::backend::{Autodiff, AutodiffBackend, autodiff::checkpoint::strategy::CheckpointStrategy};
use burn::backend::{Backend, backend_extension};

/// A backend with a kernel for [`linear_cross_entropy`](super::linear_cross_entropy).
#[backend_extension(Flex, Autodiff: cfg(feature = "autodiff"))]
pub(super) trait CrossEntropy: Backend {
    fn cross_entropy_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        target: IntTensor<Self>,
        pad_id: usize,
        smoothing: f64,
    ) -> FloatTensor<Self>;
}

/// A backend with a kernel that computes the gradients together with the loss, so that no logits have to be kept.
#[cfg(feature = "autodiff")]
pub(super) trait CrossEntropyBackward: CrossEntropy {
    /// Returns the loss, and its gradients with respect to x and weight.
    fn cross_entropy_with_gradients(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        target: IntTensor<Self>,
        pad_id: usize,
        smoothing: f64,
    ) -> (FloatTensor<Self>, [FloatTensor<Self>; 2]);

    /// Returns the gradients with respect to x and weight, given the `gradient` with respect to the loss: `gradients`,
    /// which hold for a gradient of 1, times `gradient`.
    fn cross_entropy_backward(
        gradients: [FloatTensor<Self>; 2],
        gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2];
}

#[cfg(feature = "autodiff")]
impl<B: CrossEntropyBackward, C: CheckpointStrategy> CrossEntropy for Autodiff<B, C> {
    fn cross_entropy_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        target: IntTensor<Self>,
        pad_id: usize,
        smoothing: f64,
    ) -> FloatTensor<Self> {
        if !x.is_tracked() && !weight.is_tracked() {
            let (x, weight) = (x.into_primitive(), weight.into_primitive());
            return Self::from_inner(B::cross_entropy_forward(x, weight, target, pad_id, smoothing));
        }
        crate::autodiff::record::<B, C, _, _>(
            [x, weight],
            |[x, weight]| B::cross_entropy_with_gradients(x, weight, target, pad_id, smoothing),
            B::cross_entropy_backward,
        )
    }
}

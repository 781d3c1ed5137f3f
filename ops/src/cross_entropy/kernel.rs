//! What a backend implements to have a kernel for the loss.

use burn::backend::tensor::{FloatTensor, IntTensor};
#[cfg(feature = "autodiff")]
use burn::backend::{Autodiff, AutodiffBackend, autodiff::checkpoint::strategy::CheckpointStrategy};
use burn::backend::{Backend, Dispatch, backend_extension};
use burn::tensor::{Int, Tensor};

/// A backend with a kernel for [`linear_cross_entropy`](super::linear_cross_entropy). The bias of an output layer that
/// has none is a tensor without numbers, `[0]`.
#[backend_extension(Flex, Autodiff: cfg(feature = "autodiff"))]
pub(super) trait CrossEntropy: Backend {
    fn cross_entropy_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        target: IntTensor<Self>,
        pad_id: usize,
        smoothing: f64,
    ) -> FloatTensor<Self>;
}

/// Computes [`linear_cross_entropy`](super::linear_cross_entropy) by the kernel.
pub(super) fn of_tensors(
    x: Tensor<3>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    target: Tensor<2, Int>,
    pad_id: usize,
    smoothing: f64,
) -> Tensor<1> {
    let bias = bias.unwrap_or_else(|| Tensor::zeros([0], &x.device()));
    Tensor::from_dispatch(Dispatch::cross_entropy_forward(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        target.into_dispatch(),
        pad_id,
        smoothing,
    ))
}

/// A backend with a kernel that computes the gradients together with the loss, so that no logits have to be kept.
#[cfg(feature = "autodiff")]
pub(super) trait CrossEntropyBackward: CrossEntropy {
    /// Returns the loss, and its gradients with respect to x, weight and bias.
    fn cross_entropy_with_gradients(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        target: IntTensor<Self>,
        pad_id: usize,
        smoothing: f64,
    ) -> (FloatTensor<Self>, [FloatTensor<Self>; 3]);

    /// Returns the gradients with respect to x, weight and bias, given the `gradient` with respect to the loss:
    /// `gradients`, which hold for a gradient of 1, times `gradient`.
    fn cross_entropy_backward(
        gradients: [FloatTensor<Self>; 3],
        gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3];
}

#[cfg(feature = "autodiff")]
impl<B: CrossEntropyBackward, C: CheckpointStrategy> CrossEntropy for Autodiff<B, C> {
    fn cross_entropy_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        target: IntTensor<Self>,
        pad_id: usize,
        smoothing: f64,
    ) -> FloatTensor<Self> {
        let inputs = [x, weight, bias];
        if !inputs.iter().any(|input| input.is_tracked()) {
            let [x, weight, bias] = inputs.map(|input| input.into_primitive());
            let loss = B::cross_entropy_forward(x, weight, bias, target, pad_id, smoothing);
            return Self::from_inner(loss);
        }
        crate::autodiff::record::<B, C, _, _>(
            inputs,
            |[x, weight, bias]| B::cross_entropy_with_gradients(x, weight, bias, target, pad_id, smoothing),
            B::cross_entropy_backward,
        )
    }
}

//! What a backend implements to have a kernel for linear layers.

use burn::backend::tensor::FloatTensor;
#[cfg(feature = "autodiff")]
use burn::backend::{Autodiff, autodiff::checkpoint::strategy::CheckpointStrategy};
use burn::backend::{Backend, backend_extension};

use super::Activation;

/// A backend with a kernel for [`linear`](super::linear()).
#[backend_extension(Flex, Autodiff: cfg(feature = "autodiff"))]
pub(super) trait Linear: Backend {
    fn linear_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        activation: Activation,
    ) -> FloatTensor<Self>;
}

/// A backend with kernels for the forward and the backward pass.
#[cfg(feature = "autodiff")]
pub(super) trait LinearBackward: Linear {
    /// Returns the gradients with respect to x, weight and bias, given the `gradient` with respect to the output.
    /// `activated` is the output of a layer with [`Activation::Relu`], and `None` for [`Activation::Identity`].
    fn linear_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        activated: Option<FloatTensor<Self>>,
        gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3];
}

#[cfg(feature = "autodiff")]
impl<B: LinearBackward, C: CheckpointStrategy> Linear for Autodiff<B, C> {
    fn linear_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        activation: Activation,
    ) -> FloatTensor<Self> {
        crate::autodiff::record::<B, C, _, _>(
            [x, weight, bias],
            |[x, weight, bias]| {
                let output = B::linear_forward(x.clone(), weight.clone(), bias, activation);
                let activated = (activation == Activation::Relu).then(|| output.clone());
                (output, (x, weight, activated))
            },
            |(x, weight, activated), gradient| B::linear_backward(x, weight, activated, gradient),
        )
    }
}

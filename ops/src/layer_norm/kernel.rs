//! What a backend implements to have a kernel for layer normalization.

use burn::backend::tensor::FloatTensor;
#[cfg(feature = "autodiff")]
use burn::backend::{Autodiff, autodiff::checkpoint::strategy::CheckpointStrategy};
use burn::backend::{Backend, backend_extension};

/// A backend with a kernel for [`layer_norm`](super::layer_norm()).
#[backend_extension(Flex, Autodiff: cfg(feature = "autodiff"))]
pub(super) trait LayerNorm: Backend {
    fn layer_norm_forward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self>;
}

/// A backend with kernels for the forward and the backward pass.
#[cfg(feature = "autodiff")]
pub(super) trait LayerNormBackward: LayerNorm {
    /// Returns the gradients with respect to x, gamma and beta, given the `gradient` with respect to the output.
    fn layer_norm_backward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        epsilon: f64,
        gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3];
}

#[cfg(feature = "autodiff")]
impl<B: LayerNormBackward, C: CheckpointStrategy> LayerNorm for Autodiff<B, C> {
    fn layer_norm_forward(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        epsilon: f64,
    ) -> FloatTensor<Self> {
        crate::autodiff::record::<B, C, _, _>(
            [x, gamma, beta],
            |[x, gamma, beta]| {
                let output = B::layer_norm_forward(x.clone(), gamma.clone(), beta, epsilon);
                (output, (x, gamma, epsilon))
            },
            |(x, gamma, epsilon), gradient| B::layer_norm_backward(x, gamma, epsilon, gradient),
        )
    }
}

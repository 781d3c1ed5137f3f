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
    /// Returns the values of the activation function for an output of [`linear_forward`](Linear::linear_forward).
    fn activated(x: FloatTensor<Self>, activation: Activation) -> FloatTensor<Self>;

    /// Returns the gradients with respect to x, weight and bias, given the `gradient` with respect to the output.
    /// `arguments` are `x W + bias`, or for [`Activation::Relu`] its values, which are positive where its arguments
    /// are. They are `None` for [`Activation::Identity`].
    fn linear_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        arguments: Option<FloatTensor<Self>>,
        activation: Activation,
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
                let layer = |activation| B::linear_forward(x.clone(), weight.clone(), bias, activation);
                let (output, arguments) = match activation {
                    Activation::Identity => (layer(activation), None),
                    Activation::Relu => {
                        let output = layer(activation);
                        (output.clone(), Some(output))
                    }
                    Activation::Gelu | Activation::Swish => {
                        let arguments = layer(Activation::Identity);
                        (B::activated(arguments.clone(), activation), Some(arguments))
                    }
                };
                (output, (x, weight, arguments, activation))
            },
            |(x, weight, arguments, activation), gradient| {
                B::linear_backward(x, weight, arguments, activation, gradient)
            },
        )
    }
}

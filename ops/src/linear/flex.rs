//! The kernel for linear layers on flex.

use burn::backend::flex::{Flex, FlexTensor};

use super::Activation;
use super::kernel::Linear;
use crate::flex::activation::activate;
use crate::flex::gemm::{Matrix, add_product};
use crate::flex::tensor::{columns, contiguous, floats, shape_with_columns, tensor};

impl Linear for Flex {
    fn linear_forward(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        activation: Activation,
    ) -> FlexTensor {
        let (x, weight, bias) = (contiguous(x), contiguous(weight), contiguous(bias));
        let (d_input, d_output) = (columns(&x), columns(&weight));
        let rows = floats(&x).len() / d_input;
        let mut output: Vec<f32> = floats(&bias).repeat(rows);
        add_product(
            &mut output,
            Matrix::new(floats(&x), rows),
            Matrix::new(floats(&weight), d_input),
        );
        activate(&mut output, activation);
        tensor(output, shape_with_columns(&x, d_output))
    }
}

#[cfg(feature = "autodiff")]
mod backward {
    use super::{Activation, Flex, FlexTensor, Matrix, activate, columns, contiguous, floats, tensor};
    use crate::flex::activation::times_derivative;
    use crate::flex::gemm::product;
    use crate::flex::vectorized;
    use crate::linear::kernel::LinearBackward;

    /// Let `G` be the gradient with respect to `x W + bias`: the gradient with respect to the output, times the
    /// derivative of the activation function. Then `dx = G Wᵀ`, `dW = xᵀ G`, and `dbias` is the sum of the rows of `G`.
    ///
    /// For example, with `x = [1 2]`, `W = [3; 4]` (two rows) and `G = [10]`: `dx = [30 40]`, `dW = [10; 20]`,
    /// `dbias = [10]`.
    impl LinearBackward for Flex {
        fn activated(x: FlexTensor, activation: Activation) -> FlexTensor {
            let mut output = floats(&x).to_vec();
            activate(&mut output, activation);
            tensor(output, x.layout().shape().clone())
        }

        fn linear_backward(
            x: FlexTensor,
            weight: FlexTensor,
            arguments: Option<FlexTensor>,
            activation: Activation,
            gradient: FlexTensor,
        ) -> [FlexTensor; 3] {
            let (x, weight, gradient) = (contiguous(x), contiguous(weight), contiguous(gradient));
            let (d_input, d_output) = (columns(&x), columns(&weight));
            let rows = floats(&x).len() / d_input;
            let gradient = match arguments {
                Some(arguments) => tensor(
                    times_derivative(floats(&gradient), floats(&arguments), activation),
                    gradient.layout().shape().clone(),
                ),
                None => gradient,
            };
            let outer = Matrix::new(floats(&gradient), rows);
            let mut d_x = vec![0.0; rows * d_input];
            product(
                &mut d_x,
                outer,
                Matrix::new(floats(&weight), d_input).transposed(),
            );
            let mut d_weight = vec![0.0; d_input * d_output];
            product(&mut d_weight, Matrix::new(floats(&x), rows).transposed(), outer);
            let d_bias = vectorized(
                #[inline(always)]
                || {
                    let mut sums = vec![0.0; d_output];
                    for row in floats(&gradient).chunks_exact(d_output) {
                        sums.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
                    }
                    sums
                },
            );
            [
                tensor(d_x, x.layout().shape().clone()),
                tensor(d_weight, weight.layout().shape().clone()),
                tensor(d_bias, [d_output]),
            ]
        }
    }
}

//! Linear layers.

use burn::tensor::Tensor;
use burn::tensor::activation::relu;

use crate::mixed_precision::product;

/// What follows a linear layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    Identity,
    /// `max(0, x)`
    Relu,
}

/// `activation(x W + b)`.
///
/// # Shapes
///
/// - x: `[batch, seq, d_input]`
/// - weight: `[d_input, d_output]`
/// - bias: `[d_output]`
/// - output: `[batch, seq, d_output]`
#[must_use]
pub fn linear(x: Tensor<3>, weight: Tensor<2>, bias: Tensor<1>, activation: Activation) -> Tensor<3> {
    #[cfg(feature = "flex")]
    if crate::kernel::serves(&x) {
        use burn::backend::Dispatch;
        use flex::Linear;
        let (x, weight, bias) = (x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch());
        return Tensor::from_dispatch(Dispatch::linear(x, weight, bias, activation));
    }
    plain(x, weight, bias, activation)
}

/// [`linear`] as a chain of tensor operations.
#[must_use]
pub fn plain(x: Tensor<3>, weight: Tensor<2>, bias: Tensor<1>, activation: Activation) -> Tensor<3> {
    let y = product_of_rows(x, weight) + bias.unsqueeze();
    match activation {
        Activation::Identity => y,
        Activation::Relu => relu(y),
    }
}

/// `x W` of all rows at once. A product of stacks, with the same W for each, would have Burn copy a transposed W, and
/// compute a gradient of W for each sequence, `batch` times its memory, before it adds them up.
///
/// # Shapes
///
/// - x: `[batch, seq, d_input]`
/// - weight: `[d_input, d_output]`
/// - output: `[batch, seq, d_output]`
#[must_use]
pub fn product_of_rows(x: Tensor<3>, weight: Tensor<2>) -> Tensor<3> {
    let ([batch, seq, d_input], [_, d_output]) = (x.dims(), weight.dims());
    product(x.reshape([batch * seq, d_input]), weight).reshape([batch, seq, d_output])
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::flex::{Flex, FlexTensor};
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{Backend, backend_extension};

    use super::Activation;
    use crate::kernel::gemm::{Matrix, add_product, product};
    use crate::kernel::tensor::{columns, contiguous, floats, tensor};
    use crate::kernel::vectorized;

    #[backend_extension(Flex, Autodiff: cfg(feature = "autodiff"))]
    pub(super) trait Linear: Backend {
        fn linear(
            x: FloatTensor<Self>,
            weight: FloatTensor<Self>,
            bias: FloatTensor<Self>,
            activation: Activation,
        ) -> FloatTensor<Self>;
    }

    impl Linear for Flex {
        fn linear(x: FlexTensor, weight: FlexTensor, bias: FlexTensor, activation: Activation) -> FlexTensor {
            let (x, weight, bias) = (contiguous(x), contiguous(weight), contiguous(bias));
            let (d_input, d_output) = (columns(&x), columns(&weight));
            let rows = floats(&x).len() / d_input;
            let mut output: Vec<f32> = floats(&bias).repeat(rows);
            add_product(
                &mut output,
                Matrix::new(floats(&x), rows),
                Matrix::new(floats(&weight), d_input),
            );
            if activation == Activation::Relu {
                vectorized(
                    #[inline(always)]
                    || output.iter_mut().for_each(|value| *value = value.max(0.0)),
                );
            }
            let mut shape = x.layout().shape().clone();
            let last = shape.num_dims() - 1;
            shape[last] = d_output;
            tensor(output, shape)
        }
    }

    /// The gradients of input, weight and bias from that of the output, which is needed for [`Activation::Relu`].
    #[cfg(feature = "autodiff")]
    fn backward(
        x: &FlexTensor,
        weight: &FlexTensor,
        activated: Option<&FlexTensor>,
        gradient: FlexTensor,
    ) -> [FlexTensor; 3] {
        let gradient = contiguous(gradient);
        let (d_input, d_output) = (columns(x), columns(weight));
        let rows = floats(x).len() / d_input;
        let gradient = match activated {
            Some(output) => vectorized(
                #[inline(always)]
                || {
                    let pairs = floats(&gradient).iter().zip(floats(output));
                    let masked = pairs.map(|(&gradient, &output)| if output > 0.0 { gradient } else { 0.0 });
                    tensor(masked.collect(), gradient.layout().shape().clone())
                },
            ),
            None => gradient,
        };
        let outer = Matrix::new(floats(&gradient), rows);
        let mut d_x = vec![0.0; rows * d_input];
        product(&mut d_x, outer, Matrix::new(floats(weight), d_input).transposed());
        let mut d_weight = vec![0.0; d_input * d_output];
        product(&mut d_weight, Matrix::new(floats(x), rows).transposed(), outer);
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

    #[cfg(feature = "autodiff")]
    mod autodiff {
        use burn::backend::Autodiff;
        use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
        use burn::backend::autodiff::grads::Gradients;
        use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};

        use crate::kernel::tensor::propagate;

        use super::{Activation, Flex, FlexTensor, FloatTensor, Linear, backward, contiguous};

        impl<C: CheckpointStrategy> Linear for Autodiff<Flex, C> {
            fn linear(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: FloatTensor<Self>,
                activation: Activation,
            ) -> FloatTensor<Self> {
                let nodes = [x.node(), weight.node(), bias.node()];
                let (x, weight) = (
                    contiguous(x.into_primitive()),
                    contiguous(weight.into_primitive()),
                );
                let output = Flex::linear(x.clone(), weight.clone(), bias.into_primitive(), activation);
                match LinearBackward.prepare::<C>(nodes).compute_bound().stateful() {
                    OpsKind::Tracked(operation) => {
                        let activated = (activation == Activation::Relu).then(|| output.clone());
                        operation.finish((x, weight, activated), output)
                    }
                    OpsKind::UnTracked(operation) => operation.finish(output),
                }
            }
        }

        #[derive(Debug)]
        struct LinearBackward;

        impl Backward<Flex, 3> for LinearBackward {
            type State = (FlexTensor, FlexTensor, Option<FlexTensor>);

            fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
                propagate(ops, grads, |(x, weight, activated), gradient| {
                    backward(&x, &weight, activated.as_ref(), gradient)
                });
            }
        }
    }
}

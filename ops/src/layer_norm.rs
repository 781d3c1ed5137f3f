//! Layer normalization.

use burn::tensor::Tensor;

/// `(x - mean) / sqrt(variance + epsilon) · gamma + beta` over the last dimension, with the variance that divides by
/// its length (Ba et al., 2016).
///
/// # Shapes
///
/// - x and output: `[batch, seq, d_model]`
/// - gamma, beta: `[d_model]`
#[must_use]
pub fn layer_norm(x: Tensor<3>, gamma: Tensor<1>, beta: Tensor<1>, epsilon: f64) -> Tensor<3> {
    #[cfg(feature = "flex")]
    if crate::kernel::serves(&x) {
        use burn::backend::Dispatch;
        use flex::LayerNorm;
        let (x, gamma, beta) = (x.into_dispatch(), gamma.into_dispatch(), beta.into_dispatch());
        return Tensor::from_dispatch(Dispatch::normalize(x, gamma, beta, epsilon));
    }
    plain(x, gamma, beta, epsilon)
}

/// [`layer_norm`] as a chain of tensor operations.
#[must_use]
pub fn plain(x: Tensor<3>, gamma: Tensor<1>, beta: Tensor<1>, epsilon: f64) -> Tensor<3> {
    let centred = x.clone() - x.mean_dim(2);
    let variance = centred.clone().square().mean_dim(2);
    centred / (variance + epsilon).sqrt() * gamma.unsqueeze() + beta.unsqueeze()
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::flex::{Flex, FlexTensor};
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{Backend, backend_extension};

    use crate::kernel::lanes::{sum, sum_pairs};
    use crate::kernel::tensor::{columns, contiguous, floats, tensor};
    use crate::kernel::vectorized;

    #[backend_extension(Flex, Autodiff: cfg(feature = "autodiff"))]
    pub(super) trait LayerNorm: Backend {
        fn normalize(
            x: FloatTensor<Self>,
            gamma: FloatTensor<Self>,
            beta: FloatTensor<Self>,
            epsilon: f64,
        ) -> FloatTensor<Self>;
    }

    impl LayerNorm for Flex {
        fn normalize(x: FlexTensor, gamma: FlexTensor, beta: FlexTensor, epsilon: f64) -> FlexTensor {
            let (x, gamma, beta) = (contiguous(x), contiguous(gamma), contiguous(beta));
            let (gamma, beta) = (floats(&gamma), floats(&beta));
            let output = vectorized(
                #[inline(always)]
                || {
                    let mut output = vec![0.0; floats(&x).len()];
                    let rows = floats(&x).chunks_exact(gamma.len());
                    for (row, out) in rows.zip(output.chunks_exact_mut(gamma.len())) {
                        let Moments {
                            mean,
                            inverse_deviation,
                        } = moments(row, epsilon);
                        for (index, out) in out.iter_mut().enumerate() {
                            *out = (row[index] - mean) * inverse_deviation * gamma[index] + beta[index];
                        }
                    }
                    output
                },
            );
            tensor(output, x.layout().shape().clone())
        }
    }

    struct Moments {
        mean: f32,
        inverse_deviation: f32,
    }

    #[inline(always)]
    fn moments(row: &[f32], epsilon: f64) -> Moments {
        let length = row.len() as f32;
        let mean = sum(row, |value| value) / length;
        let variance = sum(row, |value| (value - mean) * (value - mean)) / length;
        let inverse_deviation = 1.0 / (variance + epsilon as f32).sqrt();
        Moments {
            mean,
            inverse_deviation,
        }
    }

    /// The gradients of x, gamma and beta from that of the output.
    ///
    /// With the normalized row `n` and `g = gradient · gamma`: `dx = (g - mean(g) - n · mean(g · n)) / deviation`.
    #[cfg(feature = "autodiff")]
    fn backward(x: &FlexTensor, gamma: &FlexTensor, epsilon: f64, gradient: FlexTensor) -> [FlexTensor; 3] {
        let gradient = contiguous(gradient);
        let d_model = columns(x);
        let length = d_model as f32;
        let weights = floats(gamma);
        let mut d_x = vec![0.0; floats(x).len()];
        let (mut d_gamma, mut d_beta) = (vec![0.0; d_model], vec![0.0; d_model]);
        let (mut normalized, mut scaled) = (vec![0.0; d_model], vec![0.0; d_model]);
        vectorized(
            #[inline(always)]
            || {
                let rows = floats(x).chunks_exact(d_model);
                let gradients = floats(&gradient).chunks_exact(d_model);
                for ((row, gradient), d_row) in rows.zip(gradients).zip(d_x.chunks_exact_mut(d_model)) {
                    let Moments {
                        mean,
                        inverse_deviation,
                    } = moments(row, epsilon);
                    for index in 0..d_model {
                        normalized[index] = (row[index] - mean) * inverse_deviation;
                        scaled[index] = gradient[index] * weights[index];
                        d_gamma[index] += gradient[index] * normalized[index];
                        d_beta[index] += gradient[index];
                    }
                    let mean_scaled = sum(&scaled, |value| value) / length;
                    let mean_product = sum_pairs(&scaled, &normalized, |scaled, n| scaled * n) / length;
                    for (index, d_row) in d_row.iter_mut().enumerate() {
                        *d_row = (scaled[index] - mean_scaled - normalized[index] * mean_product)
                            * inverse_deviation;
                    }
                }
            },
        );
        [
            tensor(d_x, x.layout().shape().clone()),
            tensor(d_gamma, [d_model]),
            tensor(d_beta, [d_model]),
        ]
    }

    #[cfg(feature = "autodiff")]
    mod autodiff {
        use burn::backend::Autodiff;
        use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
        use burn::backend::autodiff::grads::Gradients;
        use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};

        use crate::kernel::tensor::propagate;

        use super::{Flex, FlexTensor, FloatTensor, LayerNorm, backward, contiguous};

        impl<C: CheckpointStrategy> LayerNorm for Autodiff<Flex, C> {
            fn normalize(
                x: FloatTensor<Self>,
                gamma: FloatTensor<Self>,
                beta: FloatTensor<Self>,
                epsilon: f64,
            ) -> FloatTensor<Self> {
                let nodes = [x.node(), gamma.node(), beta.node()];
                let (x, gamma) = (contiguous(x.into_primitive()), contiguous(gamma.into_primitive()));
                let output = Flex::normalize(x.clone(), gamma.clone(), beta.into_primitive(), epsilon);
                match LayerNormBackward.prepare::<C>(nodes).compute_bound().stateful() {
                    OpsKind::Tracked(operation) => operation.finish((x, gamma, epsilon), output),
                    OpsKind::UnTracked(operation) => operation.finish(output),
                }
            }
        }

        #[derive(Debug)]
        struct LayerNormBackward;

        impl Backward<Flex, 3> for LayerNormBackward {
            type State = (FlexTensor, FlexTensor, f64);

            fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
                propagate(ops, grads, |(x, gamma, epsilon), gradient| {
                    backward(&x, &gamma, epsilon, gradient)
                });
            }
        }
    }
}

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
    // The backward passes of mean, quotient and root take more operations.
    let length = x.dims()[2] as f64;
    let centred = x.clone() - x.sum_dim(2) / length;
    let variance = centred.clone().square().sum_dim(2) / length;
    let inverse_deviation = (variance + epsilon).powf_scalar(-0.5);
    centred * inverse_deviation * gamma.unsqueeze() + beta.unsqueeze()
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::flex::{Flex, FlexTensor};
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{Backend, backend_extension};
    use pulp::{Simd, WithSimd};

    use crate::kernel::tensor::{contiguous, floats, tensor};
    use crate::kernel::vectorized;
    use crate::kernel::vectors::{sum, sum_of_squares};

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
            let output = vectorized(Rows {
                x: floats(&x),
                gamma: floats(&gamma),
                beta: floats(&beta),
                epsilon,
            });
            tensor(output, x.layout().shape().clone())
        }
    }

    /// Rows of x to be normalized.
    struct Rows<'a> {
        x: &'a [f32],
        gamma: &'a [f32],
        beta: &'a [f32],
        epsilon: f64,
    }

    impl WithSimd for Rows<'_> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
            let Self {
                x,
                gamma,
                beta,
                epsilon,
            } = self;
            let d_model = gamma.len();
            let mut output = vec![0.0; x.len()];
            for (row, out) in x.chunks_exact(d_model).zip(output.chunks_exact_mut(d_model)) {
                let Moments {
                    mean,
                    inverse_deviation,
                } = moments(simd, row, epsilon);
                for (index, out) in out.iter_mut().enumerate() {
                    *out = (row[index] - mean) * inverse_deviation * gamma[index] + beta[index];
                }
            }
            output
        }
    }

    struct Moments {
        mean: f32,
        inverse_deviation: f32,
    }

    #[inline(always)]
    fn moments<S: Simd>(simd: S, row: &[f32], epsilon: f64) -> Moments {
        let length = row.len() as f32;
        let mean = sum(simd, row) / length;
        let variance = sum_of_squares(simd, row, mean) / length;
        let inverse_deviation = 1.0 / (variance + epsilon as f32).sqrt();
        Moments {
            mean,
            inverse_deviation,
        }
    }

    #[cfg(feature = "autodiff")]
    mod autodiff {
        use burn::backend::Autodiff;
        use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
        use burn::backend::autodiff::grads::Gradients;
        use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};

        use crate::kernel::tensor::propagate;
        use crate::kernel::vectors::dot;

        use super::{
            Flex, FlexTensor, FloatTensor, LayerNorm, Moments, Simd, WithSimd, contiguous, floats, moments,
            sum, tensor, vectorized,
        };

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
                    let [d_x, d_gamma, d_beta] = vectorized(Gradient {
                        of_output: floats(&contiguous(gradient)),
                        x: floats(&x),
                        gamma: floats(&gamma),
                        epsilon,
                    });
                    let d_model = d_beta.len();
                    [
                        tensor(d_x, x.layout().shape().clone()),
                        tensor(d_gamma, [d_model]),
                        tensor(d_beta, [d_model]),
                    ]
                });
            }
        }

        /// The output's gradient on its way to x, gamma and beta.
        ///
        /// With the normalized row `n` and `g = gradient · gamma`: `dx = (g - mean(g) - n · mean(g · n)) / deviation`.
        struct Gradient<'a> {
            of_output: &'a [f32],
            x: &'a [f32],
            gamma: &'a [f32],
            epsilon: f64,
        }

        impl WithSimd for Gradient<'_> {
            type Output = [Vec<f32>; 3];

            #[inline(always)]
            fn with_simd<S: Simd>(self, simd: S) -> [Vec<f32>; 3] {
                let Self {
                    of_output,
                    x,
                    gamma,
                    epsilon,
                } = self;
                let d_model = gamma.len();
                let length = d_model as f32;
                let mut d_x = vec![0.0; x.len()];
                let (mut d_gamma, mut d_beta) = (vec![0.0; d_model], vec![0.0; d_model]);
                let (mut normalized, mut scaled) = (vec![0.0; d_model], vec![0.0; d_model]);
                let rows = x.chunks_exact(d_model).zip(of_output.chunks_exact(d_model));
                for ((row, gradient), d_row) in rows.zip(d_x.chunks_exact_mut(d_model)) {
                    let Moments {
                        mean,
                        inverse_deviation,
                    } = moments(simd, row, epsilon);
                    for index in 0..d_model {
                        normalized[index] = (row[index] - mean) * inverse_deviation;
                        scaled[index] = gradient[index] * gamma[index];
                        d_gamma[index] += gradient[index] * normalized[index];
                        d_beta[index] += gradient[index];
                    }
                    let mean_scaled = sum(simd, &scaled) / length;
                    let mean_product = dot(simd, &scaled, &normalized) / length;
                    for (index, d_row) in d_row.iter_mut().enumerate() {
                        *d_row = (scaled[index] - mean_scaled - normalized[index] * mean_product)
                            * inverse_deviation;
                    }
                }
                [d_x, d_gamma, d_beta]
            }
        }
    }
}

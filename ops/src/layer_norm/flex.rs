//! The kernel for layer normalization on flex.

use burn::backend::flex::{Flex, FlexTensor};
use pulp::{Simd, WithSimd};

use super::kernel::LayerNorm;
use crate::flex::tensor::{contiguous, floats, tensor};
use crate::flex::vectorized;
use crate::flex::vectors::{sum, sum_of_squares};

impl LayerNorm for Flex {
    fn layer_norm_forward(x: FlexTensor, gamma: FlexTensor, beta: FlexTensor, epsilon: f64) -> FlexTensor {
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

/// The forward pass over all rows of x.
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
            let RowStatistics {
                mean,
                inverse_deviation,
            } = row_statistics(simd, row, epsilon);
            for (index, out) in out.iter_mut().enumerate() {
                *out = (row[index] - mean) * inverse_deviation * gamma[index] + beta[index];
            }
        }
        output
    }
}

struct RowStatistics {
    mean: f32,
    /// `1 / sqrt(variance + epsilon)`
    inverse_deviation: f32,
}

#[inline(always)]
fn row_statistics<S: Simd>(simd: S, row: &[f32], epsilon: f64) -> RowStatistics {
    let length = row.len() as f32;
    let mean = sum(simd, row) / length;
    let variance = sum_of_squares(simd, row, mean) / length;
    let inverse_deviation = 1.0 / (variance + epsilon as f32).sqrt();
    RowStatistics {
        mean,
        inverse_deviation,
    }
}

#[cfg(feature = "autodiff")]
mod backward {
    use super::{
        Flex, FlexTensor, RowStatistics, Simd, WithSimd, contiguous, floats, row_statistics, sum, tensor,
        vectorized,
    };
    use crate::flex::vectors::dot;
    use crate::layer_norm::kernel::LayerNormBackward;

    impl LayerNormBackward for Flex {
        fn layer_norm_backward(
            x: FlexTensor,
            gamma: FlexTensor,
            epsilon: f64,
            gradient: FlexTensor,
        ) -> [FlexTensor; 3] {
            let (x, gamma, gradient) = (contiguous(x), contiguous(gamma), contiguous(gradient));
            let [d_x, d_gamma, d_beta] = vectorized(Gradient {
                of_output: floats(&gradient),
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
        }
    }

    /// The backward pass over all rows of x.
    ///
    /// Let `G` be a row of the gradient with respect to the output, `n = (x - mean) / deviation` the normalized row,
    /// and `g = G · gamma`.
    /// With the means over the row:
    ///
    /// ```text
    /// dx = (g - mean(g) - n · mean(g · n)) / deviation
    /// dgamma = Σ G · n,  dbeta = Σ G      (sums over all rows)
    /// ```
    ///
    /// For example, `x = [1, 3]` has deviation 1 and `n = [-1, 1]`. With `gamma = [1, 1]` and `G = [1, 0]`, `mean(g)`
    /// is 1/2 and `mean(g · n)` is -1/2, so that `dx = [1 - 1/2 - 1/2, 0 - 1/2 + 1/2] = [0, 0]`. The gradient is zero
    /// because a row of two values is normalized to -1 and 1 as long as the first is smaller than the second.
    struct Gradient<'a> {
        of_output: &'a [f32],
        x: &'a [f32],
        gamma: &'a [f32],
        epsilon: f64,
    }

    impl WithSimd for Gradient<'_> {
        /// The gradients with respect to x, gamma and beta.
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
                let RowStatistics {
                    mean,
                    inverse_deviation,
                } = row_statistics(simd, row, epsilon);
                for index in 0..d_model {
                    normalized[index] = (row[index] - mean) * inverse_deviation;
                    scaled[index] = gradient[index] * gamma[index];
                    d_gamma[index] += gradient[index] * normalized[index];
                    d_beta[index] += gradient[index];
                }
                let mean_scaled = sum(simd, &scaled) / length;
                let mean_product = dot(simd, &scaled, &normalized) / length;
                for (index, d_row) in d_row.iter_mut().enumerate() {
                    *d_row =
                        (scaled[index] - mean_scaled - normalized[index] * mean_product) * inverse_deviation;
                }
            }
            [d_x, d_gamma, d_beta]
        }
    }
}

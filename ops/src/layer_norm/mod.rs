//! Layer normalization.

use burn::tensor::Tensor;

use crate::dispatch::dispatch;

#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod kernel;
mod reference;

pub use reference::reference;

/// Returns `(x - mean) / sqrt(variance + epsilon) · gamma + beta`, with the mean and variance of each row along the
/// last dimension (Ba et al., 2016). The variance is the biased one: its divisor is `d_model`.
///
/// For example, the row `[1, 3]` has mean 2 and variance 1. With a gamma of 1, a beta of 0 and an epsilon near 0, it
/// becomes `[-1, 1]`.
///
/// # Shapes
///
/// - x and output: `[batch, seq, d_model]`
/// - gamma, beta: `[d_model]`
#[must_use]
pub fn layer_norm(x: Tensor<3>, gamma: Tensor<1>, beta: Tensor<1>, epsilon: f64) -> Tensor<3> {
    dispatch!(Flex | FlexAutodiff => LayerNorm::layer_norm_forward(x, gamma, beta; epsilon))
}

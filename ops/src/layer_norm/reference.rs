//! Layer normalization in tensor operations.

use burn::tensor::Tensor;

/// Computes [`layer_norm`](super::layer_norm()) in tensor operations.
#[must_use]
pub fn reference(x: Tensor<3>, gamma: Tensor<1>, beta: Tensor<1>, epsilon: f64) -> Tensor<3> {
    // Sums and a power are used, because the backward passes of Burn's mean, division and square root need more
    // operations.
    let length = x.dims()[2] as f64;
    let centred = x.clone() - x.sum_dim(2) / length;
    let variance = centred.clone().square().sum_dim(2) / length;
    let inverse_deviation = (variance + epsilon).powf_scalar(-0.5);
    centred * inverse_deviation * gamma.unsqueeze() + beta.unsqueeze()
}

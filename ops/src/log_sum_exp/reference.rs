//! The logarithm of a sum of exponentials in tensor operations.

use burn::tensor::Tensor;

/// Computes [`log_sum_exp`](super::log_sum_exp()) in tensor operations.
#[must_use]
pub fn reference(logits: Tensor<2>) -> Tensor<1> {
    // The maximum is subtracted first, so that no exponential overflows.
    let max = logits.clone().max_dim(1);
    let sum = (logits - max.clone()).exp().sum_dim(1);
    (sum.log() + max).squeeze_dim(1)
}

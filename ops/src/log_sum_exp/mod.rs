//! The normalizer that turns logits into log-probabilities, for decoding.

use burn::tensor::Tensor;

use crate::dispatch::dispatch;

#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod kernel;
mod reference;

pub use reference::reference;

/// Returns `log Σ exp(logit)` of each row. A logit minus this number is the logarithm of its softmax (section 3.4).
///
/// For example, the logits `[0, 0]` give `ln 2`, and both have the log-probability `-ln 2`.
///
/// There is no kernel with a backward pass: training uses [`linear_cross_entropy`](crate::linear_cross_entropy).
///
/// # Shapes
///
/// - logits: `[rows, vocab_size]`
/// - output: `[rows]`
#[must_use]
pub fn log_sum_exp(logits: Tensor<2>) -> Tensor<1> {
    dispatch!(Flex => LogSumExp::log_sum_exp(logits))
}

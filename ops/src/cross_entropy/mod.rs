//! The output layer, its softmax and the loss in one operation.

use burn::tensor::{Int, Tensor};

use crate::dispatch::dispatch;

#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod kernel;
mod reference;

pub use reference::{label_smoothed_cross_entropy, reference};

/// Returns the [`label_smoothed_cross_entropy`] of the logits `x Wᵀ + bias`, in nats, summed over the tokens of a
/// batch. Without a bias, the logits are `x Wᵀ`. A token whose bias is negative infinity is never predicted, as if the
/// vocabulary had no such token.
///
/// The kernel computes the logits of a few hundred tokens at a time, and replaces them by their gradients immediately.
/// The logits of a whole batch would be the largest tensor of training. They are never in memory at once, and no logits
/// of padding are computed.
///
/// # Shapes
///
/// - x: `[batch, seq, d_model]`
/// - weight W: `[vocab_size, d_model]`
/// - bias: `[vocab_size]`
/// - target: `[batch, seq]`, padded on the right with `pad_id`
/// - output: `[1]`
#[must_use]
pub fn linear_cross_entropy(
    x: Tensor<3>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    target: Tensor<2, Int>,
    pad_id: usize,
    smoothing: f64,
) -> Tensor<1> {
    dispatch!(
        &x,
        Flex | FlexAutodiff => kernel::of_tensors(x, weight, bias, target, pad_id, smoothing),
        else reference(x, weight, bias, target, pad_id, smoothing)
    )
}

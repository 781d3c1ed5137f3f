//! The label-smoothed loss in tensor operations.

use burn::tensor::{Int, Tensor};

use crate::linear::product_of_rows;

/// Computes [`linear_cross_entropy`](super::linear_cross_entropy) in tensor operations.
#[must_use]
pub fn reference(
    x: Tensor<3>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    target: Tensor<2, Int>,
    pad_id: usize,
    smoothing: f64,
) -> Tensor<1> {
    let product = product_of_rows(x, weight.transpose());
    let logits = match bias {
        Some(bias) => product + bias.unsqueeze(),
        None => product,
    };
    label_smoothed_cross_entropy(logits, target, pad_id, smoothing)
}

/// Returns the label-smoothed cross-entropy in nats (section 5.4; Szegedy et al., 2016), summed over the tokens of a
/// batch:
///
/// ```text
/// Σ  -(1 - ε) log p(y) - ε/V Σ_v log p(v)
/// ```
///
/// Here `y` is the target token, `V` the size of the vocabulary, `ε` the smoothing, and `p` the softmax of the token's
/// logits. Padding adds nothing. The loss of an update is this sum divided by the number of tokens that are not
/// padding. A token whose logit is negative infinity has no part in the sum over the vocabulary, and `V` does not count
/// it.
///
/// For example, let the 4 tokens of a vocabulary have the probabilities 1/2, 1/4, 1/8 and 1/8, let the second token be
/// the target, and let `ε = 0.1`. In bits, `-log p(y)` is 2, and the mean of `-log p(v)` over the vocabulary is
/// `(1 + 2 + 3 + 3) / 4 = 2.25`. So the loss is `0.9 · 2 + 0.1 · 2.25 = 2.025` bits, or 1.404 nats.
///
/// # Shapes
///
/// - logits: `[batch, seq, vocab_size]`
/// - target: `[batch, seq]`, padded on the right with `pad_id`
/// - output: `[1]`
#[must_use]
pub fn label_smoothed_cross_entropy(
    logits: Tensor<3>,
    target: Tensor<2, Int>,
    pad_id: usize,
    smoothing: f64,
) -> Tensor<1> {
    let padding = target.clone().equal_elem(pad_id as i64).unsqueeze_dim(2);
    // log p(v) = logit(v) - log Σ exp(logit). Subtracting the maximum from the logits does not change this, but keeps
    // exp finite. The mean of log p(v) is computed without a tensor of all log-probabilities.
    let impossible = logits.clone().equal_elem(f32::NEG_INFINITY);
    let [_, _, vocab_size] = logits.dims();
    let possible = -impossible.clone().int().sum_dim(2).float() + vocab_size as f64;
    let shifted = logits.clone() - logits.detach().max_dim(2);
    let log_sum = shifted.clone().exp().sum_dim(2).log();
    let target_logit = shifted.clone().gather(2, target.unsqueeze_dim(2));
    let mean = shifted.mask_fill(impossible, 0.0).sum_dim(2) * possible.recip();
    let loss = log_sum - target_logit * (1.0 - smoothing) - mean * smoothing;
    loss.mask_fill(padding, 0.0).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn loss(smoothing: f64, target: [[i32; 2]; 1]) -> f32 {
        let device = Device::default();
        // Probabilities 1/2, 1/4, 1/8, 1/8 and then 1/4 each.
        let logits = Tensor::<3>::from_data([[[0.0, -1.0, -2.0, -2.0], [1.0, 1.0, 1.0, 1.0]]], &device)
            * std::f32::consts::LN_2;
        let target = Tensor::from_ints(target, &device);
        label_smoothed_cross_entropy(logits, target, 0, smoothing).into_scalar()
    }

    #[test]
    fn a_token_that_is_impossible_is_none_of_the_vocabulary() {
        let device = Device::default();
        let target = Tensor::<2, Int>::from_ints([[1, 2]], &device);
        let logits = [[[0.5, -1.0, 2.0], [1.0, 0.0, 1.5]]];
        let with_fourth = logits.map(|rows| rows.map(|[a, b, c]| [a, b, c, f32::NEG_INFINITY]));
        for smoothing in [0.0, 0.3] {
            let expected: f32 = label_smoothed_cross_entropy(
                Tensor::from_data(logits, &device),
                target.clone(),
                0,
                smoothing,
            )
            .into_scalar();
            let found: f32 = label_smoothed_cross_entropy(
                Tensor::from_data(with_fourth, &device),
                target.clone(),
                0,
                smoothing,
            )
            .into_scalar();
            assert!((found - expected).abs() < 1e-6, "{found} is not {expected}");
        }
    }

    #[test]
    fn exact_small_cases() {
        let ln2 = std::f32::consts::LN_2;
        let close = |a: f32, b: f32| assert!((a - b).abs() < 1e-6, "{a} is not {b}");
        // Without smoothing, the cross-entropy of each of the two targets is 2 bits.
        close(loss(0.0, [[1, 3]]), (2.0 + 2.0) * ln2);
        // The mean over the vocabulary is (1 + 2 + 3 + 3) / 4 bits for the first target, and 2 bits for the second.
        close(loss(1.0, [[1, 3]]), (9.0 / 4.0 + 2.0) * ln2);
        close(loss(0.1, [[1, 3]]), (0.9 * 4.0 + 0.1 * (9.0 / 4.0 + 2.0)) * ln2);
        // Padding adds nothing.
        close(loss(0.0, [[1, 0]]), 2.0 * ln2);
    }
}

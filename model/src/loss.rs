//! Label-smoothed cross-entropy (section 5.4).

use burn::tensor::{Int, Tensor};

/// The sum over all real target tokens of
///
/// ```text
/// -(1 - ε) log p(y) - ε/V Σ_v log p(v)
/// ```
///
/// where `y` is the target token, `V` the size of the vocabulary, `ε` the smoothing and `p` the softmax of the
/// logits (Szegedy et al., 2016). Padding adds nothing. Divide by the number of real tokens in the update, in
/// nats per token.
///
/// # Shapes
///
/// - logits: `[batch, seq, vocab_size]`
/// - target_output: `[batch, seq]`, rows end with `</s>`, padded on the right with `pad_id`
/// - output: `[1]`
pub fn label_smoothed_cross_entropy(
    logits: Tensor<3>,
    target_output: Tensor<2, Int>,
    pad_id: usize,
    smoothing: f64,
) -> Tensor<1> {
    let padding = target_output.clone().equal_elem(pad_id as i64).unsqueeze_dim(2);
    // log p(v) = logit(v) - log Σ exp(logit): subtracting the maximum changes nothing but keeps exp finite, and
    // the mean of log p(v) needs no tensor of log-probabilities.
    let shifted = logits.clone() - logits.detach().max_dim(2);
    let log_sum = shifted.clone().exp().sum_dim(2).log();
    let target_logit = shifted.clone().gather(2, target_output.unsqueeze_dim(2));
    let loss = log_sum - target_logit * (1.0 - smoothing) - shifted.mean_dim(2) * smoothing;
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
    fn exact_small_cases() {
        let ln2 = std::f32::consts::LN_2;
        let close = |a: f32, b: f32| assert!((a - b).abs() < 1e-6, "{a} is not {b}");
        // Without smoothing, the cross-entropy of the two targets is 1 and 2 bits.
        close(loss(0.0, [[1, 3]]), (2.0 + 2.0) * ln2);
        // The mean over the vocabulary is (1 + 2 + 3 + 3) / 4 bits, and 2.
        close(loss(1.0, [[1, 3]]), (9.0 / 4.0 + 2.0) * ln2);
        close(loss(0.1, [[1, 3]]), (0.9 * 4.0 + 0.1 * (9.0 / 4.0 + 2.0)) * ln2);
        // Padding adds nothing.
        close(loss(0.0, [[1, 0]]), 2.0 * ln2);
    }
}

//! The kernel for the loss on flex.

use burn::backend::flex::{Flex, FlexTensor};
use pulp::{Simd, WithSimd};

use super::kernel::CrossEntropy;
use crate::flex::gemm::{Matrix, add_product, product};
use crate::flex::tensor::{columns, contiguous, floats, integers, tensor};
use crate::flex::vectorized;
use crate::flex::vectors::{exp_in_place, max, sum};

/// The number of rows of logits that are in memory at a time. With fewer rows, the weights are packed more often. With
/// more rows, the logits do not fit into the processor's cache.
const CHUNK: usize = 256;

impl CrossEntropy for Flex {
    fn cross_entropy_forward(
        x: FlexTensor,
        weight: FlexTensor,
        bias: FlexTensor,
        target: FlexTensor,
        pad_id: usize,
        smoothing: f64,
    ) -> FlexTensor {
        let (x, weight, bias) = (contiguous(x), contiguous(weight), contiguous(bias));
        let loss = Rows::new(&x, &weight, &bias, &target, pad_id).visit(smoothing, |_, _, _| {});
        tensor(vec![loss as f32], [1])
    }
}

/// The rows of x whose target is not padding.
struct Rows<'a> {
    weight: &'a [f32],
    /// The number that is added to each token's logit; empty if there are none.
    bias: &'a [f32],
    /// The tokens whose bias is negative infinity.
    impossible: Vec<usize>,
    vocab_size: usize,
    d_model: usize,
    /// The position in x of each row, counted over the whole batch.
    positions: Vec<usize>,
    targets: Vec<usize>,
    values: Vec<f32>,
}

impl<'a> Rows<'a> {
    fn new(
        x: &FlexTensor,
        weight: &'a FlexTensor,
        bias: &'a FlexTensor,
        target: &FlexTensor,
        pad_id: usize,
    ) -> Self {
        let d_model = columns(x);
        let targets: Vec<usize> = integers(target).iter().map(|&id| id as usize).collect();
        let positions: Vec<usize> = (0..targets.len())
            .filter(|&position| targets[position] != pad_id)
            .collect();
        let row = |&position: &usize| &floats(x)[position * d_model..][..d_model];
        let bias = floats(bias);
        Self {
            weight: floats(weight),
            bias,
            impossible: (0..bias.len())
                .filter(|&token| bias[token] == f32::NEG_INFINITY)
                .collect(),
            vocab_size: floats(weight).len() / d_model,
            d_model,
            values: positions.iter().flat_map(row).copied().collect(),
            targets: positions.iter().map(|&position| targets[position]).collect(),
            positions,
        }
    }

    /// Returns the loss. For each chunk of rows, calls `use_gradients` with the rows' positions, the rows, and the
    /// gradients of the loss with respect to the rows' logits.
    fn visit(&self, smoothing: f64, mut use_gradients: impl FnMut(&[usize], &[f32], &[f32])) -> f64 {
        let mut loss = 0.0;
        let mut logits = vec![0.0; CHUNK.min(self.positions.len()) * self.vocab_size];
        let chunks = self.values.chunks(CHUNK * self.d_model);
        let numbered = self.positions.chunks(CHUNK).zip(self.targets.chunks(CHUNK));
        for (rows, (positions, targets)) in chunks.zip(numbered) {
            let logits = &mut logits[..positions.len() * self.vocab_size];
            let rows_matrix = Matrix::new(rows, positions.len());
            let weight = Matrix::new(self.weight, self.vocab_size);
            if self.bias.is_empty() {
                product(logits, rows_matrix, weight.transposed());
            } else {
                for row in logits.chunks_exact_mut(self.vocab_size) {
                    row.copy_from_slice(self.bias);
                }
                add_product(logits, rows_matrix, weight.transposed());
            }
            loss += vectorized(Losses {
                logits,
                targets,
                impossible: &self.impossible,
                smoothing,
            });
            use_gradients(positions, rows, logits);
        }
        loss
    }
}

/// Replaces each logit by the gradient of the loss with respect to it, and returns the sum of the rows' losses.
///
/// This gradient is the token's probability minus its probability in the smoothed target: `p(v) - ε/V`, and for the
/// target token `p(y) - ε/V - (1 - ε)`. V does not count the tokens in `impossible`, whose logits are negative infinity
/// and whose gradients are 0.
struct Losses<'a> {
    logits: &'a mut [f32],
    targets: &'a [usize],
    impossible: &'a [usize],
    smoothing: f64,
}

impl WithSimd for Losses<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let Self {
            logits,
            targets,
            impossible,
            smoothing,
        } = self;
        let vocab_size = logits.len() / targets.len();
        let possible = (vocab_size - impossible.len()) as f32;
        let share = smoothing as f32 / possible;
        let mut loss = 0.0;
        for (row, &target) in logits.chunks_exact_mut(vocab_size).zip(targets) {
            let max = max(simd, row);
            let of_target = row[target] - max;
            // An infinite logit would make the sum infinite.
            impossible.iter().for_each(|&token| row[token] = 0.0);
            let mean = sum(simd, row) / possible - max;
            impossible
                .iter()
                .for_each(|&token| row[token] = f32::NEG_INFINITY);
            let total = exp_in_place(simd, row, max);
            let log_total = f64::from(total.ln());
            loss += log_total - (1.0 - smoothing) * f64::from(of_target) - smoothing * f64::from(mean);
            let scale = 1.0 / total;
            row.iter_mut().for_each(|value| *value = *value * scale - share);
            impossible.iter().for_each(|&token| row[token] = 0.0);
            row[target] -= 1.0 - smoothing as f32;
        }
        loss
    }
}

#[cfg(feature = "autodiff")]
mod backward {
    use burn::backend::ops::FloatTensorOps;

    use super::{
        CHUNK, Flex, FlexTensor, Matrix, Rows, add_product, contiguous, floats, product, tensor, vectorized,
    };
    use crate::cross_entropy::kernel::CrossEntropyBackward;

    impl CrossEntropyBackward for Flex {
        fn cross_entropy_with_gradients(
            x: FlexTensor,
            weight: FlexTensor,
            bias: FlexTensor,
            target: FlexTensor,
            pad_id: usize,
            smoothing: f64,
        ) -> (FlexTensor, [FlexTensor; 3]) {
            let (x, weight, bias) = (contiguous(x), contiguous(weight), contiguous(bias));
            let rows = Rows::new(&x, &weight, &bias, &target, pad_id);
            let (d_model, vocab_size) = (rows.d_model, rows.vocab_size);
            let mut d_x = vec![0.0; floats(&x).len()];
            let mut d_weight = vec![0.0; floats(&weight).len()];
            let mut d_bias = vec![0.0; floats(&bias).len()];
            let mut d_rows = vec![0.0; CHUNK * d_model];
            let loss = rows.visit(smoothing, |positions, rows, d_logits| {
                vectorized(
                    #[inline(always)]
                    || {
                        // Without a bias, no number is added.
                        for row in d_logits.chunks_exact(vocab_size) {
                            d_bias.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
                        }
                    },
                );
                let d_logits = Matrix::new(d_logits, positions.len());
                let d_rows = &mut d_rows[..positions.len() * d_model];
                product(d_rows, d_logits, Matrix::new(floats(&weight), vocab_size));
                for (&position, d_row) in positions.iter().zip(d_rows.chunks_exact(d_model)) {
                    d_x[position * d_model..][..d_model].copy_from_slice(d_row);
                }
                add_product(
                    &mut d_weight,
                    d_logits.transposed(),
                    Matrix::new(rows, positions.len()),
                );
            });
            let gradients = [
                tensor(d_x, x.layout().shape().clone()),
                tensor(d_weight, weight.layout().shape().clone()),
                tensor(d_bias, bias.layout().shape().clone()),
            ];
            (tensor(vec![loss as f32], [1]), gradients)
        }

        fn cross_entropy_backward(gradients: [FlexTensor; 3], gradient: FlexTensor) -> [FlexTensor; 3] {
            let scale = floats(&gradient)[0];
            gradients.map(|gradient| Flex::float_mul_scalar(gradient, scale.into()))
        }
    }
}

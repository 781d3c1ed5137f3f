//! The kernel for the logarithm of a sum of exponentials on flex.

use burn::backend::flex::{Flex, FlexTensor};
use pulp::{Simd, WithSimd};

use super::kernel::LogSumExp;
use crate::flex::tensor::{columns, contiguous, floats, tensor};
use crate::flex::vectorized;
use crate::flex::vectors::{max, sum_of_exp};

impl LogSumExp for Flex {
    fn log_sum_exp(logits: FlexTensor) -> FlexTensor {
        let logits = contiguous(logits);
        let totals = vectorized(Totals {
            logits: floats(&logits),
            vocab_size: columns(&logits),
        });
        let shape = [totals.len()];
        tensor(totals, shape)
    }
}

/// The pass over all rows of logits.
struct Totals<'a> {
    logits: &'a [f32],
    vocab_size: usize,
}

impl WithSimd for Totals<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let rows = self.logits.chunks_exact(self.vocab_size);
        let mut totals = vec![0.0; rows.len()];
        // A loop, because `collect` would not be inlined.
        for (total, row) in totals.iter_mut().zip(rows) {
            let max = max(simd, row);
            *total = max + sum_of_exp(simd, row, max).ln();
        }
        totals
    }
}

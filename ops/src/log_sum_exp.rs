//! What logits are turned into log-probabilities by.

use burn::tensor::Tensor;

/// The logarithm of the sum of each row's exponentials: a logit less this is a log-probability (section 3.4).
///
/// There is no backward pass: training takes [`linear_cross_entropy`](crate::linear_cross_entropy).
///
/// # Shapes
///
/// - logits: `[rows, vocab_size]`
/// - output: `[rows]`
#[must_use]
pub fn log_sum_exp(logits: Tensor<2>) -> Tensor<1> {
    #[cfg(feature = "flex")]
    if crate::kernel::serves_inference(&logits) {
        use burn::backend::Dispatch;
        use flex::LogSumExp;
        return Tensor::from_dispatch(Dispatch::log_sum_exp(logits.into_dispatch()));
    }
    let max = logits.clone().max_dim(1);
    let sum = (logits - max.clone()).exp().sum_dim(1);
    (sum.log() + max).squeeze_dim(1)
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::flex::{Flex, FlexTensor};
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{Backend, backend_extension};
    use pulp::{Simd, WithSimd};

    use crate::kernel::tensor::{columns, contiguous, floats, tensor};
    use crate::kernel::vectorized;
    use crate::kernel::vectors::{max, sum_of_exp};

    #[backend_extension(Flex)]
    pub(super) trait LogSumExp: Backend {
        fn log_sum_exp(logits: FloatTensor<Self>) -> FloatTensor<Self>;
    }

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
            // To collect them is not inlined.
            for (total, row) in totals.iter_mut().zip(rows) {
                let max = max(simd, row);
                *total = max + sum_of_exp(simd, row, max).ln();
            }
            totals
        }
    }
}

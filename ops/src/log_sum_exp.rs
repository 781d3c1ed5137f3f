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

    use crate::kernel::lanes::{max, sum_of_exp};
    use crate::kernel::tensor::{columns, contiguous, floats, tensor};
    use crate::kernel::vectorized;

    #[backend_extension(Flex)]
    pub(super) trait LogSumExp: Backend {
        fn log_sum_exp(logits: FloatTensor<Self>) -> FloatTensor<Self>;
    }

    impl LogSumExp for Flex {
        fn log_sum_exp(logits: FlexTensor) -> FlexTensor {
            let logits = contiguous(logits);
            let rows = floats(&logits).chunks_exact(columns(&logits));
            let totals: Vec<f32> = vectorized(
                #[inline(always)]
                || {
                    let total = |row: &[f32]| {
                        let max = max(row);
                        max + sum_of_exp(row, max).ln()
                    };
                    rows.map(total).collect()
                },
            );
            let shape = [totals.len()];
            tensor(totals, shape)
        }
    }
}

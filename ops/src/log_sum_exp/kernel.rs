//! What a backend implements to have a kernel for the logarithm of a sum of exponentials.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, backend_extension};

/// A backend with a kernel for [`log_sum_exp`](super::log_sum_exp()).
#[backend_extension(Flex)]
pub(super) trait LogSumExp: Backend {
    fn log_sum_exp(logits: FloatTensor<Self>) -> FloatTensor<Self>;
}

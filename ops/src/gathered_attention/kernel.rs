//! What a backend implements to have a kernel for attention to the rows of a table.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, backend_extension};

/// A backend with a kernel for [`gathered_attention`](super::gathered_attention()).
#[backend_extension(Flex)]
pub(super) trait GatheredAttention: Backend {
    fn gathered_attention(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        slots: IntTensor<Self>,
        n_heads: usize,
    ) -> FloatTensor<Self>;
}

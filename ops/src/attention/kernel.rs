//! What a backend implements to have a kernel for attention.

use burn::backend::tensor::{BoolTensor, FloatTensor};
#[cfg(feature = "autodiff")]
use burn::backend::{Autodiff, autodiff::checkpoint::strategy::CheckpointStrategy};
use burn::backend::{Backend, backend_extension};

use super::Window;

/// A backend with a kernel for [`attention`](super::attention()).
#[backend_extension(Flex, Autodiff: cfg(feature = "autodiff"))]
pub(super) trait Attention: Backend {
    fn attention_forward(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        hidden: BoolTensor<Self>,
        window: Window,
        n_heads: usize,
    ) -> FloatTensor<Self>;
}

/// A backend with kernels for the forward and the backward pass.
#[cfg(feature = "autodiff")]
pub(super) trait AttentionBackward: Attention {
    /// Returns the gradients with respect to query, key and value, given the `gradient` with respect to the output.
    fn attention_backward(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        hidden: BoolTensor<Self>,
        window: Window,
        n_heads: usize,
        gradient: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3];
}

#[cfg(feature = "autodiff")]
impl<B: AttentionBackward, C: CheckpointStrategy> Attention for Autodiff<B, C> {
    fn attention_forward(
        query: FloatTensor<Self>,
        key: FloatTensor<Self>,
        value: FloatTensor<Self>,
        hidden: BoolTensor<Self>,
        window: Window,
        n_heads: usize,
    ) -> FloatTensor<Self> {
        crate::autodiff::record::<B, C, _, _>(
            [query, key, value],
            |inputs| {
                let [query, key, value] = inputs.clone();
                let output = B::attention_forward(query, key, value, hidden.clone(), window, n_heads);
                (output, (inputs, hidden, window, n_heads))
            },
            |([query, key, value], hidden, window, n_heads), gradient| {
                B::attention_backward(query, key, value, hidden, window, n_heads, gradient)
            },
        )
    }
}

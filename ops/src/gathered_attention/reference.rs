//! Attention to the rows of a table in tensor operations.

use burn::tensor::{Int, Tensor};

use crate::attention::{Window, attention_with_weights};

/// Computes [`gathered_attention`](super::gathered_attention()) in tensor operations.
#[must_use]
pub fn reference(
    query: Tensor<2>,
    key: Tensor<2>,
    value: Tensor<2>,
    slots: Tensor<2, Int>,
    n_heads: usize,
) -> Tensor<2> {
    gathered_attention_with_weights(query, key, value, slots, n_heads).0
}

/// Returns the output of [`gathered_attention`](super::gathered_attention()), and the attention weights
/// `[rows, n_heads, positions]`.
///
/// In each head, the weights of a query sum to 1. They are 0 at negative slots. No kernel computes them.
///
/// # Shapes
///
/// - query and first output: `[rows, d_model]`
/// - key, value: `[slots, d_model]`, two tables in which the last dimension is the concatenation of the heads
/// - slots: `[rows, positions]`, the table rows that each query attends to; attention ignores negative numbers
#[must_use]
pub fn gathered_attention_with_weights(
    query: Tensor<2>,
    key: Tensor<2>,
    value: Tensor<2>,
    slots: Tensor<2, Int>,
    n_heads: usize,
) -> (Tensor<2>, Tensor<3>) {
    let [rows, positions] = slots.dims();
    let [_, d_model] = query.dims();
    let hidden = slots.clone().lower_elem(0).reshape([rows, 1, 1, positions]);
    let slots = slots.clamp_min(0).reshape([rows * positions]);
    let gather = |table: Tensor<2>| table.select(0, slots.clone()).reshape([rows, positions, d_model]);
    let query = query.reshape([rows, 1, d_model]);
    let (key, value) = (gather(key), gather(value));
    let (attended, weights) = attention_with_weights(query, key, value, hidden, Window::ALL, n_heads);
    (attended.reshape([rows, d_model]), weights.squeeze_dim(2))
}

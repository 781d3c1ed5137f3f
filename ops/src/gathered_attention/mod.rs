//! Attention from single positions to the rows of a table, for decoding.

use burn::tensor::{Int, Tensor};

use crate::dispatch::dispatch;

#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod kernel;
mod reference;

pub use reference::{gathered_attention_with_weights, reference};

/// Returns the [`attention`](crate::attention()) of one query per row. Its keys and values are rows of a table, in any
/// order.
///
/// Hypotheses of a search share the table rows of their common prefix. When a beam keeps some hypotheses and drops
/// others, no table row is moved. There is no kernel with a backward pass, because networks are trained on whole
/// sequences.
///
/// # Shapes
///
/// - query and output: `[rows, d_model]`
/// - key, value: `[slots, d_model]`, two tables in which the last dimension is the concatenation of the heads
/// - slots: `[rows, positions]`, the table rows that each query attends to. A query with fewer positions is filled up
///   with negative numbers, which attention ignores. Each query must attend to at least one table row.
#[must_use]
pub fn gathered_attention(
    query: Tensor<2>,
    key: Tensor<2>,
    value: Tensor<2>,
    slots: Tensor<2, Int>,
    n_heads: usize,
) -> Tensor<2> {
    dispatch!(Flex => GatheredAttention::gathered_attention(query, key, value, slots; n_heads))
}

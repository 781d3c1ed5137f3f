//! Attention from single positions to the rows of a table, while decoding.

use burn::tensor::{Int, Tensor};

use crate::dispatch::dispatch;

#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod kernel;
mod reference;

pub use reference::{gathered_attention_with_weights, reference};

/// Returns the [`attention`](crate::attention()) of one query a row to keys and values that lie in any order in a
/// table.
///
/// Hypotheses of a search share the rows of the positions that they have in common, and no row is moved when a beam
/// keeps some hypotheses and drops others. There is no kernel with a backward pass: networks are trained on whole
/// sequences.
///
/// # Shapes
///
/// - query and output: `[rows, d_model]`
/// - key, value: `[table, d_model]`, with the heads side by side
/// - slots: `[rows, positions]`, the rows of the table to which a query attends. A negative number is no row: it fills
///   up a query that attends to fewer positions than others. Each query must attend to at least one row.
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

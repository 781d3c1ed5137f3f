//! Attention of all heads.

use burn::tensor::{Bool, Tensor};

use crate::dispatch::dispatch;

#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod kernel;
mod reference;

pub use reference::{attention_with_weights, reference, scaled_dot_product_attention};

/// Returns what `n_heads` heads attend to: `softmax(Q Kᵀ / sqrt(d_head)) V` for each head (section 3.2.1, equation 1).
///
/// The queries of all heads lie side by side in the last dimension, each `d_head = d_model / n_heads` long, and so do
/// their keys, their values and their outputs. A query from which every key is hidden has no defined output: each query
/// must see at least one key.
///
/// # Shapes
///
/// - query Q and output: `[batch, queries, d_model]`
/// - key K, value V: `[batch, keys, d_model]`
/// - hidden: `[batch or 1, 1, queries or 1, keys]`, `true` where a key is hidden
#[must_use]
pub fn attention(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    hidden: Tensor<4, Bool>,
    n_heads: usize,
) -> Tensor<3> {
    dispatch!(Flex | FlexAutodiff => Attention::attention_forward(query, key, value, hidden; n_heads))
}

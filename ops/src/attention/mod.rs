//! Attention with several heads, without its projections.

use burn::tensor::{Bool, Tensor};

use crate::dispatch::dispatch;

#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod kernel;
mod reference;

pub use reference::{attention_with_weights, reference, scaled_dot_product_attention};

/// Returns the outputs of `n_heads` attention heads: `softmax(Q Kᵀ / sqrt(d_head)) V` for each head (section 3.2.1,
/// equation 1).
///
/// The last dimension is the concatenation of the heads, each of size `d_head = d_model / n_heads`. Each query must see
/// at least one key. If all keys are hidden from a query, its output is undefined.
///
/// # Shapes
///
/// - query Q and output: `[batch, queries, d_model]`
/// - key K, value V: `[batch, keys, d_model]`
/// - hidden: `[batch or 1, 1, queries or 1, keys]`, `true` at hidden keys
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

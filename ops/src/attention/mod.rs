//! Attention with several heads, without its projections.

use burn::tensor::{Bool, Tensor};

use crate::dispatch::dispatch;

#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod kernel;
mod reference;
mod window;

pub use reference::{attention_with_weights, reference, scaled_dot_product_attention};
pub use window::Window;

/// Returns the outputs of `n_heads` attention heads: `softmax(Q Kᵀ / sqrt(d_head)) V` for each head (section 3.2.1,
/// equation 1).
///
/// The last dimension is the concatenation of the heads, each of size `d_head = d_model / n_heads`. A query sees the
/// keys within its [`Window`], unless they are hidden. A query that sees no key has an output of zeros, and changes no
/// gradient; in a restricted window there may be padding alone. Unless the window has a limit before the query, the first
/// key must not be hidden. The kernel does no work for keys that are out of reach of a block of neighbouring queries. Its memory grows
/// as the number of keys, not as its square.
///
/// # Shapes
///
/// - query Q and output: `[batch, queries, d_model]`
/// - key K, value V: `[batch, keys, d_model]`
/// - hidden: `[batch or 1, 1, 1, keys]`, `true` at keys that are hidden from every query, such as padding
#[must_use]
pub fn attention(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    hidden: Tensor<4, Bool>,
    window: Window,
    n_heads: usize,
) -> Tensor<3> {
    dispatch!(Flex | FlexAutodiff => Attention::attention_forward(query, key, value, hidden; window, n_heads))
}

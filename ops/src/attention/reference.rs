//! Attention in tensor operations.

use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Tensor};

use super::Window;
use crate::autocast::matmul;

/// Computes [`attention`](super::attention()) in tensor operations.
#[must_use]
pub fn reference(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    hidden: Tensor<4, Bool>,
    window: Window,
    n_heads: usize,
) -> Tensor<3> {
    attention_with_weights(query, key, value, hidden, window, n_heads).0
}

/// Returns the output of [`attention`](super::attention()), and the attention weights
/// `[batch, n_heads, queries, keys]`.
///
/// In each head, the weights of a query sum to 1 over the keys. Under a window with a limit before the query, such as
/// [restricted](Window::restricted_to) ones, the weights of a query that sees no key are 0. Under other windows, each
/// query must see a key, as it does if the first key is not hidden. No kernel computes the weights, because training
/// does not need them.
///
/// # Shapes
///
/// - query and first output: `[batch, queries, d_model]`
/// - key, value: `[batch, keys, d_model]`
/// - hidden: `[batch or 1, 1, 1, keys]`, `true` at keys that are hidden from every query
#[must_use]
pub fn attention_with_weights(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    hidden: Tensor<4, Bool>,
    window: Window,
    n_heads: usize,
) -> (Tensor<3>, Tensor<4>) {
    let [batch, queries, d_model] = query.dims();
    let [_, keys, _] = key.dims();
    let hidden = if window == Window::ALL {
        hidden
    } else {
        let [sentences, ..] = hidden.dims();
        let shape = [sentences, 1, queries, keys];
        let out_of_sight = window.mask(queries, keys, &hidden.device());
        hidden.expand(shape).bool_or(out_of_sight.expand(shape))
    };
    let split_heads = |x: Tensor<3>| {
        let [_, length, _] = x.dims();
        x.reshape([batch, length, n_heads, d_model / n_heads])
            .swap_dims(1, 2)
    };
    let [query, key, value] = [query, key, value].map(split_heads);
    let weights = softmax(scores(query, key, Some(hidden.clone())), 3);
    // Where each query sees the first key, each has a key in sight. Where it may have none, the softmax of its row of
    // negative infinities is NaN. In the backward pass, the mask of the scores replaces the NaN.
    let weights = if window.before == usize::MAX {
        weights
    } else {
        weights.mask_fill(hidden, 0.0)
    };
    let attended = matmul(weights.clone(), value);
    let attended = attended.swap_dims(1, 2).reshape([batch, queries, d_model]);
    (attended, weights)
}

/// Returns `softmax(Q Kᵀ / sqrt(d_head)) V` (section 3.2.1, equation 1), and the softmax, which is the attention
/// weights.
///
/// The weights of each query sum to 1. Each query must see at least one key. If all keys are hidden from a query, its
/// weights and its output are undefined.
///
/// # Shapes
///
/// - query Q and first output: `[batch, n_heads, queries, d_head]`
/// - key K, value V: `[batch, n_heads, keys, d_head]`
/// - hidden: broadcastable to `[batch, n_heads, queries, keys]`, `true` at hidden keys
/// - weights: `[batch, n_heads, queries, keys]`
#[must_use]
pub fn scaled_dot_product_attention(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    hidden: Option<Tensor<4, Bool>>,
) -> (Tensor<4>, Tensor<4>) {
    let weights = softmax(scores(query, key, hidden), 3);
    (matmul(weights.clone(), value), weights)
}

/// Returns `Q Kᵀ / sqrt(d_head)`, with negative infinity at hidden keys.
fn scores(query: Tensor<4>, key: Tensor<4>, hidden: Option<Tensor<4, Bool>>) -> Tensor<4> {
    let [_, _, _, d_head] = query.dims();
    // The scale is applied to the query instead of the scores, because the query is the smaller tensor.
    let query = query.mul_scalar((d_head as f64).powf(-0.5));
    let scores = matmul(query, key.swap_dims(2, 3));
    match hidden {
        Some(hidden) => scores.mask_fill(hidden, f32::NEG_INFINITY),
        None => scores,
    }
}

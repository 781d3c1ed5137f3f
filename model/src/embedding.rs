//! The step from token ids to the input of a stack.

use burn::nn::Embedding;
use burn::tensor::{Int, Tensor};

use crate::position::PositionalEncoding;

/// Returns `embedding · sqrt(d_model) + position` (sections 3.4 and 3.5) of tokens at the positions from `start` on.
///
/// # Shapes
///
/// - ids: `[batch, seq]`
/// - output: `[batch, seq, d_model]`
///
/// # Panics
///
/// If a sequence ends beyond the last position or a token is outside the vocabulary.
pub(crate) fn embed(
    embedding: &Embedding,
    positions: &PositionalEncoding,
    ids: Tensor<2, Int>,
    start: usize,
) -> Tensor<3> {
    let x = embedding.forward(ids);
    let [_, _, d_model] = x.dims();
    positions.forward(x.mul_scalar((d_model as f64).sqrt()), start)
}

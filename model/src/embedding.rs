//! The step from token ids to the input of a stack.

use burn::nn::Embedding;
use burn::tensor::{Int, Tensor};

use crate::position::PositionalEncoding;

/// Returns the input of a stack for tokens at positions from `start` on: `embedding · sqrt(d_model) + encoding`, with
/// the embeddings of the tokens and the encodings of their positions (sections 3.4 and 3.5).
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

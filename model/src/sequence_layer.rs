//! What the layers have in common by which the positions of a sequence learn of each other.

use burn::tensor::{Bool, Tensor};

use crate::attention::Attended;

/// A layer that maps a sequence of vectors to another of the same length (Vaswani et al., 2017, section 4).
///
/// | layer | computed per layer | steps one after another | longest path |
/// |---|---|---|---|
/// | [self-attention](crate::MultiHeadAttention) | n² · d | 1 | 1 |
/// | [recurrent](crate::Recurrent) | n · d² | n | n |
/// | [convolution](crate::Convolution) of width k | k · n · d² | 1 | log n in layers of growing dilation |
/// | self-attention restricted to r positions on a side | r · n · d | 1 | n / r |
///
/// Here n is the number of positions and d is `d_model`. A path leads from one position to another through the layers.
pub trait SequenceLayer {
    /// Returns the output of the layer and, if it has attention weights and `with_weights`, those. The output at a real
    /// position does not depend on padding, which is on the right.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, seq, d_model]`
    /// - hidden: `[batch, 1, 1, seq]`, `true` at padding
    /// - output: `[batch, seq, d_model]`, and weights `[batch, n_heads, seq, seq]`
    fn forward(&self, x: Tensor<3>, hidden: Tensor<4, Bool>, with_weights: bool) -> Attended;
}

/// Returns 1 at real positions and 0 at padding, `[batch, seq, 1]`, for a mask `[batch, 1, 1, seq]`.
pub(crate) fn real_positions(hidden: Tensor<4, Bool>) -> Tensor<3> {
    let [batch, _, _, seq] = hidden.dims();
    hidden.bool_not().reshape([batch, seq, 1]).float()
}

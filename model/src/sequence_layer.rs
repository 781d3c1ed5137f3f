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
/// Here n is the number of positions and d is `d_model`. A path leads from one position to another through the layers. A
/// stack must have as many layers as the path is long, or else some positions do not learn of each other. For example,
/// in four layers, self-attention restricted to 16 positions reaches 64 positions on either side, and convolutions of
/// width 3 reach 1 + 2 + 4 + 8 = 15.
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

/// Returns a mask `[batch, 1, 1, seq]` as `[batch, seq, 1]`, to fill vectors at padding with 0. In their product with 0,
/// NaN would stay NaN.
pub(crate) fn padding(hidden: Tensor<4, Bool>) -> Tensor<3, Bool> {
    let [batch, _, _, seq] = hidden.dims();
    hidden.reshape([batch, seq, 1])
}

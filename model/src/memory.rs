//! What the decoder knows of the source.

use burn::tensor::{Bool, Tensor};

/// The encoder's output for a batch of source sentences, which the decoder attends to.
#[derive(Clone, Debug)]
pub struct Memory {
    /// The output itself, `[batch, source_seq, d_model]`.
    pub states: Tensor<3>,
    /// `[batch, 1, 1, source_seq]`, `true` at padding.
    pub hidden: Tensor<4, Bool>,
}

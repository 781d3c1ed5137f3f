//! The encoder's output, to which the decoder attends.

use burn::tensor::{Bool, Tensor};

/// The encoder's output for a batch of source sentences, which the decoder attends to.
#[derive(Clone, Debug)]
pub struct Memory {
    /// The hidden states, `[batch, source_seq, d_model]`.
    pub states: Tensor<3>,
    /// The mask of the source, `[batch, 1, 1, source_seq]`, which is `true` at padding.
    pub hidden: Tensor<4, Bool>,
}

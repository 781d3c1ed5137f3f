//! Multi-head attention (section 3.2) while translating.

use attend_ops::{Activation, PackedLinear, Precision, attention, gathered_attention};
use burn::tensor::{Bool, Int, Tensor};

use super::cache::KeyValueTable;
use crate::attention::{KeyValue, MultiHeadAttention};
use crate::linear;

/// A [`MultiHeadAttention`] with packed projections.
#[derive(Clone, Debug)]
pub(super) struct InferenceAttention {
    query: PackedLinear,
    key: PackedLinear,
    value: PackedLinear,
    output: PackedLinear,
    n_heads: usize,
}

impl InferenceAttention {
    pub(super) fn new(attention: MultiHeadAttention, precision: Precision) -> Self {
        Self {
            query: linear::packed(attention.query, precision),
            key: linear::packed(attention.key, precision),
            value: linear::packed(attention.value, precision),
            output: linear::packed(attention.output, precision),
            n_heads: attention.n_heads,
        }
    }

    /// Keys and values of a sequence `[batch, keys, d_model]`.
    pub(super) fn project(&self, sequence: Tensor<3>) -> KeyValue {
        KeyValue {
            key: self.key.forward(sequence.clone(), Activation::Identity),
            value: self.value.forward(sequence, Activation::Identity),
        }
    }

    /// Attends from each position of `x` to all; see [`MultiHeadAttention::attend`].
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, seq, d_model]`
    /// - hidden: `[batch, 1, 1, seq]`, `true` where a position is hidden
    pub(super) fn attend(&self, x: Tensor<3>, hidden: Tensor<4, Bool>) -> Tensor<3> {
        let query = self.query.forward(x.clone(), Activation::Identity);
        let KeyValue { key, value } = self.project(x);
        let attended = attention(query, key, value, hidden, self.n_heads);
        self.output.forward(attended, Activation::Identity)
    }

    /// Attends from the one position of each row to those at its places in a table.
    ///
    /// # Shapes
    ///
    /// - queries and output: `[rows, 1, d_model]`
    /// - places: `[rows, positions]`, rows of the table; negative where a row has fewer positions than others
    pub(super) fn attend_gathered(
        &self,
        queries: Tensor<3>,
        table: &KeyValueTable,
        places: Tensor<2, Int>,
    ) -> Tensor<3> {
        let query = self.query.forward(queries, Activation::Identity).squeeze_dim(1);
        let (key, value) = (table.key.clone(), table.value.clone());
        let attended = gathered_attention(query, key, value, places, self.n_heads);
        self.output
            .forward(attended.unsqueeze_dim(1), Activation::Identity)
    }
}

//! Multi-head attention (section 3.2) while translating.

use attend_ops::{Activation, PackedLinear, Precision, gathered_attention, gathered_attention_with_weights};
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

    /// [`attend`](Self::attend)s from each position of `x` to all of them.
    pub(super) fn attend_to_itself(&self, x: Tensor<3>, hidden: Tensor<4, Bool>) -> Tensor<3> {
        let sequence = self.project(x.clone());
        self.attend(x, sequence, hidden, None)
    }

    /// Attends from each position of `queries` to a projected sequence, as [`MultiHeadAttention::attend`] does.
    pub(super) fn attend(
        &self,
        queries: Tensor<3>,
        sequence: KeyValue,
        hidden: Tensor<4, Bool>,
        weights: Option<&mut Vec<Tensor<4>>>,
    ) -> Tensor<3> {
        let query = self.query.forward(queries, Activation::Identity);
        let attended = sequence.attended(query, hidden, self.n_heads, weights);
        self.output.forward(attended, Activation::Identity)
    }

    /// Attends from the one position of each row to those at its places in a table.
    ///
    /// Where `weights` is given, the attention weights `[rows, n_heads, positions]` are pushed onto it.
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
        weights: Option<&mut Vec<Tensor<3>>>,
    ) -> Tensor<3> {
        let query = self.query.forward(queries, Activation::Identity).squeeze_dim(1);
        let (key, value) = (table.key.clone(), table.value.clone());
        let attended = match weights {
            None => gathered_attention(query, key, value, places, self.n_heads),
            Some(weights) => {
                let (attended, of_heads) =
                    gathered_attention_with_weights(query, key, value, places, self.n_heads);
                weights.push(of_heads);
                attended
            }
        };
        self.output
            .forward(attended.unsqueeze_dim(1), Activation::Identity)
    }
}

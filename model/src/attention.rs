//! Multi-head attention (section 3.2).

use attend_ops::{
    Activation, PackedLinear, Precision, attention, attention_with_weights, gathered_attention,
    gathered_attention_with_weights,
};
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Bool, Device, Int, Tensor};

use crate::config::TransformerConfig;
use crate::init;
use crate::key_value::{KeyValue, KeyValueTable};
use crate::projection::{Projection, pack};

/// The gain of the initial weights of queries, keys and values: the three start like one layer of `3 · d_model`
/// outputs, as in PyTorch and fairseq. With a gain of 1, a deep post-norm network learns to write before it learns to
/// read, and does not get beyond that.
const INPUT_GAIN: f64 = std::f64::consts::FRAC_1_SQRT_2;

/// The output of an attention, `[batch, queries, d_model]`, and where they were asked for its weights,
/// `[batch, n_heads, queries, keys]`.
pub type Attended = (Tensor<3>, Option<Tensor<4>>);

/// `Concat(head_1, …, head_h) W^O` with `head_i = Attention(Q W_i^Q, K W_i^K, V W_i^V)` (section 3.2.2).
///
/// The network uses it in three ways (section 3.2.3), which differ only in what is attended to. The self-attention of
/// the encoder and of the decoder [projects](Self::project) its own input; the attention of the decoder to the source
/// projects the encoder's output.
#[derive(Module, Debug)]
pub struct MultiHeadAttention<P = Linear> {
    query: P,
    key: P,
    value: P,
    output: P,
    n_heads: usize,
}

impl MultiHeadAttention {
    /// Returns an attention with initial weights: four projections from `d_model` to `d_model`.
    pub fn new(config: &TransformerConfig, device: &Device) -> Self {
        let projection = |gain| init::linear(config.d_model, config.d_model, gain, device);
        Self {
            query: projection(INPUT_GAIN),
            key: projection(INPUT_GAIN),
            value: projection(INPUT_GAIN),
            output: projection(1.0),
            n_heads: config.n_heads,
        }
    }

    /// Lays out the weights for translating, in this precision.
    pub(crate) fn pack(self, precision: Precision) -> MultiHeadAttention<PackedLinear> {
        MultiHeadAttention {
            query: pack(self.query, precision),
            key: pack(self.key, precision),
            value: pack(self.value, precision),
            output: pack(self.output, precision),
            n_heads: self.n_heads,
        }
    }
}

impl<P: Projection> MultiHeadAttention<P> {
    /// Returns the keys and values of a sequence `[batch, keys, d_model]`, for [`attend`](Self::attend).
    pub fn project(&self, sequence: Tensor<3>) -> KeyValue {
        KeyValue {
            key: self.key.forward(sequence.clone(), Activation::Identity),
            value: self.value.forward(sequence, Activation::Identity),
        }
    }

    /// Attends from each position of `queries` to the positions of a projected sequence.
    ///
    /// # Shapes
    ///
    /// - queries: `[batch, queries, d_model]`
    /// - sequence: the projection of `[batch, keys, d_model]`
    /// - hidden: `[batch or 1, 1, queries or 1, keys]`, `true` where a key is hidden
    /// - output: `[batch, queries, d_model]`, and `[batch, n_heads, queries, keys]` if asked for `with_weights`
    pub fn attend(
        &self,
        queries: Tensor<3>,
        sequence: KeyValue,
        hidden: Tensor<4, Bool>,
        with_weights: bool,
    ) -> Attended {
        let KeyValue { key, value } = sequence;
        let query = self.query.forward(queries, Activation::Identity);
        let (attended, weights) = if with_weights {
            let (attended, weights) = attention_with_weights(query, key, value, hidden, self.n_heads);
            (attended, Some(weights))
        } else {
            (attention(query, key, value, hidden, self.n_heads), None)
        };
        (self.output.forward(attended, Activation::Identity), weights)
    }

    /// Attends from the one position of each row of `queries` to the positions in its slots of a table.
    ///
    /// # Shapes
    ///
    /// - queries: `[rows, 1, d_model]`
    /// - slots: `[rows, keys]`, negative where a row has fewer keys than others
    /// - output: `[rows, 1, d_model]`, and `[rows, n_heads, 1, keys]` if asked for `with_weights`
    pub(crate) fn attend_cached(
        &self,
        queries: Tensor<3>,
        table: &KeyValueTable,
        slots: Tensor<2, Int>,
        with_weights: bool,
    ) -> Attended {
        let KeyValueTable { key, value } = table.clone();
        let query = self.query.forward(queries, Activation::Identity).squeeze_dim(1);
        let (attended, weights) = if with_weights {
            let (attended, weights) = gathered_attention_with_weights(query, key, value, slots, self.n_heads);
            (attended, Some(weights.unsqueeze_dim(2)))
        } else {
            (gathered_attention(query, key, value, slots, self.n_heads), None)
        };
        let attended = attended.unsqueeze_dim(1);
        (self.output.forward(attended, Activation::Identity), weights)
    }
}

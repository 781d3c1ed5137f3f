//! Multi-head attention (section 3.2).

use attend_ops::{
    Activation, PackedLinear, Precision, Window, attention, attention_with_weights, gathered_attention,
    gathered_attention_with_weights,
};
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Bool, Device, Int, Tensor};

use crate::config::TransformerConfig;
use crate::init;
use crate::key_value::{KeyValue, KeyValueTable};
use crate::projection::{Projection, pack};
use crate::sequence_layer::SequenceLayer;

/// The gain of the initial weights of the query, key and value projections. With it, the three projections start with
/// the distribution of one layer of `3 · d_model` outputs, as in PyTorch and fairseq. With a gain of 1, the training of
/// a deep post-norm network stalls: the decoder learns to predict a token from the target tokens before it, but does
/// not learn to use the source.
const INPUT_GAIN: f64 = std::f64::consts::FRAC_1_SQRT_2;

/// The output of an attention, `[batch, queries, d_model]`, and, if the caller asked for them, its attention weights,
/// `[batch, n_heads, queries, keys]`.
pub type Attended = (Tensor<3>, Option<Tensor<4>>);

/// `Concat(head_1, …, head_h) W^O` with `head_i = Attention(Q W_i^Q, K W_i^K, V W_i^V)` (section 3.2.2).
///
/// The network uses this module in three ways (section 3.2.3), which differ only in the sequence attended to.
/// Self-attention, in the encoder and in the decoder, [projects](Self::project) its own input to keys and values.
/// Cross-attention, in the decoder, projects the encoder's output.
#[derive(Module, Debug)]
pub struct MultiHeadAttention<P = Linear> {
    query: P,
    key: P,
    value: P,
    output: P,
    n_heads: usize,
    #[module(skip)]
    window: Window,
}

impl MultiHeadAttention {
    /// Returns an attention with initial weights, in which each position sees the positions within `window`. Its four
    /// projections are from `d_model` to `d_model`.
    pub fn new(config: &TransformerConfig, window: Window, device: &Device) -> Self {
        let projection = |gain| init::linear(config.d_model, config.d_model, gain, device);
        Self {
            query: projection(INPUT_GAIN),
            key: projection(INPUT_GAIN),
            value: projection(INPUT_GAIN),
            output: projection(1.0),
            n_heads: config.n_heads,
            window,
        }
    }

    /// Packs the weights for inference in the given precision.
    pub(crate) fn pack(self, precision: Precision) -> MultiHeadAttention<PackedLinear> {
        MultiHeadAttention {
            query: pack(self.query, precision),
            key: pack(self.key, precision),
            value: pack(self.value, precision),
            output: pack(self.output, precision),
            n_heads: self.n_heads,
            window: self.window,
        }
    }
}

impl<P: Projection> MultiHeadAttention<P> {
    /// Returns which positions each position sees.
    pub(crate) fn window(&self) -> Window {
        self.window
    }

    /// Projects a sequence `[batch, keys, d_model]` to keys and values for [`attend`](Self::attend).
    pub fn project(&self, sequence: Tensor<3>) -> KeyValue {
        KeyValue {
            key: self.key.forward(sequence.clone(), Activation::Identity),
            value: self.value.forward(sequence, Activation::Identity),
        }
    }

    /// Computes attention from each position of `queries` to the positions of `sequence` within the window.
    ///
    /// # Shapes
    ///
    /// - queries: `[batch, queries, d_model]`
    /// - sequence: the keys and values of `[batch, keys, d_model]`, from [`project`](Self::project)
    /// - hidden: `[batch or 1, 1, 1, keys]`, `true` at keys that are hidden from every query
    /// - output: `[batch, queries, d_model]`, and weights `[batch, n_heads, queries, keys]` if `with_weights`
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
            let (attended, weights) =
                attention_with_weights(query, key, value, hidden, self.window, self.n_heads);
            (attended, Some(weights))
        } else {
            (
                attention(query, key, value, hidden, self.window, self.n_heads),
                None,
            )
        };
        (self.output.forward(attended, Activation::Identity), weights)
    }

    /// Computes attention from the single position in each row of `queries` to the slots of `table` that belong to the
    /// row. All of these slots are in sight.
    ///
    /// # Shapes
    ///
    /// - queries: `[rows, 1, d_model]`
    /// - slots: `[rows, keys]`, the slots that each row attends to; a row with fewer keys is filled up with negative
    ///   numbers
    /// - output: `[rows, 1, d_model]`, and weights `[rows, n_heads, 1, keys]` if `with_weights`
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

/// Self-attention: the keys and values are those of the sequence itself.
impl<P: Projection> SequenceLayer for MultiHeadAttention<P> {
    fn forward(&self, x: Tensor<3>, hidden: Tensor<4, Bool>, with_weights: bool) -> Attended {
        let sequence = self.project(x.clone());
        self.attend(x, sequence, hidden, with_weights)
    }
}

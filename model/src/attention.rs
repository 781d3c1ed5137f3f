//! Multi-head attention (section 3.2).

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Bool, Device, Tensor};

use attend_ops::{attention, attention_with_weights};

use crate::linear;

pub use attend_ops::scaled_dot_product_attention;

/// The gain of queries, keys and values at first: they start as one layer of `3 · d_model` outputs would, as in
/// PyTorch and fairseq. With a gain of 1 a deep post-norm network learns to write before it learns to read, and
/// stays at that.
const INPUT_GAIN: f64 = std::f64::consts::FRAC_1_SQRT_2;

/// Keys and values of a sequence, those of the heads side by side.
#[derive(Clone, Debug)]
pub struct KeyValue {
    /// `[batch, seq, d_model]`
    pub key: Tensor<3>,
    /// `[batch, seq, d_model]`
    pub value: Tensor<3>,
}

impl KeyValue {
    /// Attends to the sequence from each projected query `[batch, queries, d_model]`. Where `weights` is given, the
    /// attention weights `[batch, n_heads, queries, keys]` are pushed onto it.
    pub(crate) fn attended(
        self,
        query: Tensor<3>,
        hidden: Tensor<4, Bool>,
        n_heads: usize,
        weights: Option<&mut Vec<Tensor<4>>>,
    ) -> Tensor<3> {
        let Self { key, value } = self;
        let Some(weights) = weights else {
            return attention(query, key, value, hidden, n_heads);
        };
        let (attended, of_heads) = attention_with_weights(query, key, value, hidden, n_heads);
        weights.push(of_heads);
        attended
    }
}

/// `Concat(head_1, …, head_h) W^O` with `head_i = Attention(Q W_i^Q, K W_i^K, V W_i^V)` (section 3.2.2).
///
/// Its three uses (section 3.2.3) differ only in what they attend to: the encoder's and the decoder's
/// self-attention [project](Self::project) their own input, the encoder-decoder attention the encoder's output.
#[derive(Module, Debug)]
pub struct MultiHeadAttention {
    pub(crate) query: Linear,
    pub(crate) key: Linear,
    pub(crate) value: Linear,
    pub(crate) output: Linear,
    pub(crate) n_heads: usize,
}

impl MultiHeadAttention {
    /// Xavier-initialised projections of width `d_model`, which `n_heads` must divide; those of the input are narrower
    /// by `1/√2`.
    pub fn new(d_model: usize, n_heads: usize, device: &Device) -> Self {
        let projection = |gain| linear::init(d_model, d_model, gain, device);
        Self {
            query: projection(INPUT_GAIN),
            key: projection(INPUT_GAIN),
            value: projection(INPUT_GAIN),
            output: projection(1.0),
            n_heads,
        }
    }

    /// Keys and values of a sequence `[batch, keys, d_model]`, for [`attend`](Self::attend).
    pub fn project(&self, sequence: Tensor<3>) -> KeyValue {
        KeyValue {
            key: linear::forward(&self.key, sequence.clone()),
            value: linear::forward(&self.value, sequence),
        }
    }

    /// Attends from each position of `queries` to a projected sequence.
    ///
    /// Where `weights` is given, the attention weights `[batch, n_heads, queries, keys]` are pushed onto it.
    ///
    /// # Shapes
    ///
    /// - queries: `[batch, queries, d_model]`
    /// - hidden: `[batch or 1, 1, queries or 1, keys]`, `true` where a key is hidden
    /// - output: `[batch, queries, d_model]`
    pub fn attend(
        &self,
        queries: Tensor<3>,
        sequence: KeyValue,
        hidden: Tensor<4, Bool>,
        weights: Option<&mut Vec<Tensor<4>>>,
    ) -> Tensor<3> {
        let query = linear::forward(&self.query, queries);
        let attended = sequence.attended(query, hidden, self.n_heads, weights);
        linear::forward(&self.output, attended)
    }
}

//! Scaled dot-product and multi-head attention (section 3.2), the only place that knows heads.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Device, Tensor};

use crate::init;

/// `softmax(Q Kᵀ / sqrt(d_head)) V` (section 3.2.1, equation 1).
///
/// Returns the attended values and the weights, each row of which sums to 1. A query from which every key is
/// hidden has no defined answer: each must see at least one.
///
/// # Shapes
///
/// - query: `[batch, n_heads, queries, d_head]`
/// - key, value: `[batch, n_heads, keys, d_head]`
/// - hidden: broadcastable to `[batch, n_heads, queries, keys]`, `true` where a key is hidden
/// - output: `[batch, n_heads, queries, d_head]` and `[batch, n_heads, queries, keys]`
pub fn scaled_dot_product_attention(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    hidden: Option<Tensor<4, Bool>>,
) -> (Tensor<4>, Tensor<4>) {
    let [_, _, _, d_head] = query.dims();
    // Scaling the query is the same as scaling the scores, on a smaller tensor.
    let scores = query
        .mul_scalar((d_head as f64).powf(-0.5))
        .matmul(key.swap_dims(2, 3));
    let scores = match hidden {
        Some(hidden) => scores.mask_fill(hidden, f32::NEG_INFINITY),
        None => scores,
    };
    let weights = softmax(scores, 3);
    (weights.clone().matmul(value), weights)
}

/// Keys and values of a sequence, split into heads.
#[derive(Clone, Debug)]
pub struct KeyValue {
    /// `[batch, n_heads, seq, d_head]`
    pub key: Tensor<4>,
    /// `[batch, n_heads, seq, d_head]`
    pub value: Tensor<4>,
}

impl KeyValue {
    /// Puts `next` behind this sequence.
    pub fn append(self, next: Self) -> Self {
        Self {
            key: Tensor::cat(vec![self.key, next.key], 2),
            value: Tensor::cat(vec![self.value, next.value], 2),
        }
    }

    /// Number of positions.
    pub fn length(&self) -> usize {
        self.key.dims()[2]
    }
}

/// `Concat(head_1, …, head_h) W^O` with `head_i = Attention(Q W_i^Q, K W_i^K, V W_i^V)` (section 3.2.2).
///
/// Its three uses (section 3.2.3) differ only in what they attend to: the encoder's and the decoder's
/// self-attention [project](Self::project) their own input, the encoder-decoder attention the encoder's output.
#[derive(Module, Debug)]
pub struct MultiHeadAttention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    n_heads: usize,
}

impl MultiHeadAttention {
    /// Xavier-initialised projections of width `d_model`, which `n_heads` must divide.
    pub fn new(d_model: usize, n_heads: usize, device: &Device) -> Self {
        let projection = || init::linear(d_model, d_model, device);
        Self {
            query: projection(),
            key: projection(),
            value: projection(),
            output: projection(),
            n_heads,
        }
    }

    /// Keys and values of a sequence `[batch, keys, d_model]`, for [`attend`](Self::attend).
    pub fn project(&self, sequence: Tensor<3>) -> KeyValue {
        KeyValue {
            key: self.split_heads(self.key.forward(sequence.clone())),
            value: self.split_heads(self.value.forward(sequence)),
        }
    }

    /// Attends from each position of `queries` to a projected sequence.
    ///
    /// Where `weights` is given, the attention weights `[batch, n_heads, queries, keys]` are pushed onto it.
    ///
    /// # Shapes
    ///
    /// - queries: `[batch, queries, d_model]`
    /// - hidden: broadcastable to `[batch, n_heads, queries, keys]`, `true` where a key is hidden
    /// - output: `[batch, queries, d_model]`
    pub fn attend(
        &self,
        queries: Tensor<3>,
        sequence: KeyValue,
        hidden: Option<Tensor<4, Bool>>,
        weights: Option<&mut Vec<Tensor<4>>>,
    ) -> Tensor<3> {
        let query = self.split_heads(self.query.forward(queries));
        let (attended, head_weights) =
            scaled_dot_product_attention(query, sequence.key, sequence.value, hidden);
        if let Some(weights) = weights {
            weights.push(head_weights);
        }
        self.output.forward(merge_heads(attended))
    }

    /// `[batch, seq, d_model]` → `[batch, n_heads, seq, d_head]`
    fn split_heads(&self, x: Tensor<3>) -> Tensor<4> {
        let [batch, seq, d_model] = x.dims();
        x.reshape([batch, seq, self.n_heads, d_model / self.n_heads])
            .swap_dims(1, 2)
    }
}

/// `[batch, n_heads, seq, d_head]` → `[batch, seq, d_model]`
fn merge_heads(x: Tensor<4>) -> Tensor<3> {
    let [batch, n_heads, seq, d_head] = x.dims();
    x.swap_dims(1, 2).reshape([batch, seq, n_heads * d_head])
}

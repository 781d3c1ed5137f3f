//! Pooling: one vector for a whole sequence.

use burn::module::{Module, Param};
use burn::nn::Initializer;
use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Device, Tensor};
use serde::{Deserialize, Serialize};

/// The way in which the vectors of a sequence become one vector.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Serialize,
    Deserialize,
    strum::Display,
    strum::EnumString,
    strum::VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum PoolingKind {
    /// The vector of the first token, `<s>` (Devlin et al., 2019, section 3, where the token is called `[CLS]`).
    First,
    /// The mean of the vectors of all tokens.
    #[default]
    Mean,
    /// A weighted mean of the vectors of all tokens. The weights are attention weights (Yang et al., 2016, section 2.2):
    /// the softmax of `x q / sqrt(d_model)`, with the vector x of a token and a trained query q.
    Attention,
}

/// Pooling of one [`PoolingKind`].
#[derive(Module, Debug)]
pub struct Pooling {
    #[module(skip)]
    kind: PoolingKind,
    /// The query, `[d_model]`, if the pooling is by attention.
    query: Option<Param<Tensor<1>>>,
}

impl Pooling {
    /// Returns pooling for vectors of the width `d_model`. The query is 0 at first, so that attention begins with the
    /// mean.
    #[must_use]
    pub fn new(kind: PoolingKind, d_model: usize, device: &Device) -> Self {
        let has_query = kind == PoolingKind::Attention;
        Self {
            kind,
            query: has_query.then(|| Initializer::Zeros.init([d_model], device)),
        }
    }

    /// Makes one vector of each sequence. Padding does not count. Pooling by attention also returns its weights.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, seq, d_model]`
    /// - hidden: `[batch, seq]`, `true` at padding, which no sequence begins with
    /// - output: `[batch, 1, d_model]`, and weights `[batch, seq]`, of which each row sums to 1
    pub fn forward(&self, x: Tensor<3>, hidden: Tensor<2, Bool>) -> (Tensor<3>, Option<Tensor<2>>) {
        match (self.kind, &self.query) {
            (PoolingKind::Attention, Some(query)) => {
                let weights = attention(x.clone(), query.val(), hidden);
                (weighted_sum(x, weights.clone()), Some(weights))
            }
            (PoolingKind::First, _) => (x.slice_dim(1, 0..1), None),
            _ => {
                let counted = hidden.bool_not().float();
                let weights = counted.clone() / counted.sum_dim(1);
                (weighted_sum(x, weights), None)
            }
        }
    }
}

/// Returns the weights of pooling by attention, `[batch, seq]`.
fn attention(x: Tensor<3>, query: Tensor<1>, hidden: Tensor<2, Bool>) -> Tensor<2> {
    let [_, _, d_model] = x.dims();
    let scores: Tensor<2> = (x * query.unsqueeze()).sum_dim(2).squeeze_dim(2);
    let scores = scores / (d_model as f64).sqrt();
    softmax(scores.mask_fill(hidden, f32::NEG_INFINITY), 1)
}

/// Returns the sum of the vectors of each sequence, multiplied by their weights: `[batch, 1, d_model]`.
fn weighted_sum(x: Tensor<3>, weights: Tensor<2>) -> Tensor<3> {
    (x * weights.unsqueeze_dim(2)).sum_dim(1)
}

//! Position-wise feed-forward networks (section 3.3).

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};

use crate::config::TransformerConfig;
use crate::linear;

/// `FFN(x) = max(0, x W_1 + b_1) W_2 + b_2` (equation 2), the same for every position.
#[derive(Module, Debug)]
pub struct FeedForward {
    pub(crate) inner: Linear,
    pub(crate) outer: Linear,
}

impl FeedForward {
    /// Xavier-initialised layers `d_model → d_ff → d_model`.
    pub fn new(config: &TransformerConfig, device: &Device) -> Self {
        Self {
            inner: linear::init(config.d_model, config.d_ff, 1.0, device),
            outer: linear::init(config.d_ff, config.d_model, 1.0, device),
        }
    }

    /// # Shapes
    ///
    /// - x and output: `[batch, seq, d_model]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        linear::forward(&self.outer, linear::forward_relu(&self.inner, x))
    }
}

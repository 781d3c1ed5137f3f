//! Position-wise feed-forward networks (section 3.3).

use attend_ops::{Activation, PackedLinear, Precision};
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};

use crate::config::TransformerConfig;
use crate::init;
use crate::projection::{Projection, pack};

/// `FFN(x) = max(0, x W_1 + b_1) W_2 + b_2` (equation 2), or with another [activation](crate::ActivationKind) in place
/// of `max(0, ·)`, applied to each position separately.
#[derive(Module, Debug)]
pub struct FeedForward<P = Linear> {
    inner: P,
    outer: P,
    #[module(skip)]
    activation: Activation,
}

impl FeedForward {
    /// Returns a network with initial weights. Its input and output have the width `d_model`, its inner layer `d_ff`.
    pub fn new(config: &TransformerConfig, device: &Device) -> Self {
        Self {
            inner: init::linear(config.d_model, config.d_ff, 1.0, device),
            outer: init::linear(config.d_ff, config.d_model, 1.0, device),
            activation: config.activation.into(),
        }
    }

    /// Packs the weights for inference in the given precision.
    pub(crate) fn pack(self, precision: Precision) -> FeedForward<PackedLinear> {
        FeedForward {
            inner: pack(self.inner, precision),
            outer: pack(self.outer, precision),
            activation: self.activation,
        }
    }
}

impl<P: Projection> FeedForward<P> {
    /// Applies the network to each position separately.
    ///
    /// # Shapes
    ///
    /// - x and output: `[batch, seq, d_model]`
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let inner = self.inner.forward(x, self.activation);
        self.outer.forward(inner, Activation::Identity)
    }
}

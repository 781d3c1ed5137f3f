//! The linear layers of which every part of the network consists.

use attend_ops::{Activation, PackedLinear, Precision, linear};
use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;

/// A linear layer, with a bias or without one.
///
/// All layers of the network are generic over this trait. With Burn's [`Linear`], the default, they are trained: the
/// weight is a parameter with a gradient. With [`PackedLinear`], they are used for inference: the weight is packed once
/// for all later matrix products, and there is no backward pass.
pub trait Projection: Module {
    /// Returns `activation(x W + b)`. A layer without a bias has zeros for b.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, seq, d_input]`
    /// - output: `[batch, seq, d_output]`
    fn forward(&self, x: Tensor<3>, activation: Activation) -> Tensor<3>;
}

impl Projection for Linear {
    fn forward(&self, x: Tensor<3>, activation: Activation) -> Tensor<3> {
        let bias = self.bias.as_ref().map(Param::val);
        let weight = self.weight.val();
        let bias = bias.unwrap_or_else(|| no_bias(&weight));
        linear(x, weight, bias, activation)
    }
}

impl Projection for PackedLinear {
    fn forward(&self, x: Tensor<3>, activation: Activation) -> Tensor<3> {
        self.forward(x, activation)
    }
}

/// Packs the weight of a layer for inference in the given precision.
pub(crate) fn pack(layer: Linear, precision: Precision) -> PackedLinear {
    let weight = layer.weight.into_value();
    let bias = layer.bias.map(Param::into_value);
    let bias = bias.unwrap_or_else(|| no_bias(&weight));
    PackedLinear::new(weight, bias, precision)
}

/// Returns zeros `[d_output]`, the bias of a layer that has none, for its weight `[d_input, d_output]`.
fn no_bias(weight: &Tensor<2>) -> Tensor<1> {
    let [_, d_output] = weight.dims();
    Tensor::zeros([d_output], &weight.device())
}

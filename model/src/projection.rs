//! The linear layers of which every part of the network consists.

use attend_ops::{Activation, PackedLinear, Precision, linear};
use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;

/// A linear layer with a bias.
///
/// All layers of the network are generic over this trait. With Burn's [`Linear`], the default, they are trained: the
/// weight is a parameter with a gradient. With [`PackedLinear`], they are used for inference: the weight is packed once
/// for all later matrix products, and there is no backward pass.
pub trait Projection: Module {
    /// Returns `activation(x W + b)`.
    ///
    /// # Shapes
    ///
    /// - x: `[batch, seq, d_input]`
    /// - output: `[batch, seq, d_output]`
    fn forward(&self, x: Tensor<3>, activation: Activation) -> Tensor<3>;
}

impl Projection for Linear {
    fn forward(&self, x: Tensor<3>, activation: Activation) -> Tensor<3> {
        let bias = self.bias.as_ref().expect("every linear layer has a bias");
        linear(x, self.weight.val(), bias.val(), activation)
    }
}

impl Projection for PackedLinear {
    fn forward(&self, x: Tensor<3>, activation: Activation) -> Tensor<3> {
        self.forward(x, activation)
    }
}

/// Packs the weight of a layer for inference in the given precision.
pub(crate) fn pack(layer: Linear, precision: Precision) -> PackedLinear {
    let bias = layer.bias.expect("every linear layer has a bias");
    PackedLinear::new(layer.weight.into_value(), bias.into_value(), precision)
}

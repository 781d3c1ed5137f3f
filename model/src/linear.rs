//! Linear layers.

use attend_ops::{Activation, PackedLinear, Precision, linear};
use burn::module::Param;
use burn::nn::{Initializer, Linear, LinearConfig};
use burn::tensor::{Device, Tensor};

/// A linear layer with Xavier-uniform weights (Glorot and Bengio, 2010) of that gain and a bias of zeros.
pub(crate) fn init(d_input: usize, d_output: usize, gain: f64, device: &Device) -> Linear {
    let mut linear = LinearConfig::new(d_input, d_output)
        .with_initializer(Initializer::XavierUniform { gain })
        .init(device);
    linear.bias = Some(zeros(d_output, device));
    linear
}

fn zeros(size: usize, device: &Device) -> Param<Tensor<1>> {
    Initializer::Zeros.init([size], device)
}

/// `x W + b`, from `[batch, seq, d_input]` to `[batch, seq, d_output]`.
pub(crate) fn forward(layer: &Linear, x: Tensor<3>) -> Tensor<3> {
    activate(layer, x, Activation::Identity)
}

/// `max(0, x W + b)`, from `[batch, seq, d_input]` to `[batch, seq, d_output]`.
pub(crate) fn forward_relu(layer: &Linear, x: Tensor<3>) -> Tensor<3> {
    activate(layer, x, Activation::Relu)
}

fn activate(layer: &Linear, x: Tensor<3>, activation: Activation) -> Tensor<3> {
    let bias = layer.bias.as_ref().expect("every linear layer has a bias");
    linear(x, layer.weight.val(), bias.val(), activation)
}

/// The layer with its weight laid out for translating.
pub(crate) fn packed(layer: Linear, precision: Precision) -> PackedLinear {
    let bias = layer.bias.expect("every linear layer has a bias");
    PackedLinear::new(layer.weight.into_value(), bias.into_value(), precision)
}

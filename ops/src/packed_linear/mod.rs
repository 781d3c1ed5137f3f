//! Linear layers with their weights laid out for decoding.

use burn::module::Module;
use burn::tensor::{FloatDType, Tensor};

use crate::dispatch::dispatch;
use crate::linear::Activation;
use crate::precision::Precision;

#[cfg(feature = "flex")]
mod flex;
mod reference;

#[cfg(feature = "flex")]
pub use flex::largest_weight;
pub use reference::reference;

/// A linear layer, `activation(x W + bias)`, for a network that is no longer trained.
///
/// Its weight is rounded to a [`Precision`] and laid out once, for all products with it. A general routine lays out the
/// weight again for each product, which costs as much as the product itself when x has few rows.
///
/// With [`Precision::Int8`], each output `j` has a scale `s_j`, and each row `i` of x a scale `s_i`: the largest
/// magnitude of the weight's column or of the row, divided by the largest integer. Weights and x are divided by their
/// scales and rounded to integers, whose product is a sum without rounding errors, and
///
/// ```text
/// output[i, j] = activation(s_i · s_j · Σ_k x_integer[i, k] · weight_integer[k, j] + bias[j])
/// ```
///
/// For example, with integers up to 127, the row `[2, 0.9]` has the scale 2/127 and becomes `[127, 57]`; the column
/// `[1, -0.4]` has the scale 1/127 and becomes `[127, -51]`. The sum of products is `127 · 127 - 57 · 51 = 13222`.
/// Times both scales it is 1.6395; without rounding it would be 1.64.
///
/// As a Burn module the layer has no parameters: it is not saved, and stays on its device.
#[derive(Module, Debug)]
pub struct PackedLinear {
    #[module(skip)]
    weight: Weight,
    #[module(skip)]
    bias: Tensor<1>,
    #[module(skip)]
    precision: Precision,
}

#[derive(Clone, Debug)]
enum Weight {
    /// For [`reference`]: `[d_input, d_output]`, rounded.
    Reference(Box<Tensor<2>>),
    #[cfg(feature = "flex")]
    Flex(flex::PackedWeight),
}

impl PackedLinear {
    /// Rounds and lays out a weight `[d_input, d_output]` for a layer with the bias `[d_output]`.
    ///
    /// In integers, weights on the CPU backend flex go up to 127, or to 63 on a processor without instructions for
    /// products of 8-bit integers; x always goes up to 127.
    #[must_use]
    pub fn new(weight: Tensor<2>, bias: Tensor<1>, precision: Precision) -> Self {
        if precision.dtype() != FloatDType::F32 {
            return reference(weight, bias, precision);
        }
        dispatch!(
            &weight,
            Flex => Self {
                weight: Weight::Flex(flex::PackedWeight::new(weight, precision)),
                bias,
                precision,
            },
            else reference(weight, bias, precision)
        )
    }

    /// Returns `activation(x W + bias)`. There is no backward pass: training takes [`linear()`](crate::linear()).
    ///
    /// # Shapes
    ///
    /// - x: `[batch, seq, d_input]`
    /// - output: `[batch, seq, d_output]`
    #[must_use]
    pub fn forward(&self, x: Tensor<3>, activation: Activation) -> Tensor<3> {
        let bias = self.bias.clone();
        match &self.weight {
            Weight::Reference(weight) => {
                reference::forward(x, (**weight).clone(), bias, activation, self.precision)
            }
            #[cfg(feature = "flex")]
            Weight::Flex(weight) => weight.forward(x, bias, activation),
        }
    }
}

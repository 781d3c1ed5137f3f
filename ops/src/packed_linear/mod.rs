//! Linear layers with packed weights, for inference.

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

/// The largest magnitude of a value rounded to 8 bits. The kernel's weights have a smaller one on some processors.
const LARGEST: f32 = 127.0;

/// A linear layer, `activation(x W + bias)`, for inference.
///
/// The weight is rounded to a [`Precision`] and packed once: it is copied to the memory layout that matrix products
/// need. A general routine packs the weight again for each matrix product. If x has few rows, this costs as much as the
/// product.
///
/// With [`Precision::Int8`], each output `j` has a scale `s_j`, and each row `i` of x has a scale `s_i`. A scale is the
/// largest magnitude in the column of the weight, or in the row of x, divided by the largest integer. Weight and x are
/// divided by their scales and rounded to integers. The sums of their products have no rounding errors. The output is
///
/// ```text
/// output[i, j] = activation(s_i · s_j · Σ_k x_integer[i, k] · weight_integer[k, j] + bias[j])
/// ```
///
/// For example, with integers up to 127, the row `[2, 0.9]` has the scale 2/127 and becomes `[127, 57]`; the column
/// `[1, -0.4]` has the scale 1/127 and becomes `[127, -51]`. The sum of products is `127 · 127 - 57 · 51 = 13222`.
/// Times both scales it is 1.6395; without rounding it would be 1.64.
///
/// As a Burn module, the layer has no parameters. It is not saved, and it stays on its device.
#[derive(Module, Debug)]
pub struct PackedLinear {
    #[module(skip)]
    weight: Weight,
    #[module(skip)]
    bias: Tensor<1>,
}

#[derive(Clone, Debug)]
enum Weight {
    /// For [`reference`]: `[d_input, d_output]`, rounded to the precision.
    Reference(Box<Tensor<2>>, Precision),
    #[cfg(feature = "flex")]
    Flex(flex::PackedWeight),
}

impl PackedLinear {
    /// Rounds and packs a weight `[d_input, d_output]` for a layer with the bias `[d_output]`.
    ///
    /// With [`Precision::Int8`] on the CPU backend flex, the largest magnitude of a rounded weight is 127, or 63 on a
    /// processor without instructions for sums of products of 8-bit integers. The largest magnitude of a rounded x is
    /// always 127.
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
            },
            else reference(weight, bias, precision)
        )
    }

    /// Returns `activation(x W + bias)`. There is no backward pass: training uses [`linear()`](crate::linear()).
    ///
    /// # Shapes
    ///
    /// - x: `[batch, seq, d_input]`
    /// - output: `[batch, seq, d_output]`
    #[must_use]
    pub fn forward(&self, x: Tensor<3>, activation: Activation) -> Tensor<3> {
        let bias = self.bias.clone();
        match &self.weight {
            Weight::Reference(weight, precision) => {
                reference::forward(x, (**weight).clone(), bias, activation, *precision)
            }
            #[cfg(feature = "flex")]
            Weight::Flex(weight) => weight.forward(x, bias, activation),
        }
    }
}

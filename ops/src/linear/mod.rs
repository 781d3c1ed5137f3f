//! Linear layers.

use burn::tensor::Tensor;

use crate::dispatch::dispatch;

#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod kernel;
mod reference;

pub use reference::{product_of_rows, reference};

/// The function that is applied after a linear layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// The identity, `x`.
    Identity,
    /// `max(0, x)`
    Relu,
    /// `x Φ(x)`, with the distribution function Φ of the standard normal distribution (Hendrycks and Gimpel, 2016).
    Gelu,
    /// `x / (1 + e^-x)` (Ramachandran et al., 2017), also known as SiLU.
    Swish,
}

/// Returns `activation(x W + bias)`, the output of a linear layer (sections 3.2.2 and 3.3).
///
/// # Shapes
///
/// - x: `[batch, seq, d_input]`
/// - weight W: `[d_input, d_output]`
/// - bias: `[d_output]`
/// - output: `[batch, seq, d_output]`
#[must_use]
pub fn linear(x: Tensor<3>, weight: Tensor<2>, bias: Tensor<1>, activation: Activation) -> Tensor<3> {
    dispatch!(Flex | FlexAutodiff => Linear::linear_forward(x, weight, bias; activation))
}

//! Linear layers in tensor operations.

use std::f64::consts::FRAC_1_SQRT_2;

use burn::tensor::Tensor;
use burn::tensor::activation::{relu, silu};

use super::Activation;
use crate::autocast::matmul;

/// Computes [`linear`](super::linear()) in tensor operations.
#[must_use]
pub fn reference(x: Tensor<3>, weight: Tensor<2>, bias: Tensor<1>, activation: Activation) -> Tensor<3> {
    let y = product_of_rows(x, weight) + bias.unsqueeze();
    match activation {
        Activation::Identity => y,
        Activation::Relu => relu(y),
        // Burn's own function of this name has the gradient of an approximation.
        Activation::Gelu => y.clone() * ((y * FRAC_1_SQRT_2).erf() + 1.0) * 0.5,
        Activation::Swish => silu(y),
    }
}

/// Returns the matrix product `x W`, computed as one matrix product for all rows of the batch.
///
/// A batched matrix product, in which each sequence is multiplied by W separately, would be slower. Burn would copy a
/// transposed W. In the backward pass, the gradient with respect to W would be one matrix per sequence, in `batch`
/// times the memory of W, before the sum over the sequences.
///
/// # Shapes
///
/// - x: `[batch, seq, d_input]`
/// - weight W: `[d_input, d_output]`
/// - output: `[batch, seq, d_output]`
#[must_use]
pub fn product_of_rows(x: Tensor<3>, weight: Tensor<2>) -> Tensor<3> {
    let ([batch, seq, d_input], [_, d_output]) = (x.dims(), weight.dims());
    matmul(x.reshape([batch * seq, d_input]), weight).reshape([batch, seq, d_output])
}

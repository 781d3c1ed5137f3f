//! Linear layers with rounded weights in tensor operations.

use burn::tensor::Tensor;

use super::{LARGEST, PackedLinear, Weight};
use crate::autocast::autocast;
use crate::linear::{self, Activation};
use crate::precision::Precision;

/// Creates a [`PackedLinear`] that computes in tensor operations, even on a device with a kernel.
#[must_use]
pub fn reference(weight: Tensor<2>, bias: Tensor<1>, precision: Precision) -> PackedLinear {
    let weight = match precision {
        Precision::Int8 => rounded(weight, 0),
        floats => weight.cast(floats.dtype()),
    };
    PackedLinear {
        weight: Weight::Reference(Box::new(weight), precision),
        bias,
    }
}

/// Computes [`PackedLinear::forward`] with a weight that [`reference`] rounded.
pub(super) fn forward(
    x: Tensor<3>,
    weight: Tensor<2>,
    bias: Tensor<1>,
    activation: Activation,
    precision: Precision,
) -> Tensor<3> {
    let x = match precision {
        Precision::Int8 => rounded(x, 2),
        _ => x,
    };
    autocast(precision.dtype(), || {
        linear::reference(x, weight, bias, activation)
    })
}

/// Rounds each value to the nearest of 255 levels: an integer from -[`LARGEST`] to [`LARGEST`], times a scale. The
/// scale is the largest magnitude along `dim`, divided by [`LARGEST`].
fn rounded<const D: usize>(x: Tensor<D>, dim: usize) -> Tensor<D> {
    // If all values are 0, they are divided by a small number instead of 0.
    let scale = x.clone().abs().max_dim(dim).clamp_min(f32::MIN_POSITIVE) / LARGEST;
    (x / scale.clone()).round() * scale
}

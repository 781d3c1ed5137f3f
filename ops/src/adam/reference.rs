//! Adam's step in tensor operations.

use burn::tensor::Tensor;

use super::{AdamStep, Factors, Moments};

/// Computes [`adam`](super::adam()) in tensor operations.
///
/// # Panics
///
/// If the tensors are not of one float type.
#[must_use]
pub fn reference<const D: usize>(
    weight: Tensor<D>,
    gradient: Tensor<D>,
    moments: Moments<D>,
    step: &AdamStep,
) -> (Tensor<D>, Moments<D>) {
    let factors = Factors::of(step);
    let [beta_1, beta_2] = factors.betas;
    let gradient = gradient * factors.gradient;
    let mean = moments.mean * beta_1 + gradient.clone() * (1.0 - beta_1);
    let mean_square = moments.mean_square * beta_2 + gradient.square() * (1.0 - beta_2);
    let deviation = (mean_square.clone() * factors.square_correction).sqrt() + factors.epsilon;
    let weight = weight * factors.kept - mean.clone() * factors.rate / deviation;
    (weight, Moments { mean, mean_square })
}

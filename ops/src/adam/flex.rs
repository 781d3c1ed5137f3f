//! The kernel for Adam's step on flex.

use burn::backend::flex::{Flex, FlexTensor};
use pulp::{Scalar, Simd, WithSimd};

use super::Factors;
use super::kernel::Adam;
use crate::flex::tensor::{contiguous, floats, floats_mut, tensor};
use crate::flex::vectorized;

impl Adam for Flex {
    fn adam(
        weight: FlexTensor,
        gradient: FlexTensor,
        mean: FlexTensor,
        mean_square: FlexTensor,
        factors: Factors,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let [weight, gradient, mut mean, mut mean_square] =
            [weight, gradient, mean, mean_square].map(contiguous);
        let mut updated = floats(&weight).to_vec();
        vectorized(Elements {
            weight: &mut updated,
            gradient: floats(&gradient),
            mean: floats_mut(&mut mean),
            mean_square: floats_mut(&mut mean_square),
            factors,
        });
        let shape = weight.layout().shape().clone();
        (tensor(updated, shape), mean, mean_square)
    }
}

/// The pass over all elements of a weight.
struct Elements<'a> {
    weight: &'a mut [f32],
    gradient: &'a [f32],
    mean: &'a mut [f32],
    mean_square: &'a mut [f32],
    factors: Factors,
}

impl WithSimd for Elements<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (weights, last_weights) = S::as_mut_simd_f32s(self.weight);
        let (gradients, last_gradients) = S::as_simd_f32s(self.gradient);
        let (means, last_means) = S::as_mut_simd_f32s(self.mean);
        let (mean_squares, last_mean_squares) = S::as_mut_simd_f32s(self.mean_square);
        take_step(simd, weights, gradients, [means, mean_squares], &self.factors);
        let moments = [last_means, last_mean_squares];
        take_step(Scalar, last_weights, last_gradients, moments, &self.factors);
    }
}

// The vectors are explicit, because the compiler does not vectorize a loop over so many slices.
#[inline(always)]
fn take_step<S: Simd>(
    simd: S,
    weights: &mut [S::f32s],
    gradients: &[S::f32s],
    [means, mean_squares]: [&mut [S::f32s]; 2],
    factors: &Factors,
) {
    let [beta_1, beta_2] = factors.betas.map(|beta| simd.splat_f32s(beta));
    let [one_minus_beta_1, one_minus_beta_2] = factors.betas.map(|beta| simd.splat_f32s(1.0 - beta));
    let [scale, rate] = [factors.gradient, factors.rate].map(|factor| simd.splat_f32s(factor));
    let [correction, epsilon, kept] =
        [factors.square_correction, factors.epsilon, factors.kept].map(|factor| simd.splat_f32s(factor));
    let moments = means.iter_mut().zip(mean_squares);
    for ((weight, &gradient), (mean, mean_square)) in weights.iter_mut().zip(gradients).zip(moments) {
        let gradient = simd.mul_f32s(gradient, scale);
        let square = simd.mul_f32s(gradient, gradient);
        *mean = simd.mul_add_e_f32s(*mean, beta_1, simd.mul_f32s(gradient, one_minus_beta_1));
        *mean_square = simd.mul_add_e_f32s(*mean_square, beta_2, simd.mul_f32s(square, one_minus_beta_2));
        let deviation = simd.sqrt_f32s(simd.mul_f32s(*mean_square, correction));
        let step = simd.div_f32s(simd.mul_f32s(*mean, rate), simd.add_f32s(deviation, epsilon));
        *weight = simd.sub_f32s(simd.mul_f32s(*weight, kept), step);
    }
}

//! The step of the optimizer Adam.

use burn::tensor::Tensor;

/// What a step of Adam (Kingma and Ba, 2015, algorithm 1) does alike to all weights.
#[derive(Clone, Copy, Debug)]
pub struct AdamStep {
    /// The step's number t, from 1.
    pub number: usize,
    /// The learning rate α.
    pub learning_rate: f64,
    /// What the gradients are multiplied by first, as clipping asks.
    pub gradient_factor: f64,
    /// β₁: what is left in a step of the gradients' moving average.
    pub beta_1: f64,
    /// β₂: what is left in a step of the moving average of the gradients' squares.
    pub beta_2: f64,
    /// ε: keeps the step finite where all gradients were 0.
    pub epsilon: f64,
    /// What share of a weight is taken off, times the learning rate: of AdamW (Loshchilov and Hutter, 2019), 0 in Adam.
    pub weight_decay: f64,
}

/// Moving averages of a weight's gradients: Adam's m and v, without their correction.
#[derive(Clone, Debug)]
pub struct Moments<const D: usize> {
    /// That of the gradients.
    pub mean: Tensor<D>,
    /// That of their squares.
    pub mean_square: Tensor<D>,
}

/// The weight and its moments after a step. All tensors have the weight's shape, and none is on a device with autodiff.
/// Before the first step the moments are zeros.
///
/// # Panics
///
/// If the tensors are not of one float type.
#[must_use]
pub fn adam<const D: usize>(
    weight: Tensor<D>,
    gradient: Tensor<D>,
    moments: Moments<D>,
    step: &AdamStep,
) -> (Tensor<D>, Moments<D>) {
    #[cfg(feature = "flex")]
    if crate::kernel::serves_inference(&weight) {
        use burn::backend::Dispatch;
        use flex::Adam;
        let (weight, mean, mean_square) = Dispatch::adam(
            weight.into_dispatch(),
            gradient.into_dispatch(),
            moments.mean.into_dispatch(),
            moments.mean_square.into_dispatch(),
            Factors::of(step),
        );
        let moments = Moments {
            mean: Tensor::from_dispatch(mean),
            mean_square: Tensor::from_dispatch(mean_square),
        };
        return (Tensor::from_dispatch(weight), moments);
    }
    plain(weight, gradient, moments, step)
}

/// [`adam()`] as a chain of tensor operations.
#[must_use]
pub fn plain<const D: usize>(
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

/// What a step multiplies by.
#[derive(Clone, Copy, Debug)]
struct Factors {
    betas: [f32; 2],
    /// Gradients by this.
    gradient: f32,
    /// The learning rate and the mean's correction, α / (1 - β₁ᵗ).
    rate: f32,
    /// 1 / (1 - β₂ᵗ).
    square_correction: f32,
    epsilon: f32,
    /// What is left of a weight by the decay.
    kept: f32,
}

impl Factors {
    fn of(step: &AdamStep) -> Self {
        let forgotten = |beta: f64| 1.0 - beta.powf(step.number as f64);
        Self {
            betas: [step.beta_1 as f32, step.beta_2 as f32],
            gradient: step.gradient_factor as f32,
            rate: (step.learning_rate / forgotten(step.beta_1)) as f32,
            square_correction: (1.0 / forgotten(step.beta_2)) as f32,
            epsilon: step.epsilon as f32,
            kept: (1.0 - step.learning_rate * step.weight_decay) as f32,
        }
    }
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::flex::{Flex, FlexTensor};
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{Backend, backend_extension};
    use pulp::{Scalar, Simd, WithSimd};

    use super::Factors;
    use crate::kernel::tensor::{contiguous, floats, floats_mut, tensor};
    use crate::kernel::vectorized;

    #[backend_extension(Flex)]
    pub(super) trait Adam: Backend {
        fn adam(
            weight: FloatTensor<Self>,
            gradient: FloatTensor<Self>,
            mean: FloatTensor<Self>,
            mean_square: FloatTensor<Self>,
            factors: Factors,
        ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);
    }

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

    /// What a step changes, and what it reads.
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

    // Spelled out, since the compiler does not make vectors of a loop over so many slices.
    #[inline(always)]
    fn take_step<S: Simd>(
        simd: S,
        weights: &mut [S::f32s],
        gradients: &[S::f32s],
        [means, mean_squares]: [&mut [S::f32s]; 2],
        factors: &Factors,
    ) {
        let [beta_1, beta_2] = factors.betas.map(|beta| simd.splat_f32s(beta));
        let [rest_1, rest_2] = factors.betas.map(|beta| simd.splat_f32s(1.0 - beta));
        let [scale, rate] = [factors.gradient, factors.rate].map(|factor| simd.splat_f32s(factor));
        let [correction, epsilon, kept] =
            [factors.square_correction, factors.epsilon, factors.kept].map(|factor| simd.splat_f32s(factor));
        let moments = means.iter_mut().zip(mean_squares);
        for ((weight, &gradient), (mean, mean_square)) in weights.iter_mut().zip(gradients).zip(moments) {
            let gradient = simd.mul_f32s(gradient, scale);
            let square = simd.mul_f32s(gradient, gradient);
            *mean = simd.mul_add_e_f32s(*mean, beta_1, simd.mul_f32s(gradient, rest_1));
            *mean_square = simd.mul_add_e_f32s(*mean_square, beta_2, simd.mul_f32s(square, rest_2));
            let deviation = simd.sqrt_f32s(simd.mul_f32s(*mean_square, correction));
            let step = simd.div_f32s(simd.mul_f32s(*mean, rate), simd.add_f32s(deviation, epsilon));
            *weight = simd.sub_f32s(simd.mul_f32s(*weight, kept), step);
        }
    }
}

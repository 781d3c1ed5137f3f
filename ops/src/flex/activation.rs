//! Activation functions and their derivatives, on slices.

use pulp::{Scalar, Simd, WithSimd};

use super::vectorized;
use super::vectors::exp;
use crate::linear::Activation;

/// Replaces each value by that of the activation function. NaN stays NaN.
pub(crate) fn activate(values: &mut [f32], activation: Activation) {
    match activation {
        Activation::Identity => (),
        Activation::Relu => vectorized(
            #[inline(always)]
            || {
                values
                    .iter_mut()
                    .for_each(|value| *value = if *value < 0.0 { 0.0 } else { *value });
            },
        ),
        Activation::Gelu => vectorized(Values(values, Gelu)),
        Activation::Swish => vectorized(Values(values, Swish)),
    }
}

/// Returns each number of `gradient` times the derivative of the activation function. `arguments` are the arguments of
/// the function. Those of ReLU may be its values, which are positive where its arguments are.
#[cfg(feature = "autodiff")]
pub(crate) fn times_derivative(gradient: &[f32], arguments: &[f32], activation: Activation) -> Vec<f32> {
    match activation {
        Activation::Identity => gradient.to_vec(),
        Activation::Relu => vectorized(
            #[inline(always)]
            || {
                let pairs = gradient.iter().zip(arguments);
                pairs
                    .map(|(&gradient, &argument)| if argument > 0.0 { gradient } else { 0.0 })
                    .collect()
            },
        ),
        Activation::Gelu => vectorized(Derivatives(gradient, arguments, Gelu)),
        Activation::Swish => vectorized(Derivatives(gradient, arguments, Swish)),
    }
}

/// A function from a number to a number.
trait Function {
    fn value<S: Simd>(simd: S, x: S::f32s) -> S::f32s;

    #[cfg(feature = "autodiff")]
    fn derivative<S: Simd>(simd: S, x: S::f32s) -> S::f32s;
}

/// The logistic function, `1 / (1 + e^-x)`.
pub(crate) struct Sigmoid;

/// The sigmoid linear unit, `x σ(x)` with the logistic function σ.
struct Swish;

/// The Gaussian error linear unit, `x Φ(x)` with the distribution function Φ of the standard normal distribution.
struct Gelu;

impl Sigmoid {
    /// Returns the function's value. The exponential of a number above 0, which could overflow, is not computed: for a
    /// positive x the fraction is `1 / (1 + e^-x)`, and for a negative one it is `e^x / (e^x + 1)`.
    #[inline(always)]
    pub(crate) fn value<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
        let (zero, one) = (simd.splat_f32s(0.0), simd.splat_f32s(1.0));
        let power = exp(simd, simd.sub_f32s(zero, simd.abs_f32s(x)));
        let numerator = simd.select_f32s(simd.less_than_f32s(x, zero), power, one);
        simd.div_f32s(numerator, simd.add_f32s(one, power))
    }
}

impl Function for Swish {
    #[inline(always)]
    fn value<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
        simd.mul_f32s(x, Sigmoid::value(simd, x))
    }

    /// `σ + x σ (1 - σ)`
    #[cfg(feature = "autodiff")]
    #[inline(always)]
    fn derivative<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
        let sigmoid = Sigmoid::value(simd, x);
        let rest = simd.sub_f32s(simd.splat_f32s(1.0), sigmoid);
        simd.mul_add_e_f32s(simd.mul_f32s(x, sigmoid), rest, sigmoid)
    }
}

impl Gelu {
    /// Returns `Φ(x)` and `e^(-x²/2)`. The error of Φ is below 10⁻⁷, by Abramowitz and Stegun, "Handbook of
    /// Mathematical Functions", equation 7.1.26: for a positive x,
    ///
    /// ```text
    /// Φ(-x) = (a_1 t + a_2 t² + a_3 t³ + a_4 t⁴ + a_5 t⁵) e^(-x²/2) / 2,  t = 1 / (1 + 0.3275911 x / √2)
    /// ```
    #[inline(always)]
    fn distribution<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
        const GROWTH: f32 = 0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2;
        const LAST_FACTOR: f32 = 1.061_405_4;
        const FACTORS: [f32; 5] = [-1.453_152, 1.421_413_7, -0.284_496_74, 0.254_829_6, 0.0];

        let (zero, one) = (simd.splat_f32s(0.0), simd.splat_f32s(1.0));
        let bell = exp(simd, simd.mul_f32s(simd.mul_f32s(x, x), simd.splat_f32s(-0.5)));
        let growth = simd.mul_add_e_f32s(simd.abs_f32s(x), simd.splat_f32s(GROWTH), one);
        let t = simd.div_f32s(one, growth);
        let mut series = simd.splat_f32s(LAST_FACTOR);
        for factor in FACTORS {
            series = simd.mul_add_e_f32s(series, t, simd.splat_f32s(factor));
        }
        let tail = simd.mul_f32s(simd.mul_f32s(series, bell), simd.splat_f32s(0.5));
        let share = simd.select_f32s(simd.less_than_f32s(x, zero), tail, simd.sub_f32s(one, tail));
        (share, bell)
    }
}

impl Function for Gelu {
    #[inline(always)]
    fn value<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
        let (share, _) = Self::distribution(simd, x);
        simd.mul_f32s(x, share)
    }

    /// `Φ(x) + x e^(-x²/2) / √(2π)`
    #[cfg(feature = "autodiff")]
    #[inline(always)]
    fn derivative<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
        const DENSITY_AT_0: f32 = 0.398_942_3;
        let (share, bell) = Self::distribution(simd, x);
        let density = simd.mul_f32s(bell, simd.splat_f32s(DENSITY_AT_0));
        simd.mul_add_e_f32s(x, density, share)
    }
}

/// The pass that replaces values by those of a function.
struct Values<'a, F>(&'a mut [f32], F);

impl<F: Function> WithSimd for Values<'_, F> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let (vectors, rest) = S::as_mut_simd_f32s(self.0);
        for vector in vectors {
            *vector = F::value(simd, *vector);
        }
        for value in rest {
            *value = F::value(Scalar, *value);
        }
    }
}

/// The pass that multiplies a gradient by the derivatives at the given arguments.
#[cfg(feature = "autodiff")]
struct Derivatives<'a, F>(&'a [f32], &'a [f32], F);

#[cfg(feature = "autodiff")]
impl<F: Function> WithSimd for Derivatives<'_, F> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let Self(gradient, arguments, _) = self;
        let mut output = gradient.to_vec();
        let (outputs, outputs_rest) = S::as_mut_simd_f32s(&mut output);
        let (vectors, rest) = S::as_simd_f32s(arguments);
        for (output, &x) in outputs.iter_mut().zip(vectors) {
            *output = simd.mul_f32s(*output, F::derivative(simd, x));
        }
        for (output, &x) in outputs_rest.iter_mut().zip(rest) {
            *output *= F::derivative(Scalar, x);
        }
        output
    }
}

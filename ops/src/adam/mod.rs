//! The step of the optimizer Adam.

use burn::tensor::Tensor;

use crate::dispatch::dispatch;

#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod kernel;
mod reference;

pub use reference::reference;

/// The settings of a step of Adam (Kingma and Ba, 2015, algorithm 1), which all weights share.
#[derive(Clone, Copy, Debug)]
pub struct AdamStep {
    /// The step's number `t`, from 1.
    pub number: usize,
    /// The learning rate `α`.
    pub learning_rate: f64,
    /// The factor by which gradients are multiplied before the step. It is below 1 if they are clipped.
    pub gradient_factor: f64,
    /// `β₁`: the factor by which the moving average of the gradients decays at each step.
    pub beta_1: f64,
    /// `β₂`: the factor by which the moving average of the gradients' squares decays at each step.
    pub beta_2: f64,
    /// `ε`: a small number that keeps the step finite if all gradients so far were 0.
    pub epsilon: f64,
    /// `λ`: the weight decay of AdamW (Loshchilov and Hutter, 2019), which is 0 in Adam. Each step multiplies the
    /// weight by `1 - α λ` before the rest of the update.
    pub weight_decay: f64,
}

/// The moving averages for a weight: `m` and `v` in the paper, before the bias correction.
#[derive(Clone, Debug)]
pub struct Moments<const D: usize> {
    /// `m`, the moving average of the gradients.
    pub mean: Tensor<D>,
    /// `v`, the moving average of the gradients' squares.
    pub mean_square: Tensor<D>,
}

/// Returns a weight and its moments after a step of Adam or AdamW.
///
/// With `g` the gradient times `gradient_factor`, and each operation element by element:
///
/// ```text
/// m = β₁ m + (1 - β₁) g
/// v = β₂ v + (1 - β₂) g²
/// weight = (1 - α λ) weight - α m/(1 - β₁ᵗ) / (sqrt(v/(1 - β₂ᵗ)) + ε)
/// ```
///
/// For example, let `β₁ = 0.9`, `β₂ = 0.98` and `g = 2` in the first step of Adam. Then `m = 0.2` and `v = 0.08`. With
/// bias correction they are 2 and 4, so that the weight falls by `α · 2 / sqrt(4) = α`. The size of the first step is
/// the learning rate, whatever the gradient.
///
/// All tensors have the weight's shape, and are on one device without autodiff. Before the first step the moments are
/// zeros.
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
    dispatch!(
        &weight,
        Flex => kernel::of_tensors(weight, gradient, moments, step),
        else reference(weight, gradient, moments, step)
    )
}

/// The factors of a step, in the float type of the kernels.
#[derive(Clone, Copy, Debug)]
struct Factors {
    /// `β₁` and `β₂`
    betas: [f32; 2],
    /// The factor of gradients.
    gradient: f32,
    /// `α / (1 - β₁ᵗ)`: the learning rate times the bias correction of `m`.
    rate: f32,
    /// `1 / (1 - β₂ᵗ)`: the bias correction of `v`.
    square_correction: f32,
    /// `ε`
    epsilon: f32,
    /// `1 - α λ`: the factor by which the decay multiplies a weight.
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

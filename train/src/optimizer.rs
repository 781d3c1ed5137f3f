//! Adam (section 5.3) and AdamW, with the paper's constants.

use burn::optim::{AdamConfig, AdamWConfig, ModuleOptimizer};

use crate::recipe::{OptimizerKind, TrainingSettings};

const BETA_1: f32 = 0.9;
const BETA_2: f32 = 0.98;
const EPSILON: f32 = 1e-9;

/// The optimizer that `settings` ask for, before its first update.
#[must_use]
pub fn optimizer(settings: &TrainingSettings) -> ModuleOptimizer {
    match settings.optimizer {
        OptimizerKind::Adam => AdamConfig::new()
            .with_beta_1(BETA_1)
            .with_beta_2(BETA_2)
            .with_epsilon(EPSILON)
            .init(),
        OptimizerKind::AdamW => AdamWConfig::new()
            .with_beta_1(BETA_1)
            .with_beta_2(BETA_2)
            .with_epsilon(EPSILON)
            .with_weight_decay(settings.weight_decay as f32)
            .init(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::nn::{Initializer, Linear, LinearConfig};
    use burn::optim::GradientsParams;
    use burn::tensor::{Device, Tensor};

    /// The weight 2 after updates with the gradients 3 and -1 at the learning rate 0.1.
    fn two_updates(kind: OptimizerKind, weight_decay: f64) -> [f32; 2] {
        let settings = TrainingSettings {
            optimizer: kind,
            weight_decay,
            ..toml::from_str("updates = 1\nlearning_rate = 0.1").expect("the settings are well formed")
        };
        let device = Device::default().autodiff();
        let mut optimizer = optimizer(&settings);
        let mut layer: Linear = LinearConfig::new(1, 1)
            .with_bias(false)
            .with_initializer(Initializer::Constant { value: 2.0 })
            .init(&device);
        [3.0, -1.0].map(|gradient: f32| {
            // The gradient of weight · x is x.
            let loss = layer.forward(Tensor::<2>::from_floats([[gradient]], &device));
            let gradients = GradientsParams::from_grads(loss.backward(), &layer);
            layer = optimizer.step(0.1, layer.clone(), gradients);
            layer.weight.val().into_scalar::<f32>()
        })
    }

    fn assert_close(weights: [f32; 2], expected: [f64; 2]) {
        for (weight, expected) in weights.into_iter().zip(expected) {
            assert!(
                (f64::from(weight) - expected).abs() < 1e-6,
                "{weight}, not {expected}"
            );
        }
    }

    #[test]
    fn adam_takes_the_papers_steps() {
        // The first step is the learning rate whatever the gradient. In the second the moments are 0.1 · 0.9 · 3 - 0.1
        // = 0.17 and 0.02 · (0.98 · 9 + 1) = 0.1964, corrected by 0.19 and 0.0396.
        let second = 1.9 - 0.1 * (0.17 / 0.19) / (0.1964f64 / 0.0396).sqrt();
        assert_close(two_updates(OptimizerKind::Adam, 0.0), [1.9, second]);
    }

    #[test]
    fn adamw_shrinks_the_weights_apart_from_the_step() {
        let shrink = 1.0 - 0.1 * 0.5;
        let first = 2.0 * shrink - 0.1;
        let second = first * shrink - 0.1 * (0.17 / 0.19) / (0.1964f64 / 0.0396).sqrt();
        assert_close(two_updates(OptimizerKind::AdamW, 0.5), [first, second]);
    }
}

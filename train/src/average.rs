//! Averages of a run's weights over several updates, which often translate better than the weights of a single update.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

/// Returns the mean of the weights of `models`; `None` if there is no model. The models must be of one run, and on a
/// device without autodiff.
pub(crate) fn mean<N: Module>(models: impl IntoIterator<Item = N>) -> Option<N> {
    let mut mean = None;
    for (model, count) in models.into_iter().zip(1..) {
        let share = 1.0 / f64::from(count);
        mean = Some(match mean {
            None => model,
            Some(mean) => weighted_sum(mean, 1.0 - share, &model, share),
        });
    }
    mean
}

/// Returns the exponential moving average after an update: `d · average + (1 - d) · model`. Here d is the smaller of
/// `decay` and `(1 + update) / (10 + update)`. So d is small early in a run, and the average soon forgets the initial
/// weights. After the first update it is 2/11 of the initial weights and 9/11 of the model's.
pub(crate) fn moving_average<N: Module>(average: N, model: &N, decay: f64, update: usize) -> N {
    let decay = decay.min((1.0 + update as f64) / (10.0 + update as f64));
    weighted_sum(average, decay, model, 1.0 - decay)
}

/// Returns `a · left + b · right`, weight by weight.
fn weighted_sum<N: Module>(left: N, a: f64, right: &N, b: f64) -> N {
    // Burn's container of gradients holds any tensor for each weight.
    struct Collect(GradientsParams);
    impl ModuleVisitor for Collect {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            self.0.register(param.id, param.val());
        }
    }
    struct Add {
        weights: GradientsParams,
        a: f64,
        b: f64,
    }
    impl ModuleMapper for Add {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            match self.weights.remove::<D>(param.id) {
                Some(weight) => param.map(|value| value * self.a + weight * self.b),
                None => param,
            }
        }
    }
    let mut weights = Collect(GradientsParams::new());
    right.visit(&mut weights);
    left.map(&mut Add {
        weights: weights.0,
        a,
        b,
    })
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use attend_model::{Preset, Transformer, TransformerConfig};
    use burn::tensor::Device;

    fn config() -> TransformerConfig {
        TransformerConfig {
            d_model: 8,
            d_ff: 8,
            n_heads: 2,
            encoder_layers: 1,
            decoder_layers: 1,
            ..Preset::Tiny.config(16)
        }
    }

    /// Returns all weights in one list.
    pub(crate) fn weights(model: &Transformer) -> Vec<f64> {
        struct List(Vec<f64>);
        impl ModuleVisitor for List {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                self.0.extend(param.val().into_data().iter::<f64>());
            }
        }
        let mut list = List(Vec::new());
        model.visit(&mut list);
        list.0
    }

    /// Returns the network with each weight `w` changed to `scale · w + shift`.
    fn changed(model: &Transformer, scale: f64, shift: f64) -> Transformer {
        struct Change(f64, f64);
        impl ModuleMapper for Change {
            fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
                param.map(|value| value * self.0 + self.1)
            }
        }
        model.clone().map(&mut Change(scale, shift))
    }

    fn assert_close(model: &Transformer, expected: impl Iterator<Item = f64>) {
        let weights = weights(model);
        assert!(weights.len() > 1_000);
        for (weight, expected) in weights.into_iter().zip(expected) {
            assert!((weight - expected).abs() < 1e-5, "{weight}, not {expected}");
        }
    }

    #[test]
    fn the_mean_is_that_of_each_weight() {
        let first = Transformer::new(&config(), &Device::default()).unwrap();
        let models = [
            first.clone(),
            changed(&first, -3.0, 1.0),
            changed(&first, 0.5, 4.0),
        ];
        let lists = models.each_ref().map(weights);
        let mean = mean(models).expect("there are models");
        let expected = (0..lists[0].len()).map(|at| (lists[0][at] + lists[1][at] + lists[2][at]) / 3.0);
        assert_close(&mean, expected);
    }

    #[test]
    fn the_moving_average_starts_fast_and_then_keeps_its_decay() {
        let initial = Transformer::new(&config(), &Device::default()).unwrap();
        let model = changed(&initial, 0.0, 2.0);
        let first = weights(&initial);
        // (1 + 1) / (10 + 1), and then 0.9 from update 80 on.
        let early = moving_average(initial.clone(), &model, 0.9, 1);
        assert_close(
            &early,
            first.iter().map(|weight| weight * 2.0 / 11.0 + 2.0 * 9.0 / 11.0),
        );
        let late = moving_average(initial, &model, 0.9, 5_000);
        assert_close(&late, first.iter().map(|weight| weight * 0.9 + 0.2));
    }
}

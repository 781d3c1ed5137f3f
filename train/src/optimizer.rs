//! Adam (section 5.3) and AdamW, with the paper's constants.

use std::any::Any;
use std::collections::HashMap;
use std::fmt::Debug;

use attend_model::Transformer;
use attend_ops::adam::{AdamStep, Moments, adam};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::store::{ModuleRecord, RecordError};
use burn::tensor::{Bytes, Tensor};

use crate::recipe::TrainingSettings;

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.98;
const EPSILON: f64 = 1e-9;

/// Adam, or with a weight decay AdamW, between two updates.
#[derive(Clone, Debug)]
pub struct Optimizer {
    weight_decay: f64,
    steps: usize,
    mean: ByWeight,
    mean_square: ByWeight,
}

/// A moment of each weight, in its shape: cards compute what has one shape together, until one is reshaped.
#[derive(Debug, Default)]
struct ByWeight(HashMap<ParamId, Box<dyn AnyRank>>);

impl ByWeight {
    fn insert<const D: usize>(&mut self, id: ParamId, moment: Tensor<D>) {
        self.0.insert(id, Box::new(moment));
    }

    fn get<const D: usize>(&self, id: ParamId) -> Option<Tensor<D>> {
        let moment: &dyn Any = self.0.get(&id)?.as_ref();
        moment.downcast_ref().cloned()
    }

    fn remove<const D: usize>(&mut self, id: ParamId) -> Option<Tensor<D>> {
        let moment: Box<dyn Any> = self.0.remove(&id)?;
        moment.downcast().ok().map(|moment| *moment)
    }
}

impl Clone for ByWeight {
    fn clone(&self) -> Self {
        let moments = self.0.iter();
        Self(moments.map(|(&id, moment)| (id, moment.boxed())).collect())
    }
}

/// A tensor of as many dimensions as there are.
trait AnyRank: Any + Debug + Send + Sync {
    fn boxed(&self) -> Box<dyn AnyRank>;
}

impl<const D: usize> AnyRank for Tensor<D> {
    fn boxed(&self) -> Box<dyn AnyRank> {
        Box::new(self.clone())
    }
}

/// A checkpoint's form of the moments: each in the place of its weight.
#[derive(Module, Debug)]
struct MomentsRecord {
    mean: Transformer,
    mean_square: Transformer,
}

impl Optimizer {
    /// The optimizer that `settings` ask for, before its first step.
    #[must_use]
    pub fn new(settings: &TrainingSettings) -> Self {
        Self {
            // Which only AdamW has.
            weight_decay: settings.weight_decay,
            steps: 0,
            mean: ByWeight::default(),
            mean_square: ByWeight::default(),
        }
    }

    /// The model, on a device with autodiff, after a step along its gradients, which are outside the graph, times
    /// `factor`. A weight without a gradient stays.
    #[must_use]
    pub fn step<M: Module>(
        &mut self,
        learning_rate: f64,
        model: M,
        gradients: GradientsParams,
        factor: f64,
    ) -> M {
        self.steps += 1;
        let step = AdamStep {
            number: self.steps,
            learning_rate,
            gradient_factor: factor,
            beta_1: BETA_1,
            beta_2: BETA_2,
            epsilon: EPSILON,
            weight_decay: self.weight_decay,
        };
        model.map(&mut Step {
            step,
            gradients,
            optimizer: self,
        })
    }

    /// The moments of the weights of `model`, for [`from_bytes`](Self::from_bytes).
    ///
    /// # Errors
    ///
    /// If Burn cannot write them.
    pub fn to_bytes(&self, model: &Transformer) -> Result<Bytes, RecordError> {
        let in_place_of_weights = |moment| model.valid().map(&mut InPlaceOfWeights { moment });
        let record = MomentsRecord {
            mean: in_place_of_weights(&self.mean),
            mean_square: in_place_of_weights(&self.mean_square),
        };
        record.into_record().into_bytes()
    }

    /// The optimizer after `steps` steps, with the moments that it had then of the weights of `model`.
    ///
    /// # Errors
    ///
    /// If the bytes are not such moments.
    pub fn from_bytes(&self, bytes: Bytes, steps: usize, model: &Transformer) -> Result<Self, RecordError> {
        let record = MomentsRecord {
            mean: model.valid(),
            mean_square: model.valid(),
        };
        let record = record.try_load_record(ModuleRecord::from_bytes(bytes)?)?;
        let by_weight = |moment: Transformer| {
            let mut collect = Collect(ByWeight::default());
            moment.visit(&mut collect);
            collect.0
        };
        Ok(Self {
            weight_decay: self.weight_decay,
            steps,
            mean: by_weight(record.mean),
            mean_square: by_weight(record.mean_square),
        })
    }
}

struct Step<'a> {
    step: AdamStep,
    gradients: GradientsParams,
    optimizer: &'a mut Optimizer,
}

impl ModuleMapper for Step<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let id = param.id;
        let Some(gradient) = self.gradients.remove::<D>(id) else {
            return param;
        };
        let Optimizer {
            mean, mean_square, ..
        } = self.optimizer;
        let before = |moment: &mut ByWeight| moment.remove(id).unwrap_or_else(|| gradient.zeros_like());
        let moments = Moments {
            mean: before(mean),
            mean_square: before(mean_square),
        };
        param.map(|weight| {
            let (weight, moments) = adam(weight.inner(), gradient, moments, &self.step);
            mean.insert(id, moments.mean);
            mean_square.insert(id, moments.mean_square);
            Tensor::from_inner(weight).require_grad()
        })
    }
}

struct InPlaceOfWeights<'a> {
    moment: &'a ByWeight,
}

impl ModuleMapper for InPlaceOfWeights<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let moment = self.moment.get(param.id);
        param.map(|weight| moment.unwrap_or_else(|| weight.zeros_like()))
    }
}

struct Collect(ByWeight);

impl ModuleVisitor for Collect {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.insert(param.id, param.val());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::OptimizerKind;
    use burn::nn::{Initializer, Linear, LinearConfig};
    use burn::tensor::Device;

    /// The weight 2 after updates with the gradients 3 and -1 at the learning rate 0.1.
    fn two_updates(kind: OptimizerKind, weight_decay: f64) -> [f32; 2] {
        let settings = TrainingSettings {
            optimizer: kind,
            weight_decay,
            ..toml::from_str("updates = 1\nlearning_rate = 0.1").expect("the settings are well formed")
        };
        let device = Device::default().autodiff();
        let mut optimizer = Optimizer::new(&settings);
        let mut layer: Linear = LinearConfig::new(1, 1)
            .with_bias(false)
            .with_initializer(Initializer::Constant { value: 2.0 })
            .init(&device);
        [3.0, -1.0].map(|gradient: f32| {
            // The gradient of weight · x is x.
            let loss = layer.forward(Tensor::<2>::from_floats([[gradient]], &device));
            let gradients = GradientsParams::from_grads(loss.backward(), &layer);
            layer = optimizer.step(0.1, layer.clone(), gradients, 1.0);
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

//! Adam and AdamW, with the constants of Vaswani et al. (2017, section 5.3).

use std::any::Any;
use std::collections::HashMap;
use std::fmt::Debug;

use attend_ops::adam::{AdamStep, Moments, adam};
use burn::module::{Module, ModuleDisplay, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::store::{ModuleRecord, RecordError};
use burn::tensor::{Bytes, Tensor};
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};

/// The constants of Vaswani et al. (2017, section 5.3).
const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.98;
const EPSILON: f64 = 1e-9;

/// The name of an optimizer in a recipe.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum OptimizerKind {
    /// Adam (Kingma and Ba, 2015).
    #[default]
    Adam,
    /// Adam with decoupled weight decay (Loshchilov and Hutter, 2019).
    AdamW,
}

/// The optimizer Adam, or AdamW if the weight decay is above 0, with the moments that it keeps from step to step.
///
/// Step t, counted from 1, with the gradient g and the learning rate η changes a weight w and its moments m and v. The
/// moments begin at 0:
///
/// ```text
/// m = 0.9 m + 0.1 g      v = 0.98 v + 0.02 g²
/// w = w - η · decay · w - η · (m / (1 - 0.9ᵗ)) / (√(v / (1 - 0.98ᵗ)) + 10⁻⁹)
/// ```
///
/// In the first step m / 0.1 = g and v / 0.02 = g². So without a decay each weight moves by η, against the sign of its
/// gradient.
#[derive(Clone, Debug)]
pub struct Optimizer {
    weight_decay: f64,
    steps: usize,
    mean: ByWeight,
    mean_square: ByWeight,
}

/// A moment of each weight, in the weight's shape. A flat moment would have to be reshaped in each step, which keeps
/// GPUs from computing it together with its weight.
#[derive(Debug, Default)]
struct ByWeight(HashMap<ParamId, Box<dyn AnyRank>>);

impl ByWeight {
    /// Collects the moments that stand in place of the weights of a network.
    fn of(moments: &impl Module) -> Self {
        let mut collect = Collect(Self::default());
        moments.visit(&mut collect);
        collect.0
    }

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

/// A tensor of any number of dimensions.
trait AnyRank: Any + Debug + Send + Sync {
    fn boxed(&self) -> Box<dyn AnyRank>;
}

impl<const D: usize> AnyRank for Tensor<D> {
    fn boxed(&self) -> Box<dyn AnyRank> {
        Box::new(self.clone())
    }
}

/// The moments as a checkpoint holds them: two networks in which a moment stands where its weight would be.
#[derive(Module, Debug)]
struct MomentsRecord<N> {
    mean: N,
    mean_square: N,
}

impl Optimizer {
    /// Makes an optimizer before its first step: Adam if `weight_decay` is 0, else AdamW.
    #[must_use]
    pub fn new(weight_decay: f64) -> Self {
        Self {
            weight_decay,
            steps: 0,
            mean: ByWeight::default(),
            mean_square: ByWeight::default(),
        }
    }

    /// Returns the model after a step with its gradients multiplied by `factor`. The model must be on a device with
    /// autodiff, and the gradients outside the autodiff graph. A weight without a gradient stays as it is.
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

    /// Writes the moments of the weights of `model` as bytes, which [`with_moments`](Self::with_moments) reads.
    ///
    /// # Errors
    ///
    /// Returns Burn's error if Burn cannot write them.
    pub(crate) fn to_bytes<N: Module + ModuleDisplay>(&self, model: &N) -> Result<Bytes, RecordError> {
        let in_place_of_weights = |moment| model.valid().map(&mut InPlaceOfWeights { moment });
        let record = MomentsRecord {
            mean: in_place_of_weights(&self.mean),
            mean_square: in_place_of_weights(&self.mean_square),
        };
        record.into_record().into_bytes()
    }

    /// Returns an optimizer that has taken `steps` steps. `bytes` are the moments that [`to_bytes`](Self::to_bytes)
    /// wrote for the weights of `model`.
    ///
    /// # Errors
    ///
    /// Returns Burn's error if the bytes are not moments of these weights.
    pub(crate) fn with_moments<N: Module + ModuleDisplay>(
        &self,
        bytes: Bytes,
        steps: usize,
        model: &N,
    ) -> Result<Self, RecordError> {
        let record = MomentsRecord {
            mean: model.valid(),
            mean_square: model.valid(),
        };
        let record = record.try_load_record(ModuleRecord::from_bytes(bytes)?)?;
        Ok(Self {
            weight_decay: self.weight_decay,
            steps,
            mean: ByWeight::of(&record.mean),
            mean_square: ByWeight::of(&record.mean_square),
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
    use burn::nn::{Initializer, Linear, LinearConfig};
    use burn::tensor::Device;

    /// The weight 2 after updates with the gradients 3 and -1 at the learning rate 0.1.
    fn two_updates(weight_decay: f64) -> [f32; 2] {
        let device = Device::default().autodiff();
        let mut optimizer = Optimizer::new(weight_decay);
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
        assert_close(two_updates(0.0), [1.9, second]);
    }

    #[test]
    fn adamw_shrinks_the_weights_apart_from_the_step() {
        let shrink = 1.0 - 0.1 * 0.5;
        let first = 2.0 * shrink - 0.1;
        let second = first * shrink - 0.1 * (0.17 / 0.19) / (0.1964f64 / 0.0396).sqrt();
        assert_close(two_updates(0.5), [first, second]);
    }
}

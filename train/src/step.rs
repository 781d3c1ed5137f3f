//! A training step: forward pass, loss, backward pass and the optimizer's step, with the loss scale, clipping and the
//! moving average of the weights.

use std::sync::{Mutex, PoisonError};

use attend_data::Example;
use attend_device::Workers;
use attend_model::{Precision, autocast};
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

use crate::average::moving_average;
use crate::error::TrainError;
use crate::gradients::{Gradients, clip_factor, gradients_of_batch, loss_and_norm};
use crate::loss_scale::LossScale;
use crate::objective::{Objective, Translation};
use crate::optimizer::Optimizer;
use crate::recipe::TrainingSettings;
use crate::schedule::Schedule;

/// A network with its optimizer, which takes training steps on batches of token ids. It reads no text and no files. The
/// [`Objective`] is its network's loss.
///
/// ```
/// use attend_data::Example;
/// use attend_device::Workers;
/// use attend_model::Preset;
/// use attend_train::{TrainingSettings, TrainingStep, Translation};
///
/// let settings: TrainingSettings = toml::from_str("updates = 2\nlearning_rate = 0.001").unwrap();
/// let objective = Translation { config: Preset::Tiny.config(10), bos_id: 1 };
/// let seed = 7;
/// let device = attend_device::auto()?.device;
/// let workers = Workers::start(1, 1)?;
/// let mut step = TrainingStep::new(&settings, objective, seed, &[device], workers)?;
/// let pair = Example { source: vec![4, 5, 2], target: vec![6, 7, 8, 2] };
/// for update in 1..=2 {
///     let measured = step.take(update, &[vec![pair.clone()]]).expect("finite gradients");
///     assert_eq!(measured.target_tokens, 4);
/// }
/// # Ok::<(), attend_train::TrainError>(())
/// ```
pub struct TrainingStep<O: Objective = Translation> {
    pub(crate) state: StepState<O::Network>,
    objective: O,
    settings: TrainingSettings,
    schedule: Schedule,
    seed: u64,
    /// The devices that share each batch. The first one holds the weights.
    devices: Vec<Device>,
    workers: Workers,
}

/// The state of a run that a training step changes. A checkpoint holds it.
#[derive(Clone)]
pub(crate) struct StepState<N> {
    /// The network.
    pub(crate) model: N,
    /// The optimizer with its moments.
    pub(crate) optimizer: Optimizer,
    /// The moving average of the weights, on a device without autodiff; `None` if the recipe asks for none.
    pub(crate) moving_average: Option<N>,
    /// The loss scale; `None` unless matrix products are computed in float16.
    pub(crate) loss_scale: Option<LossScale>,
}

/// Measurements of one update, or of several in a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measurements {
    /// Label-smoothed cross-entropy, in nats, summed over the target tokens. Padding is not counted.
    pub loss_sum: f64,
    /// Number of target tokens. Padding is not counted.
    pub target_tokens: usize,
    /// Learning rate of the last update.
    pub learning_rate: f64,
    /// Global norm of the last update's gradients before clipping.
    pub gradient_norm: f64,
}

impl Measurements {
    /// Returns the label-smoothed cross-entropy, in nats a target token.
    #[must_use]
    pub fn loss(&self) -> f64 {
        self.loss_sum / self.target_tokens as f64
    }

    /// Returns the measurements of these updates and the `next` ones together. Sums are added; the learning rate and
    /// the gradient norm are the last ones.
    pub(crate) fn followed_by(self, next: Self) -> Self {
        Self {
            loss_sum: self.loss_sum + next.loss_sum,
            target_tokens: self.target_tokens + next.target_tokens,
            ..next
        }
    }
}

/// Makes a network whose weights are drawn with `seed`. Runs in the same process draw one after the other, because a
/// device's random numbers are shared by all threads.
fn initial_network<O: Objective>(
    objective: &O,
    seed: u64,
    device: &Device,
) -> Result<O::Network, TrainError> {
    static DRAWING: Mutex<()> = Mutex::new(());
    // A run that failed while it drew leaves nothing behind that another one reads.
    let _alone = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
    device.seed(seed);
    let network = objective.network(device)?;
    // Weights are drawn when they are first read.
    let _drawn = network.valid();
    Ok(network)
}

impl<O: Objective> TrainingStep<O> {
    /// Makes the network of an objective on the first of `devices`. `seed` decides the initial weights. The workers
    /// share each batch, and use the devices in turn.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::Config`] if no network has the shape that the objective names, and
    /// [`TrainError::Precision`] if a device does not train in the precision `settings.dtype`.
    ///
    /// # Panics
    ///
    /// Panics if there is no device.
    pub fn new(
        settings: &TrainingSettings,
        objective: O,
        seed: u64,
        devices: &[Device],
        workers: Workers,
    ) -> Result<Self, TrainError> {
        let precision = settings.dtype;
        let trains = |device: &Device| device.supports_dtype(precision.dtype());
        if precision == Precision::Int8 || !devices.iter().all(trains) {
            return Err(TrainError::Precision { precision });
        }
        let devices: Vec<Device> = devices.iter().map(|device| device.clone().autodiff()).collect();
        let model = initial_network(&objective, seed, &devices[0])?;
        Ok(Self {
            state: StepState {
                optimizer: Optimizer::new(settings.weight_decay),
                moving_average: settings.ema.map(|_| model.valid()),
                loss_scale: (precision == Precision::Float16).then(LossScale::default),
                model,
            },
            settings: settings.clone(),
            schedule: settings.schedule(objective.d_model()),
            objective,
            seed,
            devices,
            workers,
        })
    }

    /// Replaces the initial weights by those of `model`, which may be on another device. A run calls it before its
    /// first update.
    ///
    /// # Panics
    ///
    /// Panics if the weights have other shapes.
    pub(crate) fn start_from(&mut self, model: O::Network) {
        let state = &mut self.state;
        state.model = state.model.clone().load_record(model.into_record());
        state.moving_average = self.settings.ema.map(|_| state.model.valid());
    }

    /// Takes one step of the optimizer on one or more batches. The loss is the mean over the targets of all these
    /// batches. `update` is the number of the update, counted from 1. It decides the learning rate and the random
    /// numbers of dropout. Returns `None` and leaves the weights as they are if the loss or a gradient is not finite.
    ///
    /// # Panics
    ///
    /// Panics if `update` is 0, if there is no batch, or if a batch is empty.
    pub fn take(&mut self, update: usize, batches: &[Vec<Example>]) -> Option<Measurements> {
        let examples = batches.iter().flatten();
        let target_tokens = examples.map(|example| self.objective.targets(example)).sum();
        let gradients = self.gradients(update, batches, target_tokens);
        self.apply(update, gradients, target_tokens)
    }

    /// Computes the loss of an update times the loss scale, and the gradients of this product. The workers share each
    /// batch.
    fn gradients(&self, update: usize, batches: &[Vec<Example>], target_tokens: usize) -> Gradients {
        let divisor = target_tokens as f64 / self.loss_factor();
        let gradients_of = |model: &O::Network, device: &Device, examples: &[Example]| {
            let products = self.settings.dtype.dtype();
            let loss = autocast(products, || self.loss(model, device, examples));
            Gradients::of(loss / divisor, model)
        };
        let model = &self.state.model;
        let first_batch = (update - 1) * batches.len() + 1;
        batches
            .iter()
            .zip(first_batch..)
            .map(|(examples, batch)| {
                // Dropout depends on the batch's number alone, so that a resumed run draws what it would have drawn.
                let seed = self.seed ^ (batch as u64).rotate_left(32);
                gradients_of_batch(&self.workers, model, &self.devices, examples, seed, gradients_of)
            })
            .reduce(|total, part| total.plus(part, model))
            .expect("an update has at least one batch")
    }

    /// Returns the label-smoothed cross-entropy of `examples`, summed over their targets: `[1]`.
    fn loss(&self, model: &O::Network, device: &Device, examples: &[Example]) -> Tensor<1> {
        let smoothing = self.settings.label_smoothing;
        self.objective.loss(model, examples, device, smoothing)
    }

    /// Clips the gradients and takes the optimizer's step along them. If the loss or a gradient is not finite, lowers
    /// the loss scale instead, and returns `None`.
    pub(crate) fn apply(
        &mut self,
        update: usize,
        gradients: Gradients,
        target_tokens: usize,
    ) -> Option<Measurements> {
        let loss_factor = self.loss_factor();
        let state = &mut self.state;
        let (loss, gradient_norm) = loss_and_norm(&state.model, &gradients);
        let (loss, gradient_norm) = (loss / loss_factor, gradient_norm / loss_factor);
        if !(loss.is_finite() && gradient_norm.is_finite()) {
            let scale = state.loss_scale;
            state.loss_scale = scale.and_then(LossScale::after_overflow).or(scale);
            return None;
        }
        state.loss_scale = state.loss_scale.map(LossScale::after_update);

        let factor = clip_factor(gradient_norm, self.settings.clip_norm) / loss_factor;
        let learning_rate = self.schedule.learning_rate(update);
        let model = state.model.clone();
        state.model = state
            .optimizer
            .step(learning_rate, model, gradients.gradients, factor);
        if let (Some(decay), Some(average)) = (self.settings.ema, state.moving_average.take()) {
            state.moving_average = Some(moving_average(average, &state.model.valid(), decay, update));
        }
        Some(Measurements {
            loss_sum: loss * target_tokens as f64,
            target_tokens,
            learning_rate,
            gradient_norm,
        })
    }

    /// Returns the factor of the loss scale, 1 if there is none.
    fn loss_factor(&self) -> f64 {
        self.state.loss_scale.map_or(1.0, LossScale::factor)
    }

    /// Returns whether an overflow would lower the loss scale. That is false without a loss scale, or if the scale is 1
    /// already.
    pub(crate) fn can_lower_loss_scale(&self) -> bool {
        self.state
            .loss_scale
            .and_then(LossScale::after_overflow)
            .is_some()
    }

    /// Returns the device that holds the weights, without autodiff.
    pub(crate) fn device(&self) -> Device {
        self.devices[0].clone().without_autodiff()
    }

    /// Returns the workers that share each batch.
    pub(crate) fn workers(&self) -> &Workers {
        &self.workers
    }

    /// Returns the network with its present weights, without autodiff.
    #[must_use]
    pub fn network(&self) -> O::Network {
        self.state.model.valid()
    }

    /// Returns the number of trained weights.
    #[must_use]
    pub fn num_params(&self) -> usize {
        self.state.model.num_params()
    }
}

#[cfg(test)]
pub(crate) mod tests;

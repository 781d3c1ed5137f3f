//! The training loop.

mod dry_run;

use std::path::PathBuf;
use std::time::Instant;

use attend_data::batch::{Batch, Example, TokenMatrix};
use attend_data::tokenizer::Tokenizer;
use attend_infer::{ModelFolder, Workers};
use attend_model::{Transformer, TransformerConfig, with_products_in};
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, FloatDType, Int, Tensor, TensorData};

use crate::average::{mean, moving_average};
use crate::checkpoint::{Averaged, Best, Checkpoints, Snapshot, Span, TrainingState};
use crate::dataset::{BatchSequence, Dataset};
use crate::error::TrainError;
use crate::gradients::{Gradients, gradients_of_batch};
use crate::interrupt::Interrupt;
use crate::loss_scale::LossScale;
use crate::optimizer::optimizer;
use crate::recipe::{Dtype, Recipe};
use crate::report::{Progress, Record, Report, Subject};
use crate::schedule::Schedule;
use crate::validation::{Scores, batch_loss};

/// After so many updates in a row whose loss or gradients are not finite, a run ends.
const MAX_SKIPPED_IN_A_ROW: usize = 10;

/// A run between two updates.
pub struct Trainer {
    recipe: Recipe,
    config: TransformerConfig,
    tokenizer: Tokenizer,
    dataset: Dataset,
    folder: PathBuf,
    /// The first one holds the weights.
    devices: Vec<Device>,
    workers: Workers,
    schedule: Schedule,
    now: Snapshot,
    skipped_in_a_row: usize,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Ending {
    /// At one of the recipe's limits, or out of patience. The model folder is complete.
    Finished {
        /// Which weights are in the model folder: a sentence.
        weights: String,
    },
    /// By a signal, after a checkpoint.
    Interrupted {
        /// The exit status that tells of the signal.
        exit_status: u8,
    },
}

impl Trainer {
    /// A run before its first update, which will write into `folder`. The workers share the devices. The first one
    /// holds the weights, takes the steps and validates.
    ///
    /// # Errors
    ///
    /// If no network can be built from the recipe, or a device does not compute in its dtype.
    ///
    /// # Panics
    ///
    /// If there is no device.
    pub fn new(
        recipe: Recipe,
        tokenizer: Tokenizer,
        dataset: Dataset,
        folder: PathBuf,
        devices: &[Device],
        workers: Workers,
    ) -> Result<Self, TrainError> {
        let config = recipe.transformer_config(tokenizer.vocab_size(), tokenizer.pad_id() as usize);
        let dtype = recipe.training.dtype;
        if !devices
            .iter()
            .all(|device| device.supports_dtype(FloatDType::from(dtype)))
        {
            return Err(TrainError::Dtype { dtype });
        }
        let devices: Vec<Device> = devices.iter().map(|device| device.clone().autodiff()).collect();
        devices[0].seed(recipe.seed);
        let model = Transformer::new(&config, &devices[0]).map_err(|error| TrainError::Recipe {
            place: "[model]".to_owned(),
            reason: error.to_string(),
            hint: None,
        })?;
        Ok(Self {
            schedule: recipe.training.schedule(config.d_model),
            now: Snapshot {
                optimizer: optimizer(&recipe.training),
                moving_average: recipe.training.ema.map(|_| model.valid()),
                model,
                state: TrainingState {
                    workers: workers.count(),
                    loss_scale: (dtype == Dtype::Float16).then(LossScale::default),
                    ..TrainingState::default()
                },
            },
            recipe,
            config,
            tokenizer,
            dataset,
            folder,
            devices,
            workers,
            skipped_in_a_row: 0,
        })
    }

    /// Goes on from the last whole checkpoint in the run's folder, and returns what the user should know of it, a line
    /// each. A run that had not come to its first checkpoint begins anew.
    ///
    /// # Errors
    ///
    /// If all checkpoints are damaged, or they are gone.
    pub fn resume(mut self) -> Result<(Self, Vec<String>), TrainError> {
        let mut notes = Vec::new();
        let checkpoints = Checkpoints::of(&self.folder);
        match checkpoints.load(&self.now)? {
            Some((snapshot, damages)) => {
                let workers = self.workers.count();
                notes.extend(
                    damages
                        .iter()
                        .map(|damage| format!("{damage}: going on from the one before")),
                );
                let others = snapshot.state.averaged.iter().map(|averaged| averaged.update);
                notes.extend(
                    others
                        .filter(|&update| update != snapshot.state.update)
                        .filter_map(|update| checkpoints.check_weights(update).err())
                        .map(|damage| {
                            format!(
                                "{damage}: averages will lack it, and differ from those of an undisturbed run"
                            )
                        }),
                );
                if snapshot.state.workers != workers {
                    notes.push(format!(
                        "{workers} workers in the place of {}: the run goes on, but not as it would have with as many \
                         as before",
                        snapshot.state.workers
                    ));
                }
                self.now = snapshot;
                self.now.state.workers = workers;
            }
            None if self.came_to_a_checkpoint()? => {
                return Err(TrainError::NoCheckpoint { path: self.folder });
            }
            None => {}
        }
        notes.push(format!("going on after update {}", self.now.state.update));
        Ok((self, notes))
    }

    /// Whether the records tell of an update after which the first checkpoint was due.
    fn came_to_a_checkpoint(&self) -> Result<bool, TrainError> {
        let records = Record::read_all(&self.folder)?;
        let first = self.recipe.training.checkpoint_every();
        Ok(records.iter().any(|record| record.update() > first))
    }

    /// Number of trained weights.
    #[must_use]
    pub fn num_params(&self) -> usize {
        self.now.model.num_params()
    }

    /// Trains until a limit of the recipe, and then validates, or until a signal. At every validation a checkpoint is
    /// written, and where its score is the best so far, the model folder.
    ///
    /// # Errors
    ///
    /// If the loss stays not finite, or a file cannot be written. The last checkpoint is whole then.
    pub fn run(mut self, interrupt: Interrupt) -> Result<(TrainingState, Ending), TrainError> {
        let settings = self.recipe.training.clone();
        let subject = Subject {
            num_params: self.num_params(),
            metric: settings.metric,
        };
        let mut report = Report::open(&self.folder, subject, &self.now.state)?;
        let mut batches = self.dataset.batches(&self.recipe, self.now.state.position);
        let (seconds_before, start) = (self.now.state.seconds, Instant::now());
        let seconds = || seconds_before + start.elapsed().as_secs_f64();

        while !self.is_finished(&batches) {
            let measure = self.update(&mut batches);
            self.now.state.seconds = seconds();
            let update = self.now.state.update;
            match measure {
                Some(measure) => report.show(&measure, &self.now.state, self.done(&batches)),
                None => report.say(&format!(
                    "update {update}: loss or gradients are not finite; skipped"
                )),
            }
            if self.skipped_in_a_row == MAX_SKIPPED_IN_A_ROW {
                // The last step was the one that ruined them.
                Checkpoints::of(&self.folder).discard(update - MAX_SKIPPED_IN_A_ROW)?;
                return Err(TrainError::NotFinite {
                    updates: self.skipped_in_a_row,
                    update,
                });
            }

            let validate = update.is_multiple_of(settings.validate_every);
            if validate || update.is_multiple_of(settings.log_every) {
                self.record_updates(&mut report, &batches)?;
            }
            let is_checkpoint = update.is_multiple_of(settings.checkpoint_every());
            if let Some(count) = settings.average_last
                && is_checkpoint
                && self.is_sound()
            {
                self.average_also(None, count);
            }
            if validate {
                self.validate(&mut report)?;
                self.now.state.seconds = seconds();
            }
            let exit_status = interrupt.exit_status();
            if validate || is_checkpoint || exit_status.is_some() {
                self.save(&report)?;
            }
            if let Some(exit_status) = exit_status {
                let progress = Progress::Interrupted(self.done(&batches));
                report.write_page(&self.now.state, progress)?;
                report.finish();
                return Ok((self.now.state, Ending::Interrupted { exit_status }));
            }
            if validate {
                let progress = Progress::Running(self.done(&batches));
                report.write_page(&self.now.state, progress)?;
            }
        }
        if self.now.state.validated != self.now.state.update {
            self.record_updates(&mut report, &batches)?;
            self.validate(&mut report)?;
            self.now.state.seconds = seconds();
            self.save(&report)?;
        }
        report.finish();
        if let Some(exit_status) = interrupt.exit_status() {
            report.write_page(&self.now.state, Progress::Interrupted(1.0))?;
            return Ok((self.now.state, Ending::Interrupted { exit_status }));
        }
        let weights = self.describe_weights()?;
        report.write_page(&self.now.state, Progress::Finished(&weights))?;
        Ok((self.now.state, Ending::Finished { weights }))
    }

    /// Records the updates since the last record, if one was taken.
    fn record_updates(&mut self, report: &mut Report, batches: &BatchSequence) -> Result<(), TrainError> {
        if self.now.state.span.target_tokens > 0 {
            report.record_updates(&self.now.state, self.done(batches))?;
            self.now.state.span = Span::default();
        }
        Ok(())
    }

    /// Writes a checkpoint, if the weights are sound: where they may be ruined, the checkpoints before them stay.
    fn save(&self, report: &Report) -> Result<(), TrainError> {
        if self.is_sound() {
            report.sync()?;
            Checkpoints::of(&self.folder).save(&self.now)?;
        }
        Ok(())
    }

    /// Whether the weights gave finite gradients in the last update.
    fn is_sound(&self) -> bool {
        self.skipped_in_a_row == 0
    }

    /// The share of the run that is behind it, by the limit that it is nearest to; 1 and more at the end.
    fn done(&self, batches: &BatchSequence) -> f64 {
        let settings = &self.recipe.training;
        let share = |done: f64, limit: Option<f64>| limit.map_or(0.0, |limit| done / limit);
        let updates = settings.updates.map(|updates| updates as f64);
        let epochs = settings.epochs.map(|epochs| epochs as f64);
        share(self.now.state.update as f64, updates)
            .max(share(batches.epochs(), epochs))
            .max(share(self.now.state.seconds / 60.0, settings.minutes))
    }

    fn is_finished(&self, batches: &BatchSequence) -> bool {
        let patience = self.recipe.training.patience;
        let is_out_of_patience =
            patience.is_some_and(|patience| self.now.state.validations_since_best >= patience);
        is_out_of_patience || self.done(batches) >= 1.0
    }

    /// One update on the next batches; see [`update_on`](Self::update_on).
    fn update(&mut self, batches: &mut BatchSequence) -> Option<Span> {
        let accumulate = self.recipe.training.accumulate;
        let next: Vec<Vec<Example>> = (0..accumulate).map(|_| batches.next_batch()).collect();
        self.now.state.position = batches.position();
        self.update_on(&next)
    }

    /// One update: forward, loss and backward by the workers, batch after batch, then clip and step. `None` where loss
    /// or gradients were not finite, and the weights stay.
    ///
    /// # Panics
    ///
    /// If there is no batch, or one is empty.
    pub fn update_on(&mut self, batches: &[Vec<Example>]) -> Option<Span> {
        let first_batch = self.now.state.update * batches.len() + 1;
        self.now.state.update += 1;
        let target_tokens: usize = batches.iter().flatten().map(|example| example.target.len()).sum();

        let divisor = target_tokens as f64 / self.loss_factor();
        let dtype = self.recipe.training.dtype.into();
        let gradients_of = |model: &Transformer, device: &Device, examples: &[Example]| {
            let loss = with_products_in(dtype, || self.loss(model, examples, device));
            Gradients::of(loss / divisor, model)
        };
        let model = &self.now.model;
        let gradients = batches
            .iter()
            .zip(first_batch..)
            .map(|(examples, batch)| {
                // Dropout's random numbers depend on the batch alone, so a resumed run draws the same ones.
                let seed = self.recipe.seed ^ (batch as u64).rotate_left(32);
                gradients_of_batch(&self.workers, model, &self.devices, examples, seed, gradients_of)
            })
            .reduce(|total, part| total.plus(part, model))
            .expect("an update has at least one batch");
        self.step(gradients, target_tokens)
    }

    /// What the loss is multiplied by, for the sake of its gradients.
    fn loss_factor(&self) -> f64 {
        self.now.state.loss_scale.map_or(1.0, LossScale::factor)
    }

    /// Clips the gradients and takes the step. If they or the loss are not finite, the weights stay, and `None` says
    /// so.
    fn step(&mut self, gradients: Gradients, target_tokens: usize) -> Option<Span> {
        let settings = &self.recipe.training;
        let loss_factor = self.loss_factor();
        let now = &mut self.now;
        let update = now.state.update;
        let (loss, gradient_norm) = loss_and_norm(&now.model, &gradients);
        let (loss, gradient_norm) = (loss / loss_factor, gradient_norm / loss_factor);
        if !(loss.is_finite() && gradient_norm.is_finite()) {
            now.state.skipped += 1;
            match now.state.loss_scale.and_then(LossScale::after_overflow) {
                Some(smaller) => now.state.loss_scale = Some(smaller),
                None => self.skipped_in_a_row += 1,
            }
            return None;
        }
        self.skipped_in_a_row = 0;
        now.state.loss_scale = now.state.loss_scale.map(LossScale::after_update);
        let factor = clip_factor(gradient_norm, settings.clip_norm) / loss_factor;
        let gradients = scale(&now.model, gradients.gradients, factor);
        let learning_rate = self.schedule.learning_rate(update);
        now.model = now.optimizer.step(learning_rate, now.model.clone(), gradients);
        if let (Some(decay), Some(average)) = (settings.ema, now.moving_average.take()) {
            now.moving_average = Some(moving_average(average, &now.model.valid(), decay, update));
        }
        let update = Span {
            loss_sum: loss * target_tokens as f64,
            target_tokens,
            learning_rate,
            gradient_norm,
        };
        now.state.span = Span {
            loss_sum: now.state.span.loss_sum + update.loss_sum,
            target_tokens: now.state.span.target_tokens + update.target_tokens,
            ..update
        };
        Some(update)
    }

    /// The label-smoothed cross-entropy of `examples`, summed over their target tokens: `[1]`.
    fn loss(&self, model: &Transformer, examples: &[Example], device: &Device) -> Tensor<1> {
        let batch = Batch::new(examples, self.tokenizer.pad_id(), self.tokenizer.bos_id());
        batch_loss(model, &batch, device, self.recipe.training.label_smoothing)
    }

    /// Scores the weights, or their average, on the validation pairs; the best so far become the model folder. Where
    /// the best weights are averaged, those of this update are first scored by themselves, if they are sound.
    fn validate(&mut self, report: &mut Report) -> Result<(), TrainError> {
        self.now.state.validated = self.now.state.update;
        let metric = self.recipe.training.metric;
        if let Some(count) = self.recipe.training.average_best
            && self.is_sound()
        {
            let alone = self.score(&self.bundle(self.now.model.valid()))?;
            self.average_also(Some(alone.get(metric)), count);
        }
        let (weights, averaged) = self.weights(report);
        let bundle = self.bundle(weights);
        let scores = self.score(&bundle)?;
        if !scores.loss.is_finite() {
            let update = self.now.state.update;
            report.say(&format!("update {update}: the validation loss is not finite"));
            return Ok(());
        }
        let score = scores.get(metric);
        let best = self.now.state.best.as_ref().map(|best| best.score);
        let improved = best.is_none_or(|best| metric.is_better(score, best));
        // Of equals the later one is kept, but patience ends on a plateau.
        if improved || best == Some(score) {
            bundle.save(&self.folder)?;
            self.now.state.best = Some(Best {
                update: self.now.state.update,
                score,
                averaged,
            });
        }
        self.now.state.validations_since_best = match improved {
            true => 0,
            false => self.now.state.validations_since_best + 1,
        };
        report.record_validation(&self.now.state, &scores)?;
        Ok(())
    }

    fn score(&self, bundle: &ModelFolder) -> Result<Scores, TrainError> {
        let device = self.devices[0].clone().without_autodiff();
        Scores::measure(bundle, &self.dataset, &self.recipe, &device, &self.workers)
    }

    /// What is validated: the weights, or their average where one is asked for; and the updates whose checkpoints it is
    /// the mean of.
    fn weights(&self, report: &Report) -> (Transformer, Vec<usize>) {
        let (average, averaged) = match &self.now.moving_average {
            Some(average) => (Some(average.clone()), Vec::new()),
            None => self.mean_of_checkpoints(report),
        };
        (average.unwrap_or_else(|| self.now.model.valid()), averaged)
    }

    /// Adds the weights of this update to the `count` that are averaged: in the place of the worst where they have
    /// scores, else of the oldest.
    fn average_also(&mut self, score: Option<f64>, count: usize) {
        let metric = self.recipe.training.metric;
        let state = &mut self.now.state;
        let update = state.update;
        state.averaged.push(Averaged { update, score });
        if state.averaged.len() > count {
            let is_worse = |one: &Averaged, other: &Averaged| {
                let scores = one.score.zip(other.score);
                scores.is_some_and(|(one, other)| metric.is_better(other, one))
            };
            let averaged = &state.averaged;
            let dropped = (1..averaged.len()).fold(0, |worst, index| {
                match is_worse(&averaged[index], &averaged[worst]) {
                    true => index,
                    false => worst,
                }
            });
            state.averaged.remove(dropped);
        }
    }

    /// The mean of the checkpoints that are averaged, and their updates. One that is damaged or missing is left out,
    /// and that is said: the others are still worth more than a run that ends.
    fn mean_of_checkpoints(&self, report: &Report) -> (Option<Transformer>, Vec<usize>) {
        let checkpoints = Checkpoints::of(&self.folder);
        let current = self.now.model.valid();
        let mut updates = Vec::new();
        let models = self
            .now
            .state
            .averaged
            .iter()
            .filter_map(|&Averaged { update, .. }| {
                let model = match update == self.now.state.update {
                    true => Ok(current.clone()),
                    false => checkpoints.weights(update, current.clone()),
                };
                match model {
                    Ok(model) => {
                        updates.push(update);
                        Some(model)
                    }
                    Err(damage) => {
                        report.say(&format!("{damage}: left out of the average"));
                        None
                    }
                }
            });
        let mean = mean(models);
        (mean, updates)
    }

    /// A sentence about the weights in the model folder of a run that has ended.
    fn describe_weights(&self) -> Result<String, TrainError> {
        let metric = self.recipe.training.metric;
        let Some(Best {
            update,
            score,
            averaged,
        }) = &self.now.state.best
        else {
            return Err(TrainError::NoModel);
        };
        let weights = match self.recipe.training.ema {
            Some(decay) => {
                format!("the exponential moving average, decay {decay}, of the weights up to update {update}")
            }
            None if averaged.is_empty() => format!("the weights after update {update}"),
            None => format!("the average of the weights after updates {}", list(averaged)),
        };
        Ok(format!(
            "These are {weights}, the best on the validation pairs: {metric} {score:.2}."
        ))
    }

    fn bundle(&self, model: Transformer) -> ModelFolder {
        ModelFolder {
            config: self.config.clone(),
            model,
            tokenizer: self.tokenizer.clone(),
            generation: self.recipe.search,
        }
    }
}

fn list(updates: &[usize]) -> String {
    let updates: Vec<String> = updates.iter().map(usize::to_string).collect();
    updates.join(", ")
}

/// The ids as a tensor: `[rows, width]`.
pub fn to_tensor(matrix: &TokenMatrix, device: &Device) -> Tensor<2, Int> {
    let shape = [matrix.rows, matrix.width];
    Tensor::from_data(TensorData::new(matrix.ids.clone(), shape), device)
}

/// The loss and the global norm of its gradients, over all weights at once: the one time that an update reads from the
/// device.
fn loss_and_norm(model: &Transformer, gradients: &Gradients) -> (f64, f64) {
    let mut sums = SumsOfSquares {
        gradients: &gradients.gradients,
        sums: vec![gradients.loss.clone()],
    };
    model.visit(&mut sums);
    let numbers: Vec<f32> = Tensor::cat(sums.sums, 0)
        .try_into_vec_as()
        .expect("a device that computed them can be read");
    let squares = numbers[1..].iter().map(|&sum| f64::from(sum));
    (numbers[0].into(), squares.sum::<f64>().sqrt())
}

/// What brings gradients of the global norm `norm` to at most `max_norm` (Pascanu et al., 2013); 0 means no limit.
fn clip_factor(norm: f64, max_norm: f64) -> f64 {
    match max_norm == 0.0 || norm <= max_norm {
        true => 1.0,
        false => max_norm / norm,
    }
}

fn scale(model: &Transformer, gradients: GradientsParams, factor: f64) -> GradientsParams {
    if factor == 1.0 {
        return gradients;
    }
    let mut scale = Scale { gradients, factor };
    model.visit(&mut scale);
    scale.gradients
}

/// A `[1]` tensor for each gradient.
struct SumsOfSquares<'a> {
    gradients: &'a GradientsParams,
    sums: Vec<Tensor<1>>,
}

impl ModuleVisitor for SumsOfSquares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = self.gradients.get::<D>(param.id);
        self.sums.extend(gradient.map(|gradient| gradient.square().sum()));
    }
}

struct Scale {
    gradients: GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.gradients.remove::<D>(param.id) {
            self.gradients.register(param.id, gradient * self.factor);
        }
    }
}

#[cfg(test)]
mod tests;

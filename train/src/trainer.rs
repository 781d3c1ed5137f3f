//! The training loop.

mod dry_run;
mod weights;

use std::path::PathBuf;
use std::time::Instant;

use attend_data::{Batch, Batches, Example, Tokenizer};
use attend_infer::device::padding;
use attend_infer::{ModelFolder, Workers};
use attend_model::{Transformer, TransformerConfig, with_products_in};
use burn::module::Module;
use burn::tensor::{Device, FloatDType, Tensor};

use crate::average::moving_average;
use crate::checkpoint::{Best, Checkpoints, Snapshot, Span, TrainingState};
use crate::dataset::Dataset;
use crate::error::TrainError;
use crate::gradients::{Gradients, clip_factor, gradients_of_batch, loss_and_norm};
use crate::interrupt::Interrupt;
use crate::loss::batch_loss;
use crate::loss_scale::LossScale;
use crate::optimizer::Optimizer;
use crate::recipe::{Dtype, Recipe};
use crate::report::{Progress, Record, Report, Subject};
use crate::schedule::Schedule;
use crate::validation::Scores;

/// After so many updates in a row whose loss or gradients are not finite, a run ends, unless a smaller loss scale could
/// help.
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
                optimizer: Optimizer::new(&recipe.training),
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
        let settings = &self.recipe.training;
        let first = settings.checkpoint_every().min(settings.validate_every);
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
            // Before the update: what that lowers the scale to has yet to be tried.
            let smaller_loss_scale = self.smaller_loss_scale();
            let measure = self.update(&mut batches);
            self.now.state.seconds = seconds();
            let update = self.now.state.update;
            match measure {
                Some(measure) => report.show(&measure, &self.now.state, self.done(&batches)),
                None => report.say(&format!(
                    "update {update}: loss or gradients are not finite; skipped"
                )),
            }
            if self.skipped_in_a_row >= MAX_SKIPPED_IN_A_ROW && smaller_loss_scale.is_none() {
                // The last step was the one that ruined them.
                Checkpoints::of(&self.folder).discard(update - self.skipped_in_a_row)?;
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
    fn record_updates(&mut self, report: &mut Report, batches: &Batches) -> Result<(), TrainError> {
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
    fn done(&self, batches: &Batches) -> f64 {
        let settings = &self.recipe.training;
        let share = |done: f64, limit: Option<f64>| limit.map_or(0.0, |limit| done / limit);
        let updates = settings.updates.map(|updates| updates as f64);
        let epochs = settings.epochs.map(|epochs| epochs as f64);
        share(self.now.state.update as f64, updates)
            .max(share(batches.epochs(), epochs))
            .max(share(self.now.state.seconds / 60.0, settings.minutes))
    }

    fn is_finished(&self, batches: &Batches) -> bool {
        let patience = self.recipe.training.patience;
        let is_out_of_patience =
            patience.is_some_and(|patience| self.now.state.validations_since_best >= patience);
        is_out_of_patience || self.done(batches) >= 1.0
    }

    /// One update on the next batches; see [`update_on`](Self::update_on).
    fn update(&mut self, batches: &mut Batches) -> Option<Span> {
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

    /// What the loss scale is lowered to at an overflow; `None` where there is none, or none smaller.
    fn smaller_loss_scale(&self) -> Option<LossScale> {
        self.now.state.loss_scale.and_then(LossScale::after_overflow)
    }

    /// Clips the gradients and takes the step. If they or the loss are not finite, the weights stay, the loss scale is
    /// lowered, and `None` is returned.
    fn step(&mut self, gradients: Gradients, target_tokens: usize) -> Option<Span> {
        let settings = &self.recipe.training;
        let loss_factor = self.loss_factor();
        let smaller_loss_scale = self.smaller_loss_scale();
        let now = &mut self.now;
        let update = now.state.update;
        let (loss, gradient_norm) = loss_and_norm(&now.model, &gradients);
        let (loss, gradient_norm) = (loss / loss_factor, gradient_norm / loss_factor);
        if !(loss.is_finite() && gradient_norm.is_finite()) {
            now.state.skipped += 1;
            now.state.loss_scale = smaller_loss_scale.or(now.state.loss_scale);
            self.skipped_in_a_row += 1;
            return None;
        }
        self.skipped_in_a_row = 0;
        now.state.loss_scale = now.state.loss_scale.map(LossScale::after_update);
        let factor = clip_factor(gradient_norm, settings.clip_norm) / loss_factor;
        let learning_rate = self.schedule.learning_rate(update);
        let model = now.model.clone();
        now.model = now
            .optimizer
            .step(learning_rate, model, gradients.gradients, factor);
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
        let padding = padding(device, self.tokenizer.pad_id(), self.config.max_length);
        let batch = Batch::new(examples, padding, self.tokenizer.bos_id());
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
            self.now.state.validations_since_best += 1;
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

    fn bundle(&self, model: Transformer) -> ModelFolder {
        ModelFolder {
            config: self.config.clone(),
            model,
            tokenizer: self.tokenizer.clone(),
            generation: self.recipe.search,
        }
    }
}

#[cfg(test)]
mod tests;

//! The policy around the training step: when a run validates, saves, averages and ends.

use std::path::PathBuf;
use std::time::Instant;

use attend_data::{Batches, Example};
use attend_device::Workers;
use burn::module::Module;
use burn::tensor::Device;

use crate::average::mean;
use crate::checkpoint::{Checkpoints, Loaded};
use crate::error::TrainError;
use crate::event::{Event, Observer, Progress};
use crate::metric::{Metric, Scores};
use crate::recipe::Recipe;
use crate::record::Record;
use crate::report::{Report, Status, Subject};
use crate::run_folder::run_name;
use crate::state::{Averaged, Best, TrainingState};
use crate::step::{Measurements, TrainingStep};
use crate::task::{Network, Task, examples};

/// The number of skipped updates in a row after which a run ends with an error, unless the loss scale can still be
/// lowered. An update is skipped if its loss or gradients are not finite.
const MAX_SKIPPED_IN_A_ROW: usize = 10;

/// A run between two updates.
pub(crate) struct Trainer<T: Task> {
    pub(crate) recipe: Recipe,
    pub(crate) task: T,
    /// The score by which the best weights are chosen.
    pub(crate) metric: Metric,
    folder: PathBuf,
    pub(crate) step: TrainingStep<T::Objective>,
    pub(crate) state: TrainingState,
    skipped_in_a_row: usize,
}

/// How the updates of a run ended.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ending {
    /// The run reached a limit of the recipe, or ran out of patience. The model folder is complete except for the model
    /// card.
    Finished {
        /// A sentence on the weights in the model folder.
        weights: String,
    },
    /// The caller stopped the run, which has written a checkpoint.
    Stopped,
}

impl<T: Task> Trainer<T> {
    /// Makes a run before its first update. The run will write into `folder`, and chooses its best weights by `metric`.
    /// The workers share the devices. The first device holds the weights and validates.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::Config`] if no network can be built by the recipe, and [`TrainError::Precision`] if a
    /// device does not train in the recipe's precision.
    ///
    /// # Panics
    ///
    /// Panics if there is no device.
    pub(crate) fn new(
        recipe: Recipe,
        task: T,
        metric: Metric,
        folder: PathBuf,
        devices: &[Device],
        workers: Workers,
    ) -> Result<Self, TrainError> {
        let state = TrainingState {
            workers: workers.count(),
            metric: Some(metric),
            ..TrainingState::default()
        };
        let objective = task.objective(&recipe);
        Ok(Self {
            metric,
            step: TrainingStep::new(&recipe.training, objective, recipe.seed, devices, workers)?,
            recipe,
            task,
            folder,
            state,
            skipped_in_a_row: 0,
        })
    }

    /// Writes a checkpoint of the run before its first update.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::Data`] if it cannot be written.
    pub(crate) fn save_start(&self) -> Result<(), TrainError> {
        self.checkpoints().save(&self.step.state, &self.state)
    }

    /// Removes the checkpoint that [`save_start`](Self::save_start) wrote, if there is one.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::Data`] if it cannot be removed.
    pub(crate) fn discard_start(&self) -> Result<(), TrainError> {
        self.checkpoints().discard(0)
    }

    /// Goes on from the last whole checkpoint in the run's folder, or begins anew if the run was stopped before its
    /// first checkpoint. A run that started from a model has a checkpoint before its first update. Returns notes for
    /// the user.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::InvalidCheckpoint`] if all checkpoints are damaged, and [`TrainError::NoCheckpoint`] if
    /// none is left although the run had written one.
    pub(crate) fn resume(&mut self) -> Result<Vec<String>, TrainError> {
        let mut notes = Vec::new();
        let checkpoints = self.checkpoints();
        match checkpoints.load(&self.step.state)? {
            Some(Loaded { step, run, damages }) => {
                notes.extend(
                    damages
                        .iter()
                        .map(|damage| format!("{damage}: going on from the one before")),
                );
                let others = run.averaged.iter().map(|averaged| averaged.update);
                notes.extend(
                    others
                        .filter(|&update| update != run.update)
                        .filter_map(|update| checkpoints.check_weights(update).err())
                        .map(|damage| {
                            format!(
                                "{damage}: averages will lack it, and differ from those of an undisturbed run"
                            )
                        }),
                );
                let workers = self.step.workers().count();
                if run.workers != workers {
                    notes.push(format!(
                        "{workers} workers in the place of {}: the run goes on, but not as it would have with as many \
                         as before",
                        run.workers
                    ));
                }
                self.step.state = step;
                let run = run.with_scores_of(self.metric, self.recipe.metric());
                self.state = TrainingState { workers, ..run };
            }
            None if self.recipe.init.is_some() || self.came_to_a_checkpoint()? => {
                return Err(TrainError::NoCheckpoint {
                    path: self.folder.clone(),
                });
            }
            None => {}
        }
        notes.push(format!("going on after update {}", self.state.update));
        Ok(notes)
    }

    /// Returns whether there is a record of an update after the first checkpoint was due.
    fn came_to_a_checkpoint(&self) -> Result<bool, TrainError> {
        let records = Record::read_all(&self.folder)?;
        let settings = &self.recipe.training;
        let first = settings.checkpoint_every().min(settings.validate_every);
        Ok(records.iter().any(|record| record.update() > first))
    }

    fn checkpoints(&self) -> Checkpoints {
        Checkpoints::of(&self.folder)
    }

    /// Trains to a limit of the recipe and then validates, or stops early if `stop` returns true after an update. Each
    /// validation writes a checkpoint and, if its score is the best so far, the model folder.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::NotFinite`] if too many updates in a row are skipped, [`TrainError::Data`] or
    /// [`TrainError::Infer`] if a file cannot be written or a sentence cannot be translated, and
    /// [`TrainError::NoModel`] if no validation had a finite loss. The last checkpoint is whole in each case.
    pub(crate) fn run(
        &mut self,
        observer: &mut Observer<'_>,
        stop: &dyn Fn() -> bool,
    ) -> Result<Ending, TrainError> {
        let settings = self.recipe.training.clone();
        let subject = Subject {
            name: run_name(&self.folder),
            num_params: self.step.num_params(),
            metric: self.metric,
            task: self.recipe.task,
        };
        let (mut report, notes) = Report::open(&self.folder, subject, &self.state)?;
        notes.into_iter().map(Event::Note).for_each(&mut *observer);
        let mut batches = self.task.batches(&self.recipe, self.state.position);
        let (seconds_before, start) = (self.state.seconds, Instant::now());
        let seconds = || seconds_before + start.elapsed().as_secs_f64();

        while !self.is_finished(&batches) {
            // Asked before the update: if this update lowers the loss scale, the next one must try the lower scale.
            let can_lower_loss_scale = self.step.can_lower_loss_scale();
            let measured = self.update(&mut batches);
            self.state.seconds = seconds();
            let update = self.state.update;
            observer(match &measured {
                Some(measured) => {
                    report.count(measured);
                    Event::Updated {
                        update,
                        loss: measured.loss(),
                        learning_rate: measured.learning_rate,
                        tokens_per_second: report.tokens_per_second(),
                        progress: self.progress(&batches),
                    }
                }
                None => Event::Note(format!(
                    "update {update}: loss or gradients are not finite; skipped"
                )),
            });
            if self.skipped_in_a_row >= MAX_SKIPPED_IN_A_ROW && !can_lower_loss_scale {
                // The last update before the skipped ones ruined the weights, so its checkpoint must not be resumed.
                self.checkpoints().discard(update - self.skipped_in_a_row)?;
                return Err(TrainError::NotFinite {
                    updates: self.skipped_in_a_row,
                    update,
                });
            }

            let validates = update.is_multiple_of(settings.validate_every);
            if validates || update.is_multiple_of(settings.log_every) {
                self.record_updates(&mut report, &batches, observer)?;
            }
            let is_checkpoint = update.is_multiple_of(settings.checkpoint_every());
            if let Some(count) = settings.average_last
                && is_checkpoint
                && self.is_sound()
            {
                self.state.average_also(None, count, self.metric);
            }
            if validates {
                self.validate(&mut report, observer)?;
                self.state.seconds = seconds();
            }
            let is_stopped = stop();
            if validates || is_checkpoint || is_stopped {
                self.save(&report)?;
            }
            let progress = self.progress(&batches);
            if is_stopped {
                report.write_page(&self.state, Status::Stopped(progress))?;
                observer(Event::Ended);
                return Ok(Ending::Stopped);
            }
            if validates {
                report.write_page(&self.state, Status::Running(progress))?;
            }
        }
        if self.state.validated != self.state.update {
            self.record_updates(&mut report, &batches, observer)?;
            self.validate(&mut report, observer)?;
            self.state.seconds = seconds();
            self.save(&report)?;
        }
        let is_stopped = stop();
        observer(Event::Ended);
        if is_stopped {
            let progress = Progress::new(1.0, self.state.seconds);
            report.write_page(&self.state, Status::Stopped(progress))?;
            return Ok(Ending::Stopped);
        }
        let weights = self.describe_weights()?;
        report.write_page(&self.state, Status::Finished(&weights))?;
        Ok(Ending::Finished { weights })
    }

    /// Takes an update on the next batches. Returns `None` if the update was skipped because its loss or gradients were
    /// not finite.
    pub(crate) fn update(&mut self, batches: &mut Batches) -> Option<Measurements> {
        let accumulate = self.recipe.training.accumulate;
        let next: Vec<Vec<Example>> = (0..accumulate).map(|_| batches.next_batch()).collect();
        self.state.position = batches.position();
        self.state.update += 1;
        let measured = self.step.take(self.state.update, &next);
        self.count(measured)
    }

    /// Counts an update. It was skipped if `measured` is `None`.
    fn count(&mut self, measured: Option<Measurements>) -> Option<Measurements> {
        match measured {
            Some(measured) => {
                self.skipped_in_a_row = 0;
                self.state.span = self.state.span.followed_by(measured);
            }
            None => {
                self.skipped_in_a_row += 1;
                self.state.skipped += 1;
            }
        }
        measured
    }

    /// Records the updates since the last record. Does nothing if all of them were skipped.
    fn record_updates(
        &mut self,
        report: &mut Report,
        batches: &Batches,
        observer: &mut Observer<'_>,
    ) -> Result<(), TrainError> {
        if self.state.span.target_tokens > 0 {
            let record = report.record_updates(&self.state)?;
            let progress = self.progress(batches);
            observer(Event::Recorded { record, progress });
            self.state.span = Measurements::default();
        }
        Ok(())
    }

    /// Writes a checkpoint if the last update gave finite gradients. Otherwise the weights may be ruined, and the
    /// earlier checkpoints stay.
    fn save(&self, report: &Report) -> Result<(), TrainError> {
        if self.is_sound() {
            report.sync()?;
            self.checkpoints().save(&self.step.state, &self.state)?;
        }
        Ok(())
    }

    /// Returns whether the last update had a finite loss and finite gradients, so that the weights are worth keeping.
    fn is_sound(&self) -> bool {
        self.skipped_in_a_row == 0
    }

    fn progress(&self, batches: &Batches) -> Progress {
        Progress::new(self.done(batches), self.state.seconds)
    }

    /// Returns the completed share of the run, 1 or more at its end. Each limit of the recipe gives a share, such as
    /// the updates so far divided by `updates`; the largest share counts.
    fn done(&self, batches: &Batches) -> f64 {
        let settings = &self.recipe.training;
        let share = |done: f64, limit: Option<f64>| limit.map_or(0.0, |limit| done / limit);
        let updates = settings.updates.map(|updates| updates as f64);
        let epochs = settings.epochs.map(|epochs| epochs as f64);
        share(self.state.update as f64, updates)
            .max(share(batches.epochs(), epochs))
            .max(share(self.state.seconds / 60.0, settings.minutes))
    }

    fn is_finished(&self, batches: &Batches) -> bool {
        let patience = self.recipe.training.patience;
        let is_out_of_patience =
            patience.is_some_and(|patience| self.state.validations_since_best >= patience);
        is_out_of_patience || self.done(batches) >= 1.0
    }

    /// Scores the weights, or their average, on the validation pairs. Writes them to the model folder if their score is
    /// the best so far. With `average_best`, the weights of this update are first scored alone, which decides whether
    /// they belong to the average. Weights that gave no finite gradients are left out.
    fn validate(&mut self, report: &mut Report, observer: &mut Observer<'_>) -> Result<(), TrainError> {
        let update = self.state.update;
        self.state.validated = update;
        let metric = self.metric;
        if let Some(count) = self.recipe.training.average_best
            && self.is_sound()
        {
            let alone = self.score(&self.model_folder(self.step.state.model.valid()))?;
            self.state.average_also(alone.get(metric), count, metric);
        }
        let (weights, averaged) = self.weights(observer);
        let model_folder = self.model_folder(weights);
        let scores = self.score(&model_folder)?;
        if !scores.loss.is_finite() {
            self.state.validations_since_best += 1;
            observer(Event::Note(format!(
                "update {update}: the validation loss is not finite"
            )));
            return Ok(());
        }
        let is_best = self.state.count_validation(metric, &scores, averaged);
        if is_best {
            T::save(&model_folder, &self.folder)?;
        }
        let attention = self
            .task
            .attention(self.state.update, model_folder, self.step.workers())?;
        report.record_validation(&self.state, &scores, attention)?;
        observer(Event::Validated {
            update,
            scores,
            is_best,
        });
        Ok(())
    }

    fn score(&self, model_folder: &T::ModelFolder) -> Result<Scores, TrainError> {
        let (device, workers) = (self.step.device(), self.step.workers());
        self.task.scores(model_folder, &self.recipe, &device, workers)
    }

    /// Returns a model folder of this run with the weights of `model`.
    pub(crate) fn model_folder(&self, model: Network<T>) -> T::ModelFolder {
        self.task.model_folder(&self.recipe, model)
    }

    /// Returns the weights to validate, and the updates whose checkpoints were averaged. The weights are the average if
    /// the recipe asks for one, else the weights of this update.
    fn weights(&self, observer: &mut Observer<'_>) -> (Network<T>, Vec<usize>) {
        let (average, averaged) = match &self.step.state.moving_average {
            Some(average) => (Some(average.clone()), Vec::new()),
            None => self.mean_of_checkpoints(observer),
        };
        let weights = average.unwrap_or_else(|| self.step.state.model.valid());
        (weights, averaged)
    }

    /// Returns the mean of the weights of the checkpoints to average, and the updates of these checkpoints. If a
    /// checkpoint is damaged or missing, the mean is that of the others, and the observer gets a note. The run does not
    /// end for that.
    fn mean_of_checkpoints(&self, observer: &mut Observer<'_>) -> (Option<Network<T>>, Vec<usize>) {
        let checkpoints = self.checkpoints();
        let current = self.step.state.model.valid();
        let mut updates = Vec::new();
        let averaged = self.state.averaged.iter();
        let models = averaged.filter_map(|&Averaged { update, .. }| {
            let model = if update == self.state.update {
                Ok(current.clone())
            } else {
                checkpoints.weights(update, current.clone())
            };
            match model {
                Ok(model) => {
                    updates.push(update);
                    Some(model)
                }
                Err(damage) => {
                    observer(Event::Note(format!("{damage}: left out of the average")));
                    None
                }
            }
        });
        let mean = mean(models);
        (mean, updates)
    }

    /// Returns a sentence on the weights in the model folder of a run that has ended.
    fn describe_weights(&self) -> Result<String, TrainError> {
        let metric = self.metric.title();
        let Some(Best {
            update,
            score,
            averaged,
            ..
        }) = &self.state.best
        else {
            return Err(TrainError::NoModel);
        };
        let weights = match self.recipe.training.ema {
            Some(decay) => {
                format!("the exponential moving average, decay {decay}, of the weights up to update {update}")
            }
            None if averaged.is_empty() => format!("the weights after update {update}"),
            None => {
                let updates: Vec<String> = averaged.iter().map(usize::to_string).collect();
                format!("the average of the weights after updates {}", updates.join(", "))
            }
        };
        Ok(format!(
            "These are {weights}, the best on the validation {}: {metric} {score:.2}.",
            examples(self.recipe.task)
        ))
    }
}

#[cfg(test)]
mod tests;

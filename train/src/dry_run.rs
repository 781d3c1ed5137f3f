//! A dry run: what a run would do.

use std::time::Instant;

use attend_data::{Mixture, Position};
use attend_device::peak_memory;
use attend_infer::TaskKind;
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::error::TrainError;
use crate::task::Task;
use crate::trainer::Trainer;

/// The number of updates whose time is measured, after one that is not.
const MEASURED: u32 = 2;
/// The number of pairs of the first batch that are shown.
const SHOWN: usize = 5;

/// What a run would do. Times and memory are estimated from a few updates and a few validation pairs. The time of
/// writing checkpoints is not included.
#[derive(Clone, Debug)]
pub struct DryRun {
    /// What the network is trained for.
    pub task: TaskKind,
    /// The name of each part of the network, and the number of its weights.
    pub weights: Vec<(String, usize)>,
    /// The batches of an epoch.
    pub epoch: EpochSize,
    /// Seconds that an update takes.
    pub update_seconds: f64,
    /// Number of targets that training processes in a second: target tokens, labelled texts or tagged words.
    pub tokens_per_second: f64,
    /// Seconds that a validation takes.
    pub validation_seconds: f64,
    /// Seconds that the updates of an epoch take, without validations.
    pub epoch_seconds: f64,
    /// Seconds until the run reaches the first of its limits, validations included. Patience may end the run earlier.
    pub run_seconds: f64,
    /// The maximum number of bytes that the process has had in memory so far; `None` if the system does not report it.
    pub peak_memory: Option<u64>,
    /// Number of pairs or labelled texts in the first batch.
    pub first_batch: usize,
    /// The source and target sentences of the first pairs in the first batch, or the first texts and their labels.
    pub first_pairs: Vec<(String, String)>,
}

/// The batches of an epoch, in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct EpochSize {
    /// Number of pairs or labelled texts.
    pub pairs: usize,
    /// Number of batches.
    pub batches: usize,
    /// Number of source tokens, `</s>` included.
    pub source_tokens: u64,
    /// Number of target tokens, `</s>` included. A labelled text has one, and tagged words have as many as source tokens.
    pub target_tokens: u64,
    /// Number of padding tokens divided by the number of all tokens in the padded batches, from 0 to 1.
    pub padding: f64,
}

impl DryRun {
    /// Takes the first updates of a run and measures them. Writes no files.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::Infer`] if a validation example cannot be scored.
    pub(crate) fn of<T: Task>(mut trainer: Trainer<T>) -> Result<Self, TrainError> {
        let settings = trainer.recipe.training.clone();
        let first_epoch = trainer.task.batches(&trainer.recipe, Position::default());
        let batches = first_epoch.plan();
        let epoch = EpochSize::of(trainer.task.train(), batches.iter());
        let weights = parts(&trainer.step.state.model);

        let (update_seconds, tokens_per_second) = measure(&mut trainer);
        let validation_seconds = trainer.task.expected_seconds(
            &trainer.model_folder(trainer.step.state.model.valid()),
            &trainer.recipe,
            &trainer.step.device(),
            trainer.step.workers(),
        )?;
        let seconds_of = |updates: f64| {
            let validations = (updates / settings.validate_every as f64).ceil();
            update_seconds * updates + validation_seconds * validations
        };
        let epoch_updates = epoch.batches as f64 / settings.accumulate as f64;
        let limits = [
            settings.updates.map(|updates| seconds_of(updates as f64)),
            settings
                .epochs
                .map(|epochs| seconds_of((epoch_updates * epochs as f64).ceil())),
            settings.minutes.map(|minutes| 60.0 * minutes),
        ];
        let first = batches.batch(0).unwrap_or_default();
        Ok(Self {
            task: trainer.recipe.task,
            weights,
            epoch,
            update_seconds,
            tokens_per_second,
            validation_seconds,
            epoch_seconds: update_seconds * epoch_updates,
            run_seconds: limits.into_iter().flatten().fold(f64::INFINITY, f64::min),
            peak_memory: peak_memory(),
            first_batch: first.len(),
            first_pairs: first
                .iter()
                .take(SHOWN)
                .map(|&number| trainer.task.train().get(number))
                .map(|example| trainer.task.text(&example))
                .collect(),
        })
    }
}

impl EpochSize {
    /// Counts the tokens of batches. A batch is given as the indices of its examples in `train`.
    fn of<'a>(train: &Mixture, batches: impl Iterator<Item = &'a [u32]>) -> Self {
        let mut epoch = Self::default();
        let mut padded = 0;
        for batch in batches {
            let lengths = || batch.iter().map(|&number| train.lengths(number));
            let source = lengths().map(|lengths| u64::from(lengths.source));
            let target = lengths().map(|lengths| u64::from(lengths.target));
            let longest = source.clone().max().unwrap_or(0) + target.clone().max().unwrap_or(0);
            epoch.batches += 1;
            epoch.pairs += batch.len();
            epoch.source_tokens += source.sum::<u64>();
            epoch.target_tokens += target.sum::<u64>();
            padded += batch.len() as u64 * longest;
        }
        epoch.padding = 1.0 - (epoch.source_tokens + epoch.target_tokens) as f64 / padded as f64;
        epoch
    }
}

/// Returns the name of each part of a network, and the number of its weights.
fn parts(model: &impl Module) -> Vec<(String, usize)> {
    #[derive(Default)]
    struct Parts {
        path: Vec<String>,
        weights: Vec<(String, usize)>,
    }
    impl ModuleVisitor for Parts {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let part = self.path.first().cloned().unwrap_or_default();
            let weights: usize = param.val().dims().iter().product();
            match self.weights.last_mut() {
                Some((last, sum)) if *last == part => *sum += weights,
                _ => self.weights.push((part, weights)),
            }
        }
    }
    let mut parts = Parts::default();
    model.visit(&mut parts);
    parts.weights
}

/// Takes some updates. Returns the mean seconds of an update, and the number of target tokens in a second.
fn measure<T: Task>(trainer: &mut Trainer<T>) -> (f64, f64) {
    let mut batches = trainer.task.batches(&trainer.recipe, Position::default());
    trainer.update(&mut batches);
    let start = Instant::now();
    let updates = (0..MEASURED).filter_map(|_| trainer.update(&mut batches));
    let target_tokens: usize = updates.map(|measured| measured.target_tokens).sum();
    let seconds = start.elapsed().as_secs_f64();
    (seconds / f64::from(MEASURED), target_tokens as f64 / seconds)
}

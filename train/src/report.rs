//! What a run shows while it trains, and the `metrics.jsonl` it leaves.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use attend_data::DataError;
use attend_data::file::write_file;
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};

use crate::checkpoint::TrainingState;
use crate::validation::Scores;

/// How finely the bar shows a run.
const BAR_STEPS: u64 = 1_000;

/// One update, as the trainer measured it.
#[derive(Clone, Copy, Debug)]
pub struct UpdateMeasure {
    /// Label-smoothed cross-entropy, in nats, summed over the real target tokens.
    pub loss_sum: f64,
    /// Number of real target tokens.
    pub target_tokens: usize,
    /// Learning rate used.
    pub learning_rate: f64,
    /// Global norm of the gradients before clipping.
    pub gradient_norm: f64,
}

/// A line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Record {
    /// The updates since the record before.
    Update {
        /// Last update of the span.
        update: usize,
        /// Passes through the data begun before it, counted from zero.
        epoch: u64,
        /// Mean label-smoothed cross-entropy over the span, nats a target token.
        loss: f64,
        /// Learning rate of the last update.
        learning_rate: f64,
        /// Global gradient norm of the last update, before clipping.
        gradient_norm: f64,
        /// Updates skipped so far, because the loss or a gradient was not finite.
        skipped: usize,
        /// Real target tokens a second over the span, validation left out.
        tokens_per_second: f64,
        /// Seconds since the run began.
        seconds: f64,
    },
    /// A validation.
    Validation {
        /// Updates taken.
        update: usize,
        /// Label-smoothed cross-entropy on the validation pairs, nats a target token.
        loss: f64,
        /// The exponential of the cross-entropy without smoothing.
        perplexity: f64,
        /// BLEU of greedy translations of the validation pairs.
        bleu: f64,
        /// chrF2 of the same.
        chrf: f64,
        /// Seconds since the run began.
        seconds: f64,
    },
}

impl Record {
    fn update(&self) -> usize {
        match self {
            Self::Update { update, .. } | Self::Validation { update, .. } => *update,
        }
    }
}

/// Shows progress on standard error, a bar on a terminal and plain lines elsewhere, and writes the records.
pub struct Report {
    bar: Option<ProgressBar>,
    metrics: File,
    metrics_path: PathBuf,
    speed: Speed,
}

/// Target tokens, and the time they took.
struct Speed {
    target_tokens: usize,
    busy: Duration,
    busy_since: Instant,
}

impl Speed {
    fn start() -> Self {
        Self {
            target_tokens: 0,
            busy: Duration::ZERO,
            busy_since: Instant::now(),
        }
    }
}

impl Report {
    /// A report on a run that has come as far as `state`: later records of an interrupted part are dropped.
    ///
    /// # Errors
    ///
    /// If `metrics.jsonl` cannot be read or written.
    pub fn open(run_folder: &Path, state: &TrainingState) -> Result<Self, DataError> {
        let metrics_path = run_folder.join("metrics.jsonl");
        let kept: String = match std::fs::read_to_string(&metrics_path) {
            Ok(text) => text
                .lines()
                .filter(|line| {
                    serde_json::from_str::<Record>(line).is_ok_and(|record| record.update() <= state.update)
                })
                .flat_map(|line| [line, "\n"])
                .collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(DataError::Read {
                    path: metrics_path,
                    error,
                });
            }
        };
        write_file(&metrics_path, kept)?;
        let metrics = OpenOptions::new()
            .append(true)
            .open(&metrics_path)
            .map_err(|error| DataError::Write {
                path: metrics_path.clone(),
                error,
            })?;
        Ok(Self {
            bar: io::stderr().is_terminal().then(progress_bar),
            metrics,
            metrics_path,
            speed: Speed::start(),
        })
    }

    /// Says something beside the progress.
    pub fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
    }

    /// Counts an update that has just ended; `done` is the share of the run behind it.
    pub fn count(&mut self, measure: &UpdateMeasure, state: &TrainingState, done: f64) {
        self.speed.target_tokens += measure.target_tokens;
        self.speed.busy = self.speed.busy_since.elapsed();
        if let Some(bar) = &self.bar {
            let loss = measure.loss_sum / measure.target_tokens as f64;
            bar.set_message(format!(
                "update {}  loss {loss:.3}  lr {:.1e}  {:.0} tokens/s  {} left",
                state.update,
                measure.learning_rate,
                self.tokens_per_second(),
                HumanDuration(time_left(state, done)),
            ));
            bar.set_position((done * BAR_STEPS as f64) as u64);
        }
    }

    fn tokens_per_second(&self) -> f64 {
        self.speed.target_tokens as f64 / self.speed.busy.as_secs_f64().max(f64::EPSILON)
    }

    /// Records the updates of `state.span`; `done` is the share of the run behind them.
    ///
    /// # Errors
    ///
    /// If `metrics.jsonl` cannot be written.
    pub fn record_updates(&mut self, state: &TrainingState, done: f64) -> Result<(), DataError> {
        let span = &state.span;
        let loss = span.loss_sum / span.target_tokens as f64;
        let tokens_per_second = self.tokens_per_second();
        if self.bar.is_none() {
            eprintln!(
                "{:3.0}%  update {}  epoch {}  loss {loss:.3}  lr {:.1e}  {tokens_per_second:.0} tokens/s  {} left",
                100.0 * done,
                state.update,
                state.position.epoch,
                span.learning_rate,
                HumanDuration(time_left(state, done)),
            );
        }
        self.write(&Record::Update {
            update: state.update,
            epoch: state.position.epoch,
            loss,
            learning_rate: span.learning_rate,
            gradient_norm: span.gradient_norm,
            skipped: state.skipped,
            tokens_per_second,
            seconds: state.seconds,
        })?;
        self.speed = Speed::start();
        Ok(())
    }

    /// Records a validation, and says whether it is the best so far.
    ///
    /// # Errors
    ///
    /// If `metrics.jsonl` cannot be written.
    pub fn record_validation(&mut self, state: &TrainingState, scores: &Scores) -> Result<(), DataError> {
        let is_best = state
            .best
            .as_ref()
            .is_some_and(|best| best.update == state.update);
        let best = if is_best { " (best so far)" } else { "" };
        self.say(&format!("update {}: validation {scores}{best}", state.update));
        self.write(&Record::Validation {
            update: state.update,
            loss: scores.loss,
            perplexity: scores.perplexity,
            bleu: scores.bleu,
            chrf: scores.chrf,
            seconds: state.seconds,
        })?;
        self.speed = Speed::start();
        Ok(())
    }

    /// Flushes the records to disk: a checkpoint that follows them relies on it.
    ///
    /// # Errors
    ///
    /// If the disk fails.
    pub fn sync(&self) -> Result<(), DataError> {
        self.metrics.sync_data().map_err(|error| DataError::Write {
            path: self.metrics_path.clone(),
            error,
        })
    }

    /// Ends the progress bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn write(&mut self, record: &Record) -> Result<(), DataError> {
        let line = serde_json::to_string(record).expect("numbers always serialize") + "\n";
        self.metrics
            .write_all(line.as_bytes())
            .map_err(|error| DataError::Write {
                path: self.metrics_path.clone(),
                error,
            })
    }
}

/// How long a run will go on at the pace so far.
fn time_left(state: &TrainingState, done: f64) -> Duration {
    Duration::try_from_secs_f64(state.seconds * (1.0 / done - 1.0)).unwrap_or_default()
}

fn progress_bar() -> ProgressBar {
    let style =
        ProgressStyle::with_template("{bar:24} {percent}%  {msg}").expect("the template is well formed");
    ProgressBar::new(BAR_STEPS).with_style(style)
}

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
        /// BLEU of greedy translations of the validation pairs.
        bleu: f64,
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
    updates: usize,
    metrics: File,
    metrics_path: PathBuf,
    span: Span,
}

/// The updates since the last record.
struct Span {
    loss_sum: f64,
    target_tokens: usize,
    busy: Duration,
    busy_since: Instant,
}

impl Span {
    fn start() -> Self {
        Self {
            loss_sum: 0.0,
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
    pub fn open(run_folder: &Path, updates: usize, state: &TrainingState) -> Result<Self, DataError> {
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
            bar: io::stderr()
                .is_terminal()
                .then(|| progress_bar(updates, state.update)),
            updates,
            metrics,
            metrics_path,
            span: Span::start(),
        })
    }

    /// Says something beside the progress.
    pub fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
    }

    /// Counts an update that has just ended.
    pub fn count(&mut self, measure: &UpdateMeasure) {
        self.span.loss_sum += measure.loss_sum;
        self.span.target_tokens += measure.target_tokens;
        self.span.busy = self.span.busy_since.elapsed();
        if let Some(bar) = &self.bar {
            let loss = measure.loss_sum / measure.target_tokens as f64;
            let rate = self.tokens_per_second();
            bar.set_message(format!(
                "loss {loss:.3}  lr {:.1e}  {rate:.0} tokens/s",
                measure.learning_rate
            ));
            bar.inc(1);
        }
    }

    fn tokens_per_second(&self) -> f64 {
        self.span.target_tokens as f64 / self.span.busy.as_secs_f64().max(f64::EPSILON)
    }

    /// Records the updates since the record before; `last` is the latest of them.
    ///
    /// # Errors
    ///
    /// If `metrics.jsonl` cannot be written.
    pub fn record_updates(&mut self, state: &TrainingState, last: &UpdateMeasure) -> Result<(), DataError> {
        let loss = self.span.loss_sum / self.span.target_tokens as f64;
        let tokens_per_second = self.tokens_per_second();
        if self.bar.is_none() {
            let done = state.update as f64 / self.updates as f64;
            let left = Duration::from_secs_f64(state.seconds * (1.0 / done - 1.0));
            eprintln!(
                "update {}/{}  epoch {}  loss {loss:.3}  lr {:.1e}  {tokens_per_second:.0} tokens/s  {} left",
                state.update,
                self.updates,
                state.position.epoch,
                last.learning_rate,
                HumanDuration(left),
            );
        }
        self.write(&Record::Update {
            update: state.update,
            epoch: state.position.epoch,
            loss,
            learning_rate: last.learning_rate,
            gradient_norm: last.gradient_norm,
            tokens_per_second,
            seconds: state.seconds,
        })?;
        self.span = Span::start();
        Ok(())
    }

    /// Records a validation, and says whether it is the best so far.
    ///
    /// # Errors
    ///
    /// If `metrics.jsonl` cannot be written.
    pub fn record_validation(
        &mut self,
        state: &TrainingState,
        loss: f64,
        bleu: f64,
    ) -> Result<(), DataError> {
        let is_best = state.best.is_some_and(|best| best.update == state.update);
        let best = if is_best { " (best so far)" } else { "" };
        self.say(&format!(
            "update {}: validation loss {loss:.3}, BLEU {bleu:.2}{best}",
            state.update
        ));
        self.write(&Record::Validation {
            update: state.update,
            loss,
            bleu,
            seconds: state.seconds,
        })?;
        self.span = Span::start();
        Ok(())
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

fn progress_bar(updates: usize, done: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:24} {pos}/{len} updates  {msg}  {eta} left")
        .expect("the template is well formed");
    ProgressBar::new(updates as u64)
        .with_position(done as u64)
        .with_style(style)
}

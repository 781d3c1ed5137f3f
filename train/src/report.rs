//! What a run shows while it trains, and what it leaves to be looked at: `metrics.jsonl`, TensorBoard's event file and
//! `report.html`.

mod page;
mod plot;
mod record;
mod tensorboard;

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use attend_data::{DataError, write_file};
use indicatif::{HumanDuration, ProgressBar, ProgressStyle};

use crate::checkpoint::{Span, TrainingState};
use crate::run_folder::run_name;
use crate::validation::Scores;
use record::{Lines, METRICS};
use tensorboard::EventFile;

pub use page::{Progress, Subject};
pub use record::Record;

/// The page to look at.
const PAGE: &str = "report.html";

/// How finely the bar shows a run.
const BAR_STEPS: u64 = 1_000;

/// Shows progress on standard error, a bar on a terminal and plain lines elsewhere, and writes the records.
pub struct Report {
    /// The name of the run's folder.
    name: String,
    subject: Subject,
    bar: Option<ProgressBar>,
    records: Vec<Record>,
    metrics: File,
    metrics_path: PathBuf,
    events: EventFile,
    page_path: PathBuf,
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
    /// A report on a run that has come as far as `state`: later records of an interrupted part are dropped, and damaged
    /// ones, which is said.
    ///
    /// # Errors
    ///
    /// If `metrics.jsonl` cannot be read or written, or the event file cannot be written.
    pub fn open(run_folder: &Path, subject: Subject, state: &TrainingState) -> Result<Self, DataError> {
        let metrics_path = run_folder.join(METRICS);
        let Lines { mut records, damaged } = Lines::read(&metrics_path)?;
        records.retain(|record| record.update() <= state.update);
        let kept: String = records.iter().map(Record::to_line).collect();
        write_file(&metrics_path, kept)?;
        let metrics = OpenOptions::new()
            .append(true)
            .open(&metrics_path)
            .map_err(|error| DataError::write(&metrics_path, error))?;
        let report = Self {
            name: run_name(run_folder),
            subject,
            bar: io::stderr().is_terminal().then(progress_bar),
            events: EventFile::create(run_folder, &records, state.seconds)?,
            records,
            metrics,
            metrics_path,
            page_path: run_folder.join(PAGE),
            speed: Speed::start(),
        };
        for line in damaged {
            let path = report.metrics_path.display();
            report.say(&format!("{path}, line {line}: not a record, left out"));
        }
        Ok(report)
    }

    /// Says something beside the progress.
    pub fn say(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
    }

    /// Shows an update that has just ended; `done` is the share of the run behind it.
    pub fn show(&mut self, update: &Span, state: &TrainingState, done: f64) {
        self.speed.target_tokens += update.target_tokens;
        self.speed.busy = self.speed.busy_since.elapsed();
        if let Some(bar) = &self.bar {
            let loss = update.loss_sum / update.target_tokens as f64;
            bar.set_message(format!(
                "update {}  loss {loss:.3}  lr {:.1e}  {:.0} tokens/s  {} left",
                state.update,
                update.learning_rate,
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
    /// If `metrics.jsonl` or the event file cannot be written.
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
        self.write(Record::Update {
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
    /// If `metrics.jsonl` or the event file cannot be written.
    pub fn record_validation(&mut self, state: &TrainingState, scores: &Scores) -> Result<(), DataError> {
        let is_best = state
            .best
            .as_ref()
            .is_some_and(|best| best.update == state.update);
        let best = if is_best { " (best so far)" } else { "" };
        self.say(&format!("update {}: validation {scores}{best}", state.update));
        self.write(Record::Validation {
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
        self.metrics
            .sync_data()
            .map_err(|error| DataError::write(&self.metrics_path, error))
    }

    /// Ends the progress bar.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// Writes `report.html` anew.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn write_page(&self, state: &TrainingState, progress: Progress<'_>) -> Result<(), DataError> {
        let page = page::page(&self.name, &self.subject, state, progress, &self.records);
        write_file(&self.page_path, page)
    }

    fn write(&mut self, record: Record) -> Result<(), DataError> {
        self.metrics
            .write_all(record.to_line().as_bytes())
            .map_err(|error| DataError::write(&self.metrics_path, error))?;
        self.events.write(&record)?;
        self.records.push(record);
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_that_of_the_rest_at_the_same_pace() {
        let state = TrainingState {
            seconds: 10.0,
            ..TrainingState::default()
        };
        assert_eq!(time_left(&state, 0.25), Duration::from_secs(30));
        assert_eq!(time_left(&state, 1.0), Duration::ZERO);
        // A limit may be passed by the last update, and none is known before the first.
        assert_eq!(time_left(&state, 1.1), Duration::ZERO);
        assert_eq!(time_left(&TrainingState::default(), 0.0), Duration::ZERO);
    }
}

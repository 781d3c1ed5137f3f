//! The reports of a run: `metrics.jsonl`, `attention.jsonl`, TensorBoard's event file and `report.html`.

mod attention;
mod page;
mod plot;
mod tensorboard;

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use attend_data::{DataError, write_file};

use crate::attention_record::AttentionRecord;
use crate::metric::Scores;
use crate::record::{Lines, METRICS, Record};
use crate::state::TrainingState;
use crate::step::Measurements;
use tensorboard::EventFile;

pub(crate) use page::{Status, Subject};

/// The page to look at.
const PAGE: &str = "report.html";

/// Writes the records of a run, and the page that shows them.
pub(crate) struct Report {
    subject: Subject,
    records: Vec<Record>,
    attention: Vec<AttentionRecord>,
    folder: PathBuf,
    metrics: File,
    metrics_path: PathBuf,
    events: EventFile,
    page_path: PathBuf,
    speed: Speed,
}

/// The target tokens since the last record, and the time that they took.
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
    /// Opens the report of a run that has come as far as `state`. Drops damaged records, and records of later updates,
    /// which a resumed run takes again. Returns the report, and a note for each damaged record.
    ///
    /// # Errors
    ///
    /// Returns a [`DataError`] if `metrics.jsonl` or `attention.jsonl` cannot be read or written, or the event file
    /// cannot be written.
    pub(crate) fn open(
        run_folder: &Path,
        subject: Subject,
        state: &TrainingState,
    ) -> Result<(Self, Vec<String>), DataError> {
        let metrics_path = run_folder.join(METRICS);
        let Lines {
            mut records,
            mut notes,
        } = Lines::<Record>::read(&metrics_path)?;
        records.retain(|record| record.update() <= state.update);
        let kept: String = records.iter().map(Record::to_line).collect();
        write_file(&metrics_path, kept)?;
        let metrics = OpenOptions::new()
            .append(true)
            .open(&metrics_path)
            .map_err(|error| DataError::write(&metrics_path, error))?;
        let (attention, notes_on_attention) = AttentionRecord::resume(run_folder, state.update)?;
        notes.extend(notes_on_attention);
        let report = Self {
            subject,
            events: EventFile::create(run_folder, &records, state.seconds)?,
            records,
            attention,
            folder: run_folder.to_owned(),
            metrics,
            metrics_path,
            page_path: run_folder.join(PAGE),
            speed: Speed::start(),
        };
        Ok((report, notes))
    }

    /// Counts the target tokens of an update that has just been taken.
    pub(crate) fn count(&mut self, update: &Measurements) {
        self.speed.target_tokens += update.target_tokens;
        self.speed.busy = self.speed.busy_since.elapsed();
    }

    /// Returns the target tokens a second since the last record.
    pub(crate) fn tokens_per_second(&self) -> f64 {
        self.speed.target_tokens as f64 / self.speed.busy.as_secs_f64().max(f64::EPSILON)
    }

    /// Records the updates of `state.span`, and returns the record.
    ///
    /// # Errors
    ///
    /// Returns a [`DataError`] if `metrics.jsonl` or the event file cannot be written.
    pub(crate) fn record_updates(&mut self, state: &TrainingState) -> Result<&Record, DataError> {
        self.write(Record::Update {
            update: state.update,
            epoch: state.position.epoch,
            loss: state.span.loss(),
            learning_rate: state.span.learning_rate,
            gradient_norm: state.span.gradient_norm,
            skipped: state.skipped,
            tokens_per_second: self.tokens_per_second(),
            seconds: state.seconds,
        })
    }

    /// Records a validation, with the attention of the validated model if its task has one to show.
    ///
    /// # Errors
    ///
    /// Returns a [`DataError`] if `metrics.jsonl`, `attention.jsonl` or the event file cannot be written.
    pub(crate) fn record_validation(
        &mut self,
        state: &TrainingState,
        scores: &Scores,
        attention: Option<AttentionRecord>,
    ) -> Result<(), DataError> {
        if let Some(attention) = attention {
            attention.append(&self.folder)?;
            self.attention.push(attention);
        }
        self.write(Record::Validation {
            update: state.update,
            scores: *scores,
            seconds: state.seconds,
        })?;
        Ok(())
    }

    fn write(&mut self, record: Record) -> Result<&Record, DataError> {
        self.metrics
            .write_all(record.to_line().as_bytes())
            .map_err(|error| DataError::write(&self.metrics_path, error))?;
        self.events.write(&record)?;
        self.speed = Speed::start();
        self.records.push(record);
        Ok(&self.records[self.records.len() - 1])
    }

    /// Flushes the records to disk, so that no checkpoint is on disk before the records that lead to it.
    ///
    /// # Errors
    ///
    /// Returns [`DataError::Write`] if the disk fails.
    pub(crate) fn sync(&self) -> Result<(), DataError> {
        self.metrics
            .sync_data()
            .map_err(|error| DataError::write(&self.metrics_path, error))
    }

    /// Writes `report.html` anew.
    ///
    /// # Errors
    ///
    /// Returns [`DataError::Write`] if it cannot be written.
    pub(crate) fn write_page(&self, state: &TrainingState, status: Status<'_>) -> Result<(), DataError> {
        let page = page::page(&self.subject, state, status, &self.records, &self.attention);
        write_file(&self.page_path, page)
    }
}

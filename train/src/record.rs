//! The records of a run: the lines of its `metrics.jsonl`.

use std::fs;
use std::io;
use std::path::Path;

use attend_data::DataError;
use serde::{Deserialize, Serialize};

/// The file of a run's folder that holds the records, one a line.
pub(super) const METRICS: &str = "metrics.jsonl";

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
    /// The update it was made after.
    #[must_use]
    pub fn update(&self) -> usize {
        match self {
            Self::Update { update, .. } | Self::Validation { update, .. } => *update,
        }
    }

    /// Seconds since the run began, pauses between resumed parts left out.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        match self {
            Self::Update { seconds, .. } | Self::Validation { seconds, .. } => *seconds,
        }
    }

    /// The record as a line of `metrics.jsonl`.
    pub(super) fn to_line(&self) -> String {
        serde_json::to_string(self).expect("numbers always serialize") + "\n"
    }

    /// Its numbers, each under the tag that TensorBoard and the page's plots know it by: those of updates begin with
    /// `train/`, those of validations with `valid/`.
    pub(super) fn scalars(&self) -> Vec<(&'static str, f64)> {
        match *self {
            Self::Update {
                loss,
                learning_rate,
                gradient_norm,
                skipped,
                tokens_per_second,
                ..
            } => vec![
                ("train/loss", loss),
                ("train/learning_rate", learning_rate),
                ("train/gradient_norm", gradient_norm),
                ("train/tokens_per_second", tokens_per_second),
                ("train/skipped", skipped as f64),
            ],
            Self::Validation {
                loss,
                perplexity,
                bleu,
                chrf,
                ..
            } => vec![
                ("valid/loss", loss),
                ("valid/perplexity", perplexity),
                ("valid/bleu", bleu),
                ("valid/chrf", chrf),
            ],
        }
    }

    /// The number under `tag`, if the record has one.
    pub(super) fn scalar(&self, tag: &str) -> Option<f64> {
        let mut scalars = self.scalars().into_iter();
        scalars.find_map(|(other, value)| (other == tag).then_some(value))
    }

    /// The median of the updates' target tokens a second; `None` where there are no updates.
    #[must_use]
    pub fn typical_speed(records: &[Self]) -> Option<f64> {
        let speed = |record: &Self| record.scalar("train/tokens_per_second");
        let mut speeds: Vec<f64> = records.iter().filter_map(speed).collect();
        speeds.sort_by(f64::total_cmp);
        speeds.get(speeds.len() / 2).copied()
    }

    /// The records in a run's folder; none where there is no `metrics.jsonl`.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn read_all(run_folder: &Path) -> Result<Vec<Self>, DataError> {
        Ok(Lines::read(&run_folder.join(METRICS))?.records)
    }
}

/// The lines of a `metrics.jsonl`.
pub(super) struct Lines {
    /// Those that are records.
    pub(super) records: Vec<Record>,
    /// The numbers, from one, of those that are none. The last, which a killed program may have cut short, is not
    /// among them.
    pub(super) damaged: Vec<usize>,
}

impl Lines {
    /// Reads them; none where there is no such file.
    pub(super) fn read(path: &Path) -> Result<Self, DataError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(DataError::read(path, error)),
        };
        let mut lines = Self {
            records: Vec::new(),
            damaged: Vec::new(),
        };
        for (line, number) in bytes.split_inclusive(|&byte| byte == b'\n').zip(1..) {
            let is_whole = line.ends_with(b"\n");
            match serde_json::from_slice(line) {
                Ok(record) if is_whole => lines.records.push(record),
                Err(_) if is_whole => lines.damaged.push(number),
                _ => {}
            }
        }
        Ok(lines)
    }
}

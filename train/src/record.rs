//! The records of a run, which are the lines of its `metrics.jsonl`.

use std::fs;
use std::io;
use std::path::Path;

use attend_data::DataError;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::metric::Scores;

/// The file in a run's folder that holds the records.
pub(crate) const METRICS: &str = "metrics.jsonl";

/// A line of `metrics.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Record {
    /// A summary of the updates since the previous `Update` record.
    Update {
        /// Number of the last update, counted from 1.
        update: usize,
        /// Number of the pass through the data in which the last update was taken, counted from 0.
        epoch: u64,
        /// Label-smoothed cross-entropy of the summarized updates, in nats a target: a target token of a translation, or
        /// a label.
        loss: f64,
        /// Learning rate of the last update.
        learning_rate: f64,
        /// Global norm of the last update's gradients before clipping.
        gradient_norm: f64,
        /// Number of updates of the whole run that were skipped because the loss or a gradient was not finite.
        skipped: usize,
        /// Number of targets a second. Neither padding nor the time of validations counts.
        tokens_per_second: f64,
        /// Seconds since the run began, without the pauses between resumed parts.
        seconds: f64,
    },
    /// A validation.
    Validation {
        /// Number of updates before the validation.
        update: usize,
        /// The loss and the other scores of the task.
        #[serde(flatten)]
        scores: Scores,
        /// Seconds since the run began, without the pauses between resumed parts.
        seconds: f64,
    },
}

impl Record {
    /// Returns the number of updates before the record.
    #[must_use]
    pub fn update(&self) -> usize {
        match self {
            Self::Update { update, .. } | Self::Validation { update, .. } => *update,
        }
    }

    /// Returns the seconds since the run began, without the pauses between resumed parts.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        match self {
            Self::Update { seconds, .. } | Self::Validation { seconds, .. } => *seconds,
        }
    }

    /// Returns the scores of a validation.
    pub(crate) fn scores(&self) -> Option<&Scores> {
        match self {
            Self::Validation { scores, .. } => Some(scores),
            Self::Update { .. } => None,
        }
    }

    /// Writes the record as a line of `metrics.jsonl`.
    pub(crate) fn to_line(&self) -> String {
        serde_json::to_string(self).expect("numbers always serialize") + "\n"
    }

    /// Returns the record's numbers, each with its tag in TensorBoard and in the page's plots. Tags of updates begin
    /// with `train/`, tags of validations with `valid/`.
    pub(crate) fn scalars(&self) -> Vec<(&'static str, f64)> {
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
            Self::Validation { scores, .. } => scores
                .loss_first()
                .map(|(metric, score)| (metric.tag(), score))
                .collect(),
        }
    }

    /// Returns the number with this tag, if the record has one.
    pub(crate) fn scalar(&self, tag: &str) -> Option<f64> {
        let mut scalars = self.scalars().into_iter();
        scalars.find_map(|(other, value)| (other == tag).then_some(value))
    }

    /// Returns the median of the updates' targets a second; `None` if there is no record of updates.
    pub(crate) fn typical_speed(records: &[Self]) -> Option<f64> {
        let speed = |record: &Self| record.scalar("train/tokens_per_second");
        let mut speeds: Vec<f64> = records.iter().filter_map(speed).collect();
        speeds.sort_by(f64::total_cmp);
        speeds.get(speeds.len() / 2).copied()
    }

    /// Reads the records in a run's folder. There are none if there is no `metrics.jsonl`.
    ///
    /// # Errors
    ///
    /// Returns [`DataError::Read`] if the file cannot be read.
    pub fn read_all(run_folder: &Path) -> Result<Vec<Self>, DataError> {
        Ok(Lines::read(&run_folder.join(METRICS))?.records)
    }
}

/// The lines of a file of records, such as `metrics.jsonl`.
pub(crate) struct Lines<R> {
    /// The lines that are records.
    pub(crate) records: Vec<R>,
    /// A note for each line that is not a record. A last line without a line break, which a killed program may leave,
    /// has none.
    pub(crate) notes: Vec<String>,
}

impl<R: DeserializeOwned> Lines<R> {
    /// Reads the lines. There are none if there is no such file.
    pub(crate) fn read(path: &Path) -> Result<Self, DataError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(DataError::read(path, error)),
        };
        let mut lines = Self {
            records: Vec::new(),
            notes: Vec::new(),
        };
        for (line, number) in bytes.split_inclusive(|&byte| byte == b'\n').zip(1..) {
            let is_whole = line.ends_with(b"\n");
            match serde_json::from_slice(line) {
                Ok(record) if is_whole => lines.records.push(record),
                Err(_) if is_whole => {
                    let path = path.display();
                    lines
                        .notes
                        .push(format!("{path}, line {number}: not a record, left out"));
                }
                _ => {}
            }
        }
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs of versions that knew no task but translation can be resumed, and their records read.
    #[test]
    fn a_record_of_a_translator_has_the_form_that_it_always_had() {
        let line = "{\"event\":\"validation\",\"update\":5,\"loss\":3.25,\"perplexity\":8.0,\"bleu\":12.5,\"chrf\":30.0,\
                    \"seconds\":1.5}\n";
        let record: Record = serde_json::from_str(line).unwrap();
        assert_eq!(record.to_line(), line);
        let expected = [
            ("valid/loss", 3.25),
            ("valid/perplexity", 8.0),
            ("valid/bleu", 12.5),
            ("valid/chrf", 30.0),
        ];
        assert_eq!(record.scalars(), expected);
    }

    #[test]
    fn a_record_of_another_task_has_the_scores_of_the_task() {
        let line = "{\"event\":\"validation\",\"update\":5,\"loss\":0.25,\"accuracy\":99.0,\"span_f1\":98.0,\"seconds\":1.5}\n";
        let record: Record = serde_json::from_str(line).unwrap();
        assert_eq!(record.to_line(), line);
        assert_eq!(record.scalar("valid/span_f1"), Some(98.0));
        assert_eq!(record.scalar("valid/macro_f1"), None);
    }
}

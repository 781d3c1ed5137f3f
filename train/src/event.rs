//! The events by which a run reports to its caller.

use std::path::Path;
use std::time::Duration;

use attend_data::PreparationReport;

use crate::metric::Scores;
use crate::record::Record;

/// Something that happened in a [`Run`](crate::Run). The run passes it to the caller's observer.
#[derive(Clone, Debug)]
pub enum Event<'a> {
    /// Another run is preparing the same training pairs, and this one waits for it.
    Waiting,
    /// Training pairs are being encoded.
    Preparing {
        /// Number of pairs that have been encoded.
        pairs: usize,
    },
    /// The text has been read and encoded.
    Prepared {
        /// What became of the pairs or texts of each training corpus.
        corpora: &'a PreparationReport,
    },
    /// Something that the user should know, in a sentence. The run goes on.
    Note(String),
    /// The preparations are over, and the first update follows.
    Started {
        /// Name of the run.
        name: &'a str,
        /// Number of trained weights.
        num_params: usize,
        /// The folder that the run writes to.
        folder: &'a Path,
    },
    /// An update was taken.
    Updated {
        /// Number of the update, counted from 1.
        update: usize,
        /// Label-smoothed cross-entropy, in nats a target: a token, or a label.
        loss: f64,
        /// Learning rate.
        learning_rate: f64,
        /// Number of targets a second since the last record. Padding is not counted.
        tokens_per_second: f64,
        /// How far the run has come.
        progress: Progress,
    },
    /// Updates were recorded in `metrics.jsonl`.
    Recorded {
        /// The record, a [`Record::Update`].
        record: &'a Record,
        /// How far the run has come.
        progress: Progress,
    },
    /// The weights were validated.
    Validated {
        /// Number of updates before the validation.
        update: usize,
        /// Scores on the validation pairs or texts.
        scores: Scores,
        /// Whether these scores are the best of the run so far, or equal to the best. The model folder then holds the
        /// validated weights.
        is_best: bool,
    },
    /// The last update has been taken, and the run can no longer be stopped. The final test follows, unless the run was
    /// stopped before this event.
    Ended,
}

/// A function of the caller that receives each event.
pub(crate) type Observer<'a> = dyn FnMut(Event<'_>) + 'a;

/// How far a run has come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Progress {
    /// Completed share of the run, from 0 to 1. At the end it may be slightly above 1.
    pub done: f64,
    /// Time that the rest of the run will take at the average pace so far.
    pub time_left: Duration,
}

impl Progress {
    /// Returns the progress of a run that has completed the share `done` in `seconds`.
    pub(crate) fn new(done: f64, seconds: f64) -> Self {
        Self {
            done,
            time_left: Duration::try_from_secs_f64(seconds * (1.0 / done - 1.0)).unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_that_of_the_rest_at_the_same_pace() {
        let time_left = |done, seconds| Progress::new(done, seconds).time_left;
        assert_eq!(time_left(0.25, 10.0), Duration::from_secs(30));
        assert_eq!(time_left(1.0, 10.0), Duration::ZERO);
        // A limit may be passed by the last update, and none is known before the first.
        assert_eq!(time_left(1.1, 10.0), Duration::ZERO);
        assert_eq!(time_left(0.0, 0.0), Duration::ZERO);
    }
}

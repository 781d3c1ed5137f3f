//! How far a run has come.

use attend_data::Position;
use serde::{Deserialize, Serialize};

use crate::metric::{Metric, Scores};
use crate::step::Measurements;

/// How far a run has come, apart from its weights.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct TrainingState {
    /// Number of updates taken or skipped.
    pub(crate) update: usize,
    /// Number of updates that were skipped because the loss or a gradient was not finite.
    pub(crate) skipped: usize,
    /// Number of workers that shared each batch. Another number changes the dropout masks and the rounding of sums.
    pub(crate) workers: usize,
    /// Seconds spent, without the pauses between resumed parts.
    pub(crate) seconds: f64,
    /// Update of the last validation.
    pub(crate) validated: usize,
    /// Number of validations in a row without a new best score. A validation that ties with the best score and has a
    /// lower loss does not count.
    pub(crate) validations_since_best: usize,
    /// The metric of the scores in `best` and `averaged`; `None` in checkpoints of versions that did not store it,
    /// which compared scores by the metric of the recipe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) metric: Option<Metric>,
    /// Position of the next batch in the data.
    pub(crate) position: Position,
    /// Measurements of the updates since the last record in `metrics.jsonl`.
    pub(crate) span: Measurements,
    /// The validation whose weights the model folder holds.
    pub(crate) best: Option<Best>,
    /// The checkpoints whose weights are averaged, in the order of their updates.
    #[serde(default)]
    pub(crate) averaged: Vec<Averaged>,
}

/// The best validation so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Best {
    /// Number of updates before the validation.
    pub(crate) update: usize,
    /// Score by [`TrainingState::metric`].
    pub(crate) score: f64,
    /// Updates whose weights were averaged; empty if the weights were those of one update.
    pub(crate) averaged: Vec<usize>,
    /// The lowest loss of the validations that reached the score; `None` in checkpoints of versions that did not store
    /// it.
    #[serde(default)]
    pub(crate) lowest_loss: Option<f64>,
}

/// A checkpoint whose weights are averaged.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Averaged {
    /// Update of the checkpoint.
    pub(crate) update: usize,
    /// Score of the checkpoint's weights alone; `None` unless the recipe sets `average_best`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) score: Option<f64>,
}

impl TrainingState {
    /// Returns the number of steps that the optimizer took.
    pub(crate) fn steps(&self) -> usize {
        self.update.saturating_sub(self.skipped)
    }

    /// Returns the state with scores of `metric` only: forgets those of another metric, with which scores of `metric`
    /// cannot be compared. `default` is the metric of a state that names none.
    pub(crate) fn with_scores_of(mut self, metric: Metric, default: Metric) -> Self {
        if self.metric.unwrap_or(default) != metric {
            self.best = None;
            self.validations_since_best = 0;
            for averaged in &mut self.averaged {
                averaged.score = None;
            }
        }
        self.metric = Some(metric);
        self
    }

    /// Counts the validation after the last update, and returns whether its weights are the best so far: whether their
    /// score by `metric` is better than the best before, or ties with it and their loss is lower.
    ///
    /// A tie with a lower loss is no improvement, which patience waits for, and no plateau either: a score that cannot
    /// rise any more, such as a chrF of 100, must not end a run that still learns. Any other tie is a plateau, and the
    /// earlier weights stay the best.
    pub(crate) fn count_validation(&mut self, metric: Metric, scores: &Scores, averaged: Vec<usize>) -> bool {
        let score = scores.get(metric).expect("the metric is one of the task's");
        let before = self.best.as_ref();
        let improved = before.is_none_or(|best| metric.is_better(score, best.score));
        let ties = before.is_some_and(|best| best.score == score);
        let lowest_loss = before.and_then(|best| best.lowest_loss);
        let loss_falls = lowest_loss.is_none_or(|lowest| scores.loss < lowest);
        let is_best = improved || (ties && loss_falls);
        if improved {
            self.validations_since_best = 0;
        } else if !is_best {
            self.validations_since_best += 1;
        }
        if is_best {
            self.best = Some(Best {
                update: self.update,
                score,
                averaged,
                lowest_loss: Some(scores.loss),
            });
        }
        is_best
    }

    /// Adds the weights of the last update to those that are averaged. If there are then more than `count`, drops one:
    /// the worst by `metric` if they have scores, else the oldest.
    pub(crate) fn average_also(&mut self, score: Option<f64>, count: usize, metric: Metric) {
        let update = self.update;
        self.averaged.push(Averaged { update, score });
        if self.averaged.len() > count {
            let is_worse = |one: &Averaged, other: &Averaged| {
                let scores = one.score.zip(other.score);
                scores.is_some_and(|(one, other)| metric.is_better(other, one))
            };
            let averaged = &self.averaged;
            let dropped = (1..averaged.len()).fold(0, |worst, index| {
                if is_worse(&averaged[index], &averaged[worst]) {
                    index
                } else {
                    worst
                }
            });
            self.averaged.remove(dropped);
        }
    }
}

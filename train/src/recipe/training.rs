//! `[training]`: the updates of a run.

use attend_model::Precision;
use serde::{Deserialize, Serialize};

use super::out_of_range::{MOST, OutOfRange, check_bounds};
use crate::metric::Metric;
use crate::optimizer::OptimizerKind;
use crate::schedule::{Schedule, ScheduleKind};

/// The updates of a run. At least one of `updates`, `epochs` and `minutes` must be set. The run ends at the first of
/// these limits that it reaches, or earlier if `patience` is set and runs out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingSettings {
    /// The maximum number of updates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updates: Option<usize>,
    /// The maximum number of passes through the training pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// The maximum number of minutes of training and validation. Neither pauses before a resume nor the final test
    /// counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<f64>,
    /// The maximum size of a batch: its number of sentence pairs times the number of tokens in its longest sentence. So
    /// padding to the longest sentence counts. The padding to a multiple of eight that some devices want does not
    /// count. Default 4096.
    #[serde(default = "default_batch_tokens")]
    pub batch_tokens: usize,
    /// Number of batches in an update. Their gradients are added up before the optimizer takes one step, as if they
    /// were one batch. Default 1.
    #[serde(default = "default_accumulate")]
    pub accumulate: usize,
    /// Learning rate after the warm-up: `noam`, `inverse-square-root`, `cosine` or `constant`. Default
    /// `inverse-square-root`.
    #[serde(default)]
    pub schedule: ScheduleKind,
    /// Precision of matrix products: `float32`, `bfloat16` or `float16`. The weights are float32 in any case. Default
    /// `float32`.
    #[serde(default)]
    pub dtype: Precision,
    /// Highest learning rate, reached at the end of the warm-up. For the schedule `noam`, it is the factor of the rate
    /// of Vaswani et al. (2017).
    pub learning_rate: f64,
    /// Number of updates over which the learning rate rises. Default 4000.
    #[serde(default = "default_warmup")]
    pub warmup: usize,
    /// `adam` or `adamw`. Default `adam`.
    #[serde(default)]
    pub optimizer: OptimizerKind,
    /// Weight decay of `adamw`: besides the step along the gradient, a weight w loses learning_rate · weight_decay · w
    /// in each update. Default 0.
    #[serde(default)]
    pub weight_decay: f64,
    /// Label smoothing ε, in [0, 1) (Vaswani et al., 2017, section 5.4). Default 0.1.
    #[serde(default = "default_label_smoothing")]
    pub label_smoothing: f64,
    /// The maximum global gradient norm. Gradients of a larger norm are scaled down to it; 0 turns clipping off.
    /// Default 1.
    #[serde(default = "default_clip_norm")]
    pub clip_norm: f64,
    /// Number of updates between two validations. Each validation writes a checkpoint. Default 500.
    #[serde(default = "default_validate_every")]
    pub validate_every: usize,
    /// Number of updates between two checkpoints, apart from the checkpoints of validations. Default: `validate_every`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_every: Option<usize>,
    /// Score on the validation pairs by which the best weights are chosen.
    ///
    /// - Translation has `bleu`, the default, `chrf`, `perplexity` and `loss`. If fewer than one in ten validation
    ///   targets has the four words in a row that BLEU counts, `chrf` takes the place of `bleu`, which could not tell
    ///   weights apart.
    /// - Classification has `accuracy`, the default, `macro-f1` and `loss`.
    /// - Tagging has `accuracy`, the default, `span-f1` and `loss`. If a tag marks no span, `accuracy` takes the place
    ///   of `span-f1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<Metric>,
    /// The run ends after this many validations in a row without a new best score. A validation that ties with the best
    /// score and has a lower loss does not count. If `patience` is left out, only the other limits end the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
    /// Number of checkpoints whose weights are averaged: the last ones at multiples of `checkpoint_every`. The average
    /// is validated and saved, not the weights of a single update.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_last: Option<usize>,
    /// Number of validations whose weights are averaged: the best ones. The average is validated and saved, not the
    /// weights of a single update. A validation then takes twice the time, since it also scores the weights of its own
    /// update alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_best: Option<usize>,
    /// Decay, in (0, 1), of an exponential moving average of the weights; 0.999 is usual. The average is validated and
    /// saved, not the weights of a single update.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ema: Option<f64>,
    /// Number of updates between two records in `metrics.jsonl`. Default 50.
    #[serde(default = "default_log_every")]
    pub log_every: usize,
}

fn default_batch_tokens() -> usize {
    4_096
}
fn default_accumulate() -> usize {
    1
}
fn default_warmup() -> usize {
    4_000
}
fn default_label_smoothing() -> f64 {
    0.1
}
fn default_clip_norm() -> f64 {
    1.0
}
fn default_validate_every() -> usize {
    500
}
fn default_log_every() -> usize {
    50
}

impl TrainingSettings {
    /// The keys that decide when a run ends. They may change when a run is resumed, except for `updates` with the
    /// schedule `cosine`, whose learning rates depend on it.
    pub(crate) const LIMITS: [&str; 4] = ["updates", "epochs", "minutes", "patience"];

    /// Returns the number of updates between two checkpoints, apart from the checkpoints of validations.
    #[must_use]
    pub fn checkpoint_every(&self) -> usize {
        self.checkpoint_every.unwrap_or(self.validate_every)
    }

    /// Returns the schedule of the learning rate for a model of width `d_model`.
    #[must_use]
    pub fn schedule(&self, d_model: usize) -> Schedule {
        let (peak, warmup) = (self.learning_rate, self.warmup);
        match self.schedule {
            ScheduleKind::Noam => Schedule::Noam {
                scale: peak,
                d_model,
                warmup,
            },
            ScheduleKind::InverseSquareRoot => Schedule::InverseSquareRoot { peak, warmup },
            ScheduleKind::Cosine => Schedule::Cosine {
                peak,
                warmup,
                // `validate` refuses a cosine without updates.
                updates: self.updates.unwrap_or(warmup),
            },
            ScheduleKind::Constant => Schedule::Constant { peak, warmup },
        }
    }

    /// Checks that each whole number lies within its bounds.
    pub(super) fn check_bounds(&self) -> Result<(), OutOfRange> {
        check_bounds("training.updates", self.updates, 1..=MOST)?;
        check_bounds("training.epochs", self.epochs, 1..=MOST)?;
        check_bounds("training.batch_tokens", Some(self.batch_tokens), 1..=10_000_000)?;
        check_bounds("training.accumulate", Some(self.accumulate), 1..=100_000)?;
        check_bounds("training.warmup", Some(self.warmup), 1..=MOST)?;
        check_bounds("training.validate_every", Some(self.validate_every), 1..=MOST)?;
        check_bounds("training.checkpoint_every", self.checkpoint_every, 1..=MOST)?;
        check_bounds("training.log_every", Some(self.log_every), 1..=MOST)?;
        check_bounds("training.patience", self.patience, 1..=MOST)?;
        check_bounds("training.average_last", self.average_last, 1..=MOST)?;
        check_bounds("training.average_best", self.average_best, 1..=MOST)
    }

    /// Checks the settings that are not whole numbers, and that the settings go together.
    pub(super) fn validate(&self) -> Result<(), OutOfRange> {
        if (self.updates, self.epochs, self.minutes) == (None, None, None) {
            return OutOfRange::of(
                "training.updates",
                "is missing: set it, training.epochs or training.minutes",
            );
        }
        if !self.minutes.is_none_or(is_positive) {
            return OutOfRange::of("training.minutes", "must be a number above 0");
        }
        if self.dtype == Precision::Int8 {
            let reason =
                "is int8, in which networks translate but are not trained: take float32, bfloat16 or float16";
            return OutOfRange::of("training.dtype", reason);
        }
        if !is_positive(self.learning_rate) {
            return OutOfRange::of("training.learning_rate", "must be a number above 0");
        }
        if self.schedule == ScheduleKind::Cosine && self.updates.is_none_or(|updates| updates <= self.warmup)
        {
            let reason = "\"cosine\" needs training.updates above training.warmup, where it ends";
            return OutOfRange::of("training.schedule", reason);
        }
        if !(self.weight_decay == 0.0 || is_positive(self.weight_decay)) {
            return OutOfRange::of("training.weight_decay", "must be a number of at least 0");
        }
        if self.weight_decay > 0.0 && self.optimizer != OptimizerKind::AdamW {
            return OutOfRange::of("training.weight_decay", "needs training.optimizer = \"adamw\"");
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            return OutOfRange::of("training.label_smoothing", "must lie in [0, 1)");
        }
        if !(self.clip_norm == 0.0 || is_positive(self.clip_norm)) {
            return OutOfRange::of("training.clip_norm", "must be a number of at least 0");
        }
        if !self.ema.is_none_or(|decay| decay > 0.0 && decay < 1.0) {
            return OutOfRange::of("training.ema", "must lie between 0 and 1");
        }
        let averages = [
            ("training.average_best", self.average_best.is_some()),
            ("training.average_last", self.average_last.is_some()),
            ("training.ema", self.ema.is_some()),
        ];
        let mut asked_for = averages.into_iter().filter(|(_, asked)| *asked);
        match (asked_for.next(), asked_for.next()) {
            (Some((field, _)), Some((other, _))) => OutOfRange::of(
                field,
                &format!("and {other} exclude each other: take one average"),
            ),
            _ => Ok(()),
        }
    }
}

fn is_positive(number: f64) -> bool {
    number > 0.0 && number.is_finite()
}

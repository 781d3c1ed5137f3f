//! `[training]`: the updates of a run.

use std::fmt;

use burn::tensor::FloatDType;
use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::OutOfRange;
use crate::schedule::Schedule;
use crate::validation::Metric;

/// The updates of a run. It ends at the first of its limits, `updates`, `epochs` and `minutes`; one at least is needed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingSettings {
    /// Most updates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updates: Option<usize>,
    /// Most passes through the training pairs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epochs: Option<u64>,
    /// Most minutes of training and validation. Pauses before a resume do not count, nor does the final test.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minutes: Option<f64>,
    /// Budget of a batch: sentences times the longest side's tokens, padding to it included. Where a device wants
    /// lengths in multiples of eight, what is padded beyond is not counted. Default 4096.
    #[serde(default = "default_batch_tokens")]
    pub batch_tokens: usize,
    /// Batches an update: their gradients are added up before one step is taken, as if they were one batch. Default 1.
    #[serde(default = "default_accumulate")]
    pub accumulate: usize,
    /// How the learning rate goes after the warm-up. Default `inverse-square-root`.
    #[serde(default)]
    pub schedule: ScheduleKind,
    /// What products of matrices are taken in: `float32`, `bfloat16` or `float16`. The weights are float32 in any case.
    /// Default `float32`.
    #[serde(default)]
    pub dtype: Dtype,
    /// Highest learning rate, reached at the end of the warm-up. For `noam` the factor of the paper's rate.
    pub learning_rate: f64,
    /// Updates over which the learning rate rises. Default 4000.
    #[serde(default = "default_warmup")]
    pub warmup: usize,
    /// Default `adam`.
    #[serde(default)]
    pub optimizer: OptimizerKind,
    /// What share of each weight `adamw` takes off in an update, times the learning rate. Default 0.
    #[serde(default)]
    pub weight_decay: f64,
    /// Label smoothing ε, in [0, 1). Default 0.1.
    #[serde(default = "default_label_smoothing")]
    pub label_smoothing: f64,
    /// Gradients are scaled down to this global norm; 0 for no clipping. Default 1.
    #[serde(default = "default_clip_norm")]
    pub clip_norm: f64,
    /// Updates between two validations, each of which writes a checkpoint. Default 500.
    #[serde(default = "default_validate_every")]
    pub validate_every: usize,
    /// Updates between two checkpoints, besides those of validations. Default: `validate_every`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checkpoint_every: Option<usize>,
    /// What the best weights are chosen by on the validation pairs: `bleu`, `chrf`, `perplexity` or `loss`. Default
    /// `bleu`.
    #[serde(default)]
    pub metric: Metric,
    /// The run ends after this many validations in a row that were no better than the best before. Left out: it goes
    /// on to its limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
    /// Validate, and keep, the average of the weights of the last so many checkpoints. Only checkpoints at multiples
    /// of `checkpoint_every` count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_last: Option<usize>,
    /// Validate, and keep, the average of the weights of the so many best validations. Each validation then takes twice
    /// the time: the weights are ranked by their own score.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub average_best: Option<usize>,
    /// Validate, and keep, an exponential moving average of the weights with this decay, in (0, 1); 0.999 is usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ema: Option<f64>,
    /// Updates between two records in `metrics.jsonl`. Default 50.
    #[serde(default = "default_log_every")]
    pub log_every: usize,
}

/// The names of the schedules; see [`Schedule`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// [`Schedule::Noam`]
    Noam,
    /// [`Schedule::InverseSquareRoot`]
    #[default]
    InverseSquareRoot,
    /// [`Schedule::Cosine`]; it needs `updates`, where it ends.
    Cosine,
    /// [`Schedule::Constant`]
    Constant,
}

/// The floats that products of matrices are taken in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lower")]
pub enum Dtype {
    /// 32 bits
    #[default]
    Float32,
    /// 16 bits with the exponents of 32
    BFloat16,
    /// 16 bits; needs a [loss scale](crate::loss_scale)
    Float16,
}

impl From<Dtype> for FloatDType {
    fn from(dtype: Dtype) -> Self {
        match dtype {
            Dtype::Float32 => Self::F32,
            Dtype::BFloat16 => Self::BF16,
            Dtype::Float16 => Self::F16,
        }
    }
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Float32 => "float32",
            Self::BFloat16 => "bfloat16",
            Self::Float16 => "float16",
        })
    }
}

/// The optimizers: [`crate::optimizer`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Adam (Kingma and Ba, 2015)
    #[default]
    Adam,
    /// Adam with decoupled weight decay (Loshchilov and Hutter, 2019)
    AdamW,
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
    /// The keys, in `[training]`, that may change when a run is resumed: when it ends.
    pub(crate) const LIMITS: [&str; 4] = ["updates", "epochs", "minutes", "patience"];

    /// Updates between two checkpoints that are not those of a validation.
    #[must_use]
    pub fn checkpoint_every(&self) -> usize {
        self.checkpoint_every.unwrap_or(self.validate_every)
    }

    /// The learning rate's course for a model of a width.
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
                // `validate` has seen to it that there are.
                updates: self.updates.unwrap_or(warmup),
            },
            ScheduleKind::Constant => Schedule::Constant { peak, warmup },
        }
    }

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

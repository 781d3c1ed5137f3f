//! Validation scores, and the metric that compares them.

use std::fmt;

use attend_infer::TaskKind;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumIter, EnumString, IntoEnumIterator, VariantNames};

/// The score by which a run chooses its best weights. `Display` writes the name that a recipe gives it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Display, EnumIter, EnumString, VariantNames,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Metric {
    /// [`Scores::bleu`]: the higher, the better.
    Bleu,
    /// [`Scores::chrf`]: the higher, the better.
    Chrf,
    /// [`Scores::accuracy`]: the higher, the better.
    Accuracy,
    /// [`Scores::macro_f1`]: the higher, the better.
    MacroF1,
    /// [`Scores::span_f1`]: the higher, the better.
    SpanF1,
    /// [`Scores::perplexity`]: the lower, the better.
    Perplexity,
    /// [`Scores::loss`]: the lower, the better.
    Loss,
}

impl Metric {
    /// Returns the metrics of a task. The first one is the default.
    #[must_use]
    pub fn of(task: TaskKind) -> &'static [Self] {
        match task {
            TaskKind::Translate => &[Self::Bleu, Self::Chrf, Self::Perplexity, Self::Loss],
            TaskKind::Classify => &[Self::Accuracy, Self::MacroF1, Self::Loss],
            TaskKind::Tag => &[Self::Accuracy, Self::SpanF1, Self::Loss],
        }
    }

    /// Returns whether a higher score is better.
    pub(crate) fn rises(self) -> bool {
        !matches!(self, Self::Perplexity | Self::Loss)
    }

    /// Returns whether `score` is better than `other`. NaN is not better than any number.
    #[must_use]
    pub fn is_better(self, score: f64, other: f64) -> bool {
        if self.rises() {
            score > other
        } else {
            score < other
        }
    }

    /// Returns the metric's name as reports write it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Bleu => "BLEU",
            Self::Chrf => "chrF",
            Self::Accuracy => "accuracy",
            Self::MacroF1 => "macro F1",
            Self::SpanF1 => "span F1",
            Self::Perplexity => "perplexity",
            Self::Loss => "loss",
        }
    }

    /// Returns the tag of the validation's score in TensorBoard.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::Bleu => "valid/bleu",
            Self::Chrf => "valid/chrf",
            Self::Accuracy => "valid/accuracy",
            Self::MacroF1 => "valid/macro_f1",
            Self::SpanF1 => "valid/span_f1",
            Self::Perplexity => "valid/perplexity",
            Self::Loss => "valid/loss",
        }
    }

    /// Writes a score of this metric with its name: `BLEU 31.20`, or `loss 2.125`.
    pub(crate) fn show(self, score: f64) -> String {
        let decimals = if self == Self::Loss { 3 } else { 2 };
        format!("{} {score:.decimals$}", self.title())
    }
}

/// The results of a validation: the loss, and those other scores that the task has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Label-smoothed cross-entropy, in nats a target: a target token of a translation, or a label.
    pub loss: f64,
    /// Exponential of the cross-entropy without smoothing, from 1 to 10¹². Translations have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub perplexity: Option<f64>,
    /// BLEU of greedy translations, from 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bleu: Option<f64>,
    /// chrF2 of greedy translations, from 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chrf: Option<f64>,
    /// Percentage of right labels: those of texts, or the tags of words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// Mean of the F1 of all labels of texts, from 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macro_f1: Option<f64>,
    /// F1 of the spans that tags mark, from 0 to 100. Only tags such as `B-NP` mark spans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub span_f1: Option<f64>,
}

impl Scores {
    /// Returns the score that `metric` names, if the validation has it.
    #[must_use]
    pub fn get(&self, metric: Metric) -> Option<f64> {
        match metric {
            Metric::Bleu => self.bleu,
            Metric::Chrf => self.chrf,
            Metric::Accuracy => self.accuracy,
            Metric::MacroF1 => self.macro_f1,
            Metric::SpanF1 => self.span_f1,
            Metric::Perplexity => self.perplexity,
            Metric::Loss => Some(self.loss),
        }
    }

    /// Returns the scores that the validation has, each with its metric: the perplexity and the loss last.
    pub(crate) fn all(&self) -> impl DoubleEndedIterator<Item = (Metric, f64)> {
        let metrics = Metric::iter();
        metrics.filter_map(|metric| Some((metric, self.get(metric)?)))
    }

    /// Returns the same scores, the loss and the perplexity first.
    pub(crate) fn loss_first(&self) -> impl Iterator<Item = (Metric, f64)> {
        let (scores, losses): (Vec<_>, Vec<_>) = self.all().partition(|(metric, _)| metric.rises());
        losses.into_iter().rev().chain(scores)
    }
}

/// Writes the scores, the loss first: `loss 2.125, perplexity 5.10, BLEU 31.20, chrF 52.00`.
impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: Vec<String> = self
            .loss_first()
            .map(|(metric, score)| metric.show(score))
            .collect();
        f.write_str(&shown.join(", "))
    }
}

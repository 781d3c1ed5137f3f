//! Validation scores, and the metric that compares them.

use std::fmt;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};

/// The score by which a run chooses its best weights. `Display` writes the name that a recipe gives it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Metric {
    /// [`Scores::bleu`]: the higher, the better.
    #[default]
    Bleu,
    /// [`Scores::chrf`]: the higher, the better.
    Chrf,
    /// [`Scores::perplexity`]: the lower, the better.
    Perplexity,
    /// [`Scores::loss`]: the lower, the better.
    Loss,
}

impl Metric {
    /// Returns whether `score` is better than `other`. NaN is not better than any number.
    #[must_use]
    pub fn is_better(self, score: f64, other: f64) -> bool {
        match self {
            Self::Bleu | Self::Chrf => score > other,
            Self::Perplexity | Self::Loss => score < other,
        }
    }

    /// Returns the metric's name as reports write it.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Bleu => "BLEU",
            Self::Chrf => "chrF",
            Self::Perplexity => "perplexity",
            Self::Loss => "loss",
        }
    }
}

/// The results of a validation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scores {
    /// Label-smoothed cross-entropy, in nats a target token.
    pub loss: f64,
    /// Exponential of the cross-entropy without smoothing, from 1 to 10¹².
    pub perplexity: f64,
    /// BLEU of greedy translations, from 0 to 100.
    pub bleu: f64,
    /// chrF2 of greedy translations, from 0 to 100.
    pub chrf: f64,
}

impl Scores {
    /// Returns the score that `metric` names.
    #[must_use]
    pub fn get(&self, metric: Metric) -> f64 {
        match metric {
            Metric::Bleu => self.bleu,
            Metric::Chrf => self.chrf,
            Metric::Perplexity => self.perplexity,
            Metric::Loss => self.loss,
        }
    }
}

impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            loss,
            perplexity,
            bleu,
            chrf,
        } = self;
        write!(
            f,
            "loss {loss:.3}, perplexity {perplexity:.2}, BLEU {bleu:.2}, chrF {chrf:.2}"
        )
    }
}

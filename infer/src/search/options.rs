//! What a search is asked for.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// The most hypotheses of a sentence that a search keeps: those of a base model then take about 2 GiB.
pub const MAX_BEAM_SIZE: usize = 1_000;

/// What a search is asked for. Missing fields take their defaults when read from a file.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SearchOptions {
    /// Hypotheses kept for each sentence and step, at most [`MAX_BEAM_SIZE`]; 4 by default, as in Vaswani et al. 2017,
    /// section 6.1. A beam of 1 is greedy search. Sampling has no beam.
    pub beam_size: usize,
    /// Translations returned for each sentence, at most `beam_size`, or as many as wanted when sampling, up to
    /// [`MAX_BEAM_SIZE`]; 1 by default.
    pub nbest: usize,
    /// The exponent alpha of [`length_normalization`](Self::length_normalization), at least 0; 0.6 by default. At 0 the
    /// most probable translation wins, which favours short ones.
    pub length_penalty: f32,
    /// What a log-probability is divided by; that of Google's system by default.
    pub length_normalization: LengthNormalization,
    /// The factor beta of what a source that was not wholly looked at takes from the score (Wu et al. 2016, equation
    /// 14), at least 0, the default, for nothing. It ranks complete translations, and needs a beam of at least 2.
    pub coverage_penalty: f32,
    /// When a beam stops; when nothing better can come, by default.
    pub stopping: Stopping,
    /// Fewest tokens in a translation, `</s>` not counted; 0 by default.
    pub min_length: usize,
    /// Most tokens in a translation, `</s>` not counted. By default, and at most, 50 more than its source has
    /// (section 6.1), or 50 more than it must have by `min_length`, its prefix and its required words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// No sequence of so many tokens occurs twice in a translation (Paulus et al. 2018, "A Deep Reinforced Model for
    /// Abstractive Summarization", section 2.5, has three); 0, the default, for no such rule. A forced prefix counts,
    /// but may itself repeat.
    pub no_repeat_ngram: usize,
    /// What the log-probability of each token that the hypothesis has already, its prefix included, is multiplied by:
    /// P becomes P to that power; at least 1, the default, which changes nothing. Keskar et al. 2019, "CTRL", section
    /// 4.1, divide the logit instead, whose sign and zero have no meaning; the other log-probabilities stay as they
    /// are.
    pub repetition_penalty: f32,
    /// What becomes of `<unk>`; by default no translation holds it.
    pub unknown: Unknown,
    /// Draws translations at random in place of searching for the best; not by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
}

/// What the log-probability of a translation is divided by for its score; the length counts `</s>`. See
/// [`SearchOptions::score`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lower")]
pub enum LengthNormalization {
    /// ((5 + length) / 6)^alpha (Wu et al. 2016, equation 14).
    #[default]
    Gnmt,
    /// length^alpha, as CTranslate2 has it.
    Length,
}

/// When a beam stops, and what becomes of hypotheses at the maximum length.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lower")]
pub enum Stopping {
    /// When no live hypothesis can still become one of the n best: log-probabilities only fall, so none scores more
    /// than its log-probability would at the maximum length. A step keeps the `beam_size` most probable extensions,
    /// ended ones among them. At the maximum length every hypothesis ends in `</s>`, at its probability.
    #[default]
    Exact,
    /// When CTranslate2 does. A step looks at the 2 `beam_size` most probable extensions. Those of the first
    /// `beam_size` that end are complete, and the next ones that do not end take their places, so the beam stays full.
    /// The search stops when `beam_size` hypotheses are complete; where neither length nor coverage counts, as soon as
    /// `nbest` are and the most probable extension of this or an earlier step has ended. Hypotheses that reach the
    /// maximum length are complete as they are, without `</s>` and its probability; a beam stops there.
    CTranslate2,
}

/// What becomes of `<unk>`, which stands for words outside the vocabulary.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
#[value(rename_all = "lower")]
pub enum Unknown {
    /// It is never chosen.
    #[default]
    Forbid,
    /// It is a token like others.
    Keep,
    /// It is a token like others, and the text has in its place the source's word that it looks at most (after Luong et
    /// al. 2015, "Addressing the Rare Word Problem in Neural Machine Translation", section 3.3).
    Copy,
}

/// How translations are drawn. Temperature comes first, then top-k, then top-p.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// What log-probabilities are divided by, above 0; 1 by default. Near 0 the most probable token is always drawn.
    pub temperature: f32,
    /// Only so many tokens, the most probable ones, are drawn from (Fan et al. 2018, "Hierarchical Neural Story
    /// Generation", section 5.1), at least 1; by default all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<usize>,
    /// Only the nucleus is drawn from: the fewest tokens, the most probable ones, whose probabilities add up to at
    /// least so much (Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration", section 3.1). Above 0, at
    /// most 1, the default, which means all.
    pub top_p: f32,
    /// The seed of the random numbers; 1 by default. Those of a sentence depend on it and on the sentence's place in
    /// the input, nothing else.
    pub seed: u64,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self {
            beam_size: 4,
            nbest: 1,
            length_penalty: 0.6,
            length_normalization: LengthNormalization::Gnmt,
            coverage_penalty: 0.0,
            stopping: Stopping::Exact,
            min_length: 0,
            max_length: None,
            no_repeat_ngram: 0,
            repetition_penalty: 1.0,
            unknown: Unknown::Forbid,
            sampling: None,
        }
    }
}

impl Default for Sampling {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: None,
            top_p: 1.0,
            seed: 1,
        }
    }
}

impl SearchOptions {
    /// These options for greedy search, which gives one translation.
    #[must_use]
    pub fn greedy(self) -> Self {
        Self {
            beam_size: 1,
            nbest: 1,
            coverage_penalty: 0.0,
            sampling: None,
            ..self
        }
    }

    /// Checks that the options describe a search.
    ///
    /// # Errors
    /// If a number is out of its range, or `nbest` or `max_length` does not fit the others.
    pub fn validate(&self) -> Result<(), SearchError> {
        check_range(
            "beam_size",
            self.beam_size as f64,
            1.0..=MAX_BEAM_SIZE as f64,
            "a number from 1 to 1000",
        )?;
        let most = match self.sampling {
            None => self.beam_size,
            Some(_) => MAX_BEAM_SIZE,
        };
        if self.nbest == 0 || self.nbest > most {
            return Err(SearchError::Nbest {
                nbest: self.nbest,
                most,
                sampling: self.sampling.is_some(),
            });
        }
        let at_least = |field, value: f32, least: f64| {
            let most = f64::from(f32::MAX);
            check_range(
                field,
                f64::from(value),
                least..=most,
                &format!("a number of at least {least}"),
            )
        };
        at_least("length_penalty", self.length_penalty, 0.0)?;
        at_least("repetition_penalty", self.repetition_penalty, 1.0)?;
        at_least("coverage_penalty", self.coverage_penalty, 0.0)?;
        if self.coverage_penalty > 0.0 && (self.beam_size == 1 || self.sampling.is_some()) {
            return Err(SearchError::Coverage);
        }
        if let Some(max_length) = self.max_length
            && max_length < self.min_length
        {
            return Err(SearchError::Lengths {
                min_length: self.min_length,
                max_length,
            });
        }
        let Some(sampling) = self.sampling else {
            return Ok(());
        };
        let smallest = f64::from(f32::from_bits(1));
        let (temperature, top_p) = (f64::from(sampling.temperature), f64::from(sampling.top_p));
        let most = f64::from(f32::MAX);
        check_range(
            "sampling.temperature",
            temperature,
            smallest..=most,
            "a number above 0",
        )?;
        let top_k = sampling.top_k.unwrap_or(1) as f64;
        check_range("sampling.top_k", top_k, 1.0..=f64::MAX, "a number from 1")?;
        check_range("sampling.top_p", top_p, smallest..=1.0, "above 0 and at most 1")
    }

    /// [`validate`](Self::validate)s them for a model whose translations have at most `positions` tokens.
    ///
    /// # Errors
    /// Also if `min_length` is more.
    pub fn validate_for(&self, positions: usize) -> Result<(), SearchError> {
        self.validate()?;
        match self.min_length > positions {
            true => Err(SearchError::MinLength {
                min_length: self.min_length,
                positions,
            }),
            false => Ok(()),
        }
    }
}

fn check_range(
    field: &'static str,
    value: f64,
    range: std::ops::RangeInclusive<f64>,
    expected: &str,
) -> Result<(), SearchError> {
    match range.contains(&value) {
        true => Ok(()),
        false => Err(SearchError::OutOfRange {
            field,
            // As it was given: 0.1 is another number in 64 bits.
            value: (value as f32).to_string(),
            expected: expected.to_owned(),
        }),
    }
}

/// Options that describe no search, or requests that it cannot meet.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SearchError {
    /// A number that means nothing, or asks for more than memory holds.
    #[error("`{field}` is {value}: it must be {expected}")]
    OutOfRange {
        /// The option.
        field: &'static str,
        /// What it is.
        value: String,
        /// What it may be.
        expected: String,
    },
    /// More translations are asked for than the search keeps, or none.
    #[error(
        "`nbest` is {nbest}: it must lie between 1 and {}{most}",
        if *sampling { "" } else { "`beam_size`, which is " }
    )]
    Nbest {
        /// Translations asked for.
        nbest: usize,
        /// The most that there can be.
        most: usize,
        /// Whether they are drawn.
        sampling: bool,
    },
    /// No length is allowed.
    #[error("`max_length` is {max_length}: it must be at least `min_length`, which is {min_length}")]
    Lengths {
        /// Fewest tokens asked for.
        min_length: usize,
        /// Most tokens asked for.
        max_length: usize,
    },
    /// No translation of the model is as long.
    #[error("`min_length` is {min_length}, but the model's translations have at most {positions} tokens")]
    MinLength {
        /// Fewest tokens asked for.
        min_length: usize,
        /// Most tokens that the model has positions for.
        positions: usize,
    },
    /// A coverage penalty where nothing is ranked.
    #[error("`coverage_penalty` ranks translations: it needs a `beam_size` of at least 2, and no sampling")]
    Coverage,
    /// Required words with another option that may make them impossible.
    #[error("required words need beam search, and cannot go with {0}")]
    Required(&'static str),
    /// Banned words where unknown ones are copied.
    #[error("`unknown` is copy: a copied word could be a banned one")]
    BannedCopies,
    /// No hypothesis has all of its required words.
    #[error("no translation of sentence {sentence} that has all required words was found")]
    Unmet {
        /// Its place among the requests, from 0.
        sentence: usize,
    },
}

impl SearchError {
    /// The field of [`SearchOptions`] to change.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self {
            Self::OutOfRange { field, .. } => field,
            Self::Nbest { .. } => "nbest",
            Self::Coverage => "coverage_penalty",
            Self::BannedCopies => "unknown",
            Self::Lengths { .. } => "max_length",
            Self::MinLength { .. } => "min_length",
            Self::Required(_) | Self::Unmet { .. } => "beam_size",
        }
    }
}

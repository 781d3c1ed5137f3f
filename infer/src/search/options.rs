//! The options of a search: how it ranks, constrains and draws translations.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};

/// The most hypotheses of a sentence that a search keeps: those of a base model then take about 2 GiB.
pub const MAX_BEAM_SIZE: usize = 1_000;

/// How many tokens longer than its source a translation may grow (section 6.1 of "Attention Is All You Need"); see
/// [`SearchOptions::max_length`].
pub const EXTRA_LENGTH: usize = 50;

/// The largest length and count of tokens that options may ask for: more than any vocabulary or sentence has, and far
/// from overflowing.
const MAX_TOKENS: u64 = 1_000_000_000_000;

/// The options of a search. Fields that a file leaves out take their defaults.
///
/// Vaswani et al. is "Attention Is All You Need" (2017); Wu et al. is "Google's Neural Machine Translation System"
/// (2016).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SearchOptions {
    /// Number of hypotheses that a beam keeps for each sentence at each step, 1 to [`MAX_BEAM_SIZE`]; 4 by default
    /// (Vaswani et al., section 6.1). A beam of 1 is greedy search. Sampling ignores this number.
    pub beam_size: usize,
    /// Number of translations returned for each sentence, at least 1; 1 by default. A beam has at most `beam_size` of
    /// them, sampling at most [`MAX_BEAM_SIZE`].
    pub nbest: usize,
    /// The exponent alpha of [`length_normalization`](Self::length_normalization), at least 0; 0.6 by default. At 0 the
    /// most probable translation wins, which favours short ones.
    pub length_penalty: f32,
    /// The number by which a log-probability is divided for a score; [`LengthNormalization::Gnmt`] by default.
    pub length_normalization: LengthNormalization,
    /// The factor beta of the coverage penalty (Wu et al., equation 14), at least 0; 0, the default, turns it off. The
    /// penalty lowers the scores of translations that attend to only a part of their source. It ranks complete
    /// translations, and needs a beam of at least 2.
    pub coverage_penalty: f32,
    /// The rule by which a beam stops; [`Stopping::Exact`] by default.
    pub stopping: Stopping,
    /// Fewest tokens in a translation, `</s>` not counted; 0 by default.
    pub min_length: usize,
    /// Most tokens in a translation, `</s>` not counted. A translation never has more than [`EXTRA_LENGTH`] tokens more
    /// than the longest of: its source, `min_length`, and its prefix and required words together. That limit alone
    /// holds by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// No sequence of this many tokens occurs twice in a translation (Paulus et al. 2018, "A Deep Reinforced Model for
    /// Abstractive Summarization", section 2.5, use 3); 0, the default, allows all. Tokens of a forced prefix count as
    /// part of the translation, but the prefix itself may repeat a sequence.
    pub no_repeat_ngram: usize,
    /// The power to which the probability of a token is raised that the hypothesis, its prefix included, has already; at
    /// least 1, the default, which changes nothing. The log-probability of such a token is multiplied by this number,
    /// and the other log-probabilities stay as they are. (Keskar et al. 2019, "CTRL", section 4.1, divide the logit
    /// instead, whose sign and zero have no meaning.)
    pub repetition_penalty: f32,
    /// The treatment of `<unk>`; [`Unknown::Forbid`] by default.
    pub unknown: Unknown,
    /// Draws translations at random if given, and does not search for the best; not given by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
}

/// The divisor of a log-probability in a [score](SearchOptions::score). The length counts tokens and `</s>`.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum LengthNormalization {
    /// ((5 + length) / 6)^alpha (Wu et al. 2016, equation 14).
    #[default]
    Gnmt,
    /// length^alpha, the rule of CTranslate2.
    Length,
}

/// The rule by which a beam stops, and by which hypotheses at the maximum length end.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Stopping {
    /// The beam stops when no live hypothesis can still become one of the n best. Log-probabilities only fall, so no
    /// hypothesis ends with a better score than its log-probability would have at the maximum length. A step keeps the
    /// `beam_size` most probable extensions, and those that end count among them. At the maximum length every
    /// hypothesis ends in `</s>`, at the probability of `</s>`.
    #[default]
    Exact,
    /// The beam stops when CTranslate2's would. A step looks at the 2 `beam_size` most probable extensions. Of the
    /// first `beam_size`, those that end are complete; the next ones that do not end take their slots, so that the
    /// beam stays full. The search stops when `beam_size` hypotheses are complete. If neither length nor coverage
    /// counts, it stops as soon as `nbest` are complete and the most probable extension of this or an earlier step has
    /// ended. A hypothesis that reaches the maximum length is complete without `</s>` and its probability.
    CTranslate2,
}

/// The treatment of `<unk>`, the token of words outside the vocabulary.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Unknown {
    /// `<unk>` is never chosen.
    #[default]
    Forbid,
    /// `<unk>` is chosen like any other token.
    Keep,
    /// `<unk>` is chosen like any other token, and the text has the source word in its place that it attends to most
    /// (after Luong et al. 2015, "Addressing the Rare Word Problem in Neural Machine Translation", section 3.3).
    Copy,
}

/// The options of sampling. The temperature is applied first, then top-k, then top-p.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// The divisor of the logits, above 0; 1 by default. Near 0 the most probable token is always drawn.
    pub temperature: f32,
    /// The number of tokens, the most probable ones, of which one is drawn (Fan et al. 2018, "Hierarchical Neural Story
    /// Generation", section 5.1), at least 1; by default all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<usize>,
    /// The probability of the nucleus, above 0 and at most 1: only the fewest, most probable tokens are drawn from whose
    /// probabilities add up to at least this much (Holtzman et al. 2020, "The Curious Case of Neural Text
    /// Degeneration", section 3.1). 1, the default, draws from all.
    pub top_p: f32,
    /// The seed of the random numbers, at most 2⁶³ - 1, the largest number of a TOML file; 1 by default. The random
    /// numbers of a sentence depend on the seed and on the sentence's place in the input, and on nothing else.
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
    /// Returns the options of a greedy search that returns one translation, and is otherwise like this one.
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

    /// Checks each whole number by itself.
    ///
    /// # Errors
    ///
    /// [`SearchError::Count`] for the first number outside its bounds.
    pub fn validate_counts(&self) -> Result<(), SearchError> {
        let sampling = self.sampling.unwrap_or_default();
        let counts = [
            ("beam_size", self.beam_size as u64, 1..=MAX_BEAM_SIZE as u64),
            ("nbest", self.nbest as u64, 1..=MAX_BEAM_SIZE as u64),
            ("min_length", self.min_length as u64, 0..=MAX_TOKENS),
            ("max_length", self.max_length.unwrap_or(0) as u64, 0..=MAX_TOKENS),
            ("no_repeat_ngram", self.no_repeat_ngram as u64, 0..=MAX_TOKENS),
            (
                "sampling.top_k",
                sampling.top_k.unwrap_or(1) as u64,
                1..=MAX_TOKENS,
            ),
            // The numbers of a recipe, which is TOML, have a sign.
            ("sampling.seed", sampling.seed, 0..=i64::MAX as u64),
        ];
        for (field, count, bounds) in counts {
            if !bounds.contains(&count) {
                let (least, most) = bounds.into_inner();
                return Err(SearchError::Count {
                    field,
                    count,
                    least,
                    most,
                });
            }
        }
        Ok(())
    }

    /// Checks that the options describe a search.
    ///
    /// # Errors
    ///
    /// A [`SearchError`] if a number is out of its range, or if options contradict each other.
    pub fn validate(&self) -> Result<(), SearchError> {
        self.validate_counts()?;
        if self.sampling.is_none() && self.nbest > self.beam_size {
            return Err(SearchError::Nbest {
                nbest: self.nbest,
                beam_size: self.beam_size,
            });
        }
        check_least("length_penalty", self.length_penalty, 0.0)?;
        check_least("repetition_penalty", self.repetition_penalty, 1.0)?;
        check_least("coverage_penalty", self.coverage_penalty, 0.0)?;
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
        if let Some(Sampling {
            temperature, top_p, ..
        }) = self.sampling
        {
            let above_0 = f32::from_bits(1);
            check(
                "sampling.temperature",
                temperature,
                above_0..=f32::MAX,
                "a number above 0",
            )?;
            check("sampling.top_p", top_p, above_0..=1.0, "above 0 and at most 1")?;
        }
        Ok(())
    }

    /// Checks that the options describe a search of a model whose translations have at most `max_tokens` tokens.
    ///
    /// # Errors
    ///
    /// Those of [`validate`](Self::validate), and [`SearchError::MinLength`] if `min_length` is more than `max_tokens`.
    pub fn validate_for(&self, max_tokens: usize) -> Result<(), SearchError> {
        self.validate()?;
        if self.min_length > max_tokens {
            return Err(SearchError::MinLength {
                min_length: self.min_length,
                max_tokens,
            });
        }
        Ok(())
    }
}

fn check_least(field: &'static str, value: f32, least: f32) -> Result<(), SearchError> {
    check(
        field,
        value,
        least..=f32::MAX,
        &format!("a number of at least {least}"),
    )
}

fn check(
    field: &'static str,
    value: f32,
    range: RangeInclusive<f32>,
    expected: &str,
) -> Result<(), SearchError> {
    if range.contains(&value) {
        Ok(())
    } else {
        Err(SearchError::OutOfRange {
            field,
            value,
            expected: expected.to_owned(),
        })
    }
}

/// The reason why options describe no search. Its message names the field of [`SearchOptions`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SearchError {
    /// A number that means nothing.
    #[error("`{field}` is {value}: it must be {expected}")]
    OutOfRange {
        /// The field's name.
        field: &'static str,
        /// The field's value.
        value: f32,
        /// The values that the field may have, in words.
        expected: String,
    },
    /// A whole number outside its bounds, which keep a slip of the finger from asking for more memory than there is.
    #[error("`{field}` is {count}, but must lie in [{least}, {most}]")]
    Count {
        /// The field's name.
        field: &'static str,
        /// The field's value.
        count: u64,
        /// The smallest value that the field may have.
        least: u64,
        /// The largest value that the field may have.
        most: u64,
    },
    /// More translations than the beam keeps.
    #[error("`nbest` is {nbest}: it must lie between 1 and `beam_size`, which is {beam_size}")]
    Nbest {
        /// The number of translations asked for.
        nbest: usize,
        /// The number of hypotheses that the beam keeps.
        beam_size: usize,
    },
    /// A maximum length below the minimum.
    #[error("`max_length` is {max_length}: it must be at least `min_length`, which is {min_length}")]
    Lengths {
        /// The fewest tokens asked for.
        min_length: usize,
        /// The most tokens asked for.
        max_length: usize,
    },
    /// A minimum length that no translation of the model reaches.
    #[error("`min_length` is {min_length}, but the model's translations have at most {max_tokens} tokens")]
    MinLength {
        /// The fewest tokens asked for.
        min_length: usize,
        /// The most tokens that the model has positions for.
        max_tokens: usize,
    },
    /// A coverage penalty for a search that ranks nothing.
    #[error("`coverage_penalty` ranks translations: it needs a `beam_size` of at least 2, and no sampling")]
    Coverage,
    /// Required words with another option, which the text names, that may make them impossible.
    #[error("required words need beam search, and cannot go with {0}")]
    Required(&'static str),
    /// Banned words where unknown words are copied.
    #[error("`unknown` is copy: a copied word could be a banned one")]
    BannedCopies,
}

impl SearchError {
    /// Returns the name of the field of [`SearchOptions`] to change.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self {
            Self::OutOfRange { field, .. } | Self::Count { field, .. } => field,
            Self::Nbest { .. } => "nbest",
            Self::Coverage => "coverage_penalty",
            Self::BannedCopies => "unknown",
            Self::Lengths { .. } => "max_length",
            Self::MinLength { .. } => "min_length",
            Self::Required(_) => "beam_size",
        }
    }
}

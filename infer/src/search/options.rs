//! The options of a search, which set how translations are ranked, constrained and drawn.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};

/// The maximum number of hypotheses of a sentence that a search keeps. With a base model, 1,000 hypotheses take about
/// 2 GiB.
pub const MAX_BEAM_SIZE: usize = 1_000;

/// The maximum number of tokens that a translation has more than its source (section 6.1 of "Attention Is All You
/// Need"). [`SearchOptions::max_length`] gives the whole rule.
pub const EXTRA_LENGTH: usize = 50;

/// The maximum of options that are lengths or counts of tokens. No vocabulary or sentence has as many tokens, and
/// sums of such numbers do not overflow.
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
    /// Number of translations returned for each sentence, at least 1; 1 by default. Beam search returns at most
    /// `beam_size` translations, sampling at most [`MAX_BEAM_SIZE`].
    pub nbest: usize,
    /// The exponent alpha of [`length_normalization`](Self::length_normalization), at least 0; 0.6 by default. At 0 the
    /// score is the log-probability, which favours short translations.
    pub length_penalty: f32,
    /// The rule for the length divisor, by which a log-probability is divided for a score;
    /// [`LengthNormalization::Gnmt`] by default.
    pub length_normalization: LengthNormalization,
    /// The factor beta of the coverage penalty (Wu et al., equation 14), at least 0; 0, the default, turns it off. The
    /// penalty lowers the scores of translations that attend to only a part of their source. It changes the ranks of
    /// complete translations, so it needs a `beam_size` of at least 2 and no sampling.
    pub coverage_penalty: f32,
    /// The rule by which a beam stops; [`Stopping::Exact`] by default.
    pub stopping: Stopping,
    /// The minimum number of tokens in a translation, `</s>` not counted; 0 by default.
    pub min_length: usize,
    /// The maximum number of tokens in a translation, `</s>` not counted; not given by default. With or without it, a
    /// translation has at most `n` + [`EXTRA_LENGTH`] tokens, where `n` is the largest of three numbers: the tokens
    /// of the source, `min_length`, and the tokens of the prefix and the required words together. But if the search
    /// [stops as transformers does](Stopping::is_of_transformers), a `max_length` that is given is the only maximum,
    /// as it is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
    /// The length of token sequences that may not occur twice in a translation; 0, the default, allows all
    /// repetitions. Paulus et al. 2018, "A Deep Reinforced Model for Abstractive Summarization", section 2.5, use 3.
    /// A forced prefix is a part of the translation, but the prefix itself may repeat a sequence.
    pub no_repeat_ngram: usize,
    /// The factor by which the log-probability of a repeated token is multiplied, at least 1; 1, the default, changes
    /// nothing. A token is repeated if the hypothesis, its prefix included, already has it. The log-probabilities of
    /// other tokens stay as they are. (Keskar et al. 2019, "CTRL", section 4.1, divide the logit instead. But the
    /// sign of a logit has no meaning, so a division may raise a probability.)
    pub repetition_penalty: f32,
    /// The treatment of `<unk>`; [`Unknown::Forbid`] by default.
    pub unknown: Unknown,
    /// The options of sampling, with which translations are drawn at random. Not given by default: the search then
    /// looks for the translations with the best scores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sampling: Option<Sampling>,
}

/// The rule for the length divisor, by which a log-probability is divided for a [score](SearchOptions::score). The
/// length counts the tokens and `</s>`.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum LengthNormalization {
    /// ((5 + length) / 6)^alpha (Wu et al. 2016, equation 14).
    #[default]
    Gnmt,
    /// length^alpha, the rule of CTranslate2 and of Hugging Face's transformers.
    Length,
}

/// The rule by which a beam search stops, and by which hypotheses end at the maximum length.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Stopping {
    /// The search stops when no live hypothesis can still become one of the `nbest`. Further tokens only lower a
    /// log-probability, so the score of a hypothesis ends up at most at its log-probability divided by the length
    /// divisor of the maximum length. A step keeps the `beam_size` most probable extensions, including those that end
    /// in `</s>`. At the maximum length every hypothesis is extended by `</s>`, at the probability of `</s>`.
    #[default]
    Exact,
    /// The search stops by the rule of CTranslate2. A step looks at the 2 × `beam_size` most probable extensions. Of
    /// the first `beam_size`, those that end in `</s>` are complete. The next extensions that do not end take their
    /// slots, so that the beam stays full. The search stops when `beam_size` hypotheses are complete. If
    /// `length_penalty` and `coverage_penalty` are both 0, it stops as soon as `nbest` hypotheses are complete and
    /// the most probable extension of this or an earlier step has ended. A hypothesis of the maximum length is
    /// complete without `</s>`, whose probability does not count.
    CTranslate2,
    /// The search stops by the rule of Hugging Face's transformers with `early_stopping = False`. A step completes and
    /// keeps extensions as [`CTranslate2`](Self::CTranslate2) does. The search stops when `beam_size` hypotheses are
    /// complete and the most probable live one, scored as if it were complete at its present length, is no better than
    /// the worst of the `beam_size` best. At the maximum length every hypothesis is extended by `</s>`, which costs
    /// nothing there.
    Transformers,
    /// The rule of Hugging Face's transformers with `early_stopping = True`: as [`Transformers`](Self::Transformers),
    /// but the search stops as soon as `beam_size` hypotheses are complete.
    #[serde(rename = "transformers-early")]
    #[strum(serialize = "transformers-early")]
    TransformersEarly,
}

impl Stopping {
    /// Returns whether this is a rule of Hugging Face's transformers.
    #[must_use]
    pub fn is_of_transformers(self) -> bool {
        matches!(self, Self::Transformers | Self::TransformersEarly)
    }
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
    /// `<unk>` is chosen like any other token. In the text it is replaced by the source word to which it attends most
    /// (after Luong et al. 2015, "Addressing the Rare Word Problem in Neural Machine Translation", section 3.3).
    Copy,
}

/// The options of sampling. The temperature is applied first, then top-k, then top-p.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Sampling {
    /// The number by which logits are divided, above 0; 1 by default. Near 0 the most probable token is always drawn.
    pub temperature: f32,
    /// The number of most probable tokens from which one is drawn (Fan et al. 2018, "Hierarchical Neural Story
    /// Generation", section 5.1), at least 1; not given by default, which keeps all tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<usize>,
    /// The probability of the nucleus, above 0 and at most 1; 1, the default, keeps all tokens. The nucleus is the
    /// smallest set of most probable tokens whose probabilities add up to at least this number, and only its tokens
    /// are drawn (Holtzman et al. 2020, "The Curious Case of Neural Text Degeneration", section 3.1).
    pub top_p: f32,
    /// The seed of the random numbers, at most 2⁶³ - 1, the largest number of a TOML file; 1 by default. The random
    /// numbers of a sentence depend only on the seed and on the sentence's [number](super::Request::number).
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
    /// Returns these options with a `beam_size` and an `nbest` of 1, without a coverage penalty and without sampling,
    /// so that the search is greedy.
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

    /// Checks that each whole number is within its bounds.
    ///
    /// # Errors
    ///
    /// Returns [`SearchError::Count`] for the first number outside its bounds.
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

    /// Checks that each option is in its range and that the options do not contradict each other.
    ///
    /// # Errors
    ///
    /// Returns a [`SearchError`] if a number is out of its range, or if options contradict each other.
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

    /// Checks the options for a model whose translations have at most `max_tokens` tokens.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`validate`](Self::validate), and [`SearchError::MinLength`] if `min_length` is more than
    /// `max_tokens`.
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

    /// Returns whether a search with these options needs the logits of all tokens in each row, and not only of a
    /// [`Shortlist`](super::Shortlist): if tokens are drawn at random, or if the tokens of a hypothesis change the
    /// log-probabilities of the tokens that may follow it.
    pub(super) fn needs_all_logits(&self) -> bool {
        let Self {
            no_repeat_ngram,
            repetition_penalty,
            sampling,
            beam_size: _,
            nbest: _,
            length_penalty: _,
            length_normalization: _,
            coverage_penalty: _,
            stopping: _,
            min_length: _,
            max_length: _,
            unknown: _,
        } = *self;
        sampling.is_some() || repetition_penalty != 1.0 || no_repeat_ngram > 0
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

/// The reason why search options are not valid. The message names the field of [`SearchOptions`].
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SearchError {
    /// A number that is out of its range.
    #[error("`{field}` is {value}: it must be {expected}")]
    OutOfRange {
        /// The field's name.
        field: &'static str,
        /// The field's value.
        value: f32,
        /// The values that the field may have, in words.
        expected: String,
    },
    /// A whole number outside its bounds. The upper bounds refuse a mistyped number that would take too much memory.
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
    /// An `nbest` that is larger than `beam_size`.
    #[error("`nbest` is {nbest}: it must lie between 1 and `beam_size`, which is {beam_size}")]
    Nbest {
        /// The number of translations that would be returned.
        nbest: usize,
        /// The number of hypotheses that the beam keeps.
        beam_size: usize,
    },
    /// A `max_length` that is smaller than `min_length`.
    #[error("`max_length` is {max_length}: it must be at least `min_length`, which is {min_length}")]
    Lengths {
        /// The minimum number of tokens in a translation.
        min_length: usize,
        /// The maximum number of tokens in a translation.
        max_length: usize,
    },
    /// A `min_length` that is more than the model has positions for.
    #[error("`min_length` is {min_length}, but the model's translations have at most {max_tokens} tokens")]
    MinLength {
        /// The minimum number of tokens in a translation.
        min_length: usize,
        /// The maximum number of tokens in a translation of the model.
        max_tokens: usize,
    },
    /// A coverage penalty together with greedy search or sampling, which do not rank translations.
    #[error("`coverage_penalty` ranks translations: it needs a `beam_size` of at least 2, and no sampling")]
    Coverage,
    /// Required words together with an option that may make them impossible.
    #[error("required words need beam search, and cannot go with {setting}")]
    Required {
        /// The name of the option's field.
        field: &'static str,
        /// The option in words, with its value where only this value is at fault.
        setting: &'static str,
    },
    /// Banned words together with [`Unknown::Copy`]: a copied word could be banned.
    #[error("`unknown` is copy: a copied word could be a banned one")]
    BannedCopies,
}

impl SearchError {
    /// Returns the name of the field of [`SearchOptions`] that is not valid or contradicts another option.
    #[must_use]
    pub fn field(&self) -> &'static str {
        match self {
            Self::OutOfRange { field, .. } | Self::Count { field, .. } | Self::Required { field, .. } => {
                field
            }
            Self::Nbest { .. } => "nbest",
            Self::Coverage => "coverage_penalty",
            Self::BannedCopies => "unknown",
            Self::Lengths { .. } => "max_length",
            Self::MinLength { .. } => "min_length",
        }
    }
}

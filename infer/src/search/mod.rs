//! Searches for the most probable translations. A search sees log-probabilities and token ids, never a layer:
//! whatever implements [`StepDecoder`] can be searched.
//!
//! A search decodes a batch of sentences side by side. Which sentences share the batch, and in which order, changes
//! no result, provided that the decoder keeps its rows apart.

mod beam;
mod greedy;

use serde::{Deserialize, Serialize};

pub use beam::beam;
pub use greedy::greedy;

/// Decodes one step at a time. A row is one hypothesis of one sentence.
///
/// A search takes a decoder that holds one row a sentence, in the sentences' order, and no token yet. It feeds
/// `<s>` first.
pub trait StepDecoder {
    /// Size of the target vocabulary.
    fn vocab_size(&self) -> usize;

    /// Extends each row by its token and returns the log-probabilities of the next one, row-major
    /// `[rows, vocab_size]`.
    fn step(&mut self, tokens: &[u32]) -> Vec<f32>;

    /// Keeps the given rows in the given order. A row may be named several times or not at all.
    fn select(&mut self, rows: &[usize]);
}

/// Tokens that [`best_tokens`] looks at together.
const CHUNK: usize = 64;

/// The token ids that mean something to a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecialTokens {
    /// `<s>`: what every hypothesis is fed first.
    pub bos: u32,
    /// `</s>`: what ends a hypothesis.
    pub eos: u32,
    /// Tokens that are never chosen, such as padding and `<s>`.
    pub forbidden: Vec<u32>,
}

impl SpecialTokens {
    /// Whether `token` may follow a hypothesis of `length` tokens.
    fn may_choose(&self, token: u32, length: usize, options: &SearchOptions) -> bool {
        match token == self.eos {
            true => length >= options.min_length,
            false => !self.forbidden.contains(&token),
        }
    }
}

/// What a beam search is asked for. Missing fields take their defaults when read from a file.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SearchOptions {
    /// Hypotheses kept for each sentence and step; 4 by default, as in Vaswani et al. 2017, section 6.1.
    pub beam_size: usize,
    /// Translations returned for each sentence, at most `beam_size`; 1 by default.
    pub nbest: usize,
    /// The exponent alpha of [`length_penalty`], at least 0; 0.6 by default. At 0 the most probable translation
    /// wins, which favours short ones.
    pub length_penalty: f32,
    /// Fewest tokens in a translation, `</s>` not counted; 0 by default.
    pub min_length: usize,
    /// Most tokens in a translation, `</s>` not counted. By default, and at most, 50 more than its source has
    /// (section 6.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
}

impl Default for SearchOptions {
    fn default() -> Self {
        Self {
            beam_size: 4,
            nbest: 1,
            length_penalty: 0.6,
            min_length: 0,
            max_length: None,
        }
    }
}

impl SearchOptions {
    /// Checks that the options describe a search.
    ///
    /// # Errors
    /// If the beam is empty, `nbest` is not within it, the length penalty is negative or not finite, or no length lies
    /// between the shortest and the longest.
    pub fn validate(&self) -> Result<(), SearchError> {
        if self.beam_size == 0 {
            return Err(SearchError::BeamSize);
        }
        if self.nbest == 0 || self.nbest > self.beam_size {
            return Err(SearchError::Nbest {
                nbest: self.nbest,
                beam_size: self.beam_size,
            });
        }
        if !self.length_penalty.is_finite() || self.length_penalty < 0.0 {
            return Err(SearchError::LengthPenalty {
                length_penalty: self.length_penalty,
            });
        }
        if let Some(max_length) = self.max_length
            && max_length < self.min_length
        {
            return Err(SearchError::Lengths {
                min_length: self.min_length,
                max_length,
            });
        }
        Ok(())
    }
}

/// Options that describe no search.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum SearchError {
    /// No hypothesis would be kept.
    #[error("`beam_size` is 0: it must be at least 1")]
    BeamSize,
    /// More translations are asked for than the search keeps, or none.
    #[error("`nbest` is {nbest}: it must lie between 1 and `beam_size`, which is {beam_size}")]
    Nbest {
        /// Translations asked for.
        nbest: usize,
        /// Hypotheses kept.
        beam_size: usize,
    },
    /// The score would grow worse with length beyond its log-probability, or be undefined.
    #[error("`length_penalty` is {length_penalty}: it must be a number of at least 0")]
    LengthPenalty {
        /// The exponent asked for.
        length_penalty: f32,
    },
    /// No length is allowed.
    #[error("`max_length` is {max_length}: it must be at least `min_length`, which is {min_length}")]
    Lengths {
        /// Fewest tokens asked for.
        min_length: usize,
        /// Most tokens asked for.
        max_length: usize,
    },
}

/// A complete translation.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// Token ids, without `<s>` and `</s>`.
    pub tokens: Vec<u32>,
    /// Natural logarithm of the translation's probability, `</s>` included.
    pub log_probability: f32,
    /// What translations are ranked by: `log_probability` divided by the [`length_penalty`].
    pub score: f32,
}

/// lp(Y) = ((5 + |Y|) / 6)^alpha, by which a translation's log-probability is divided (Wu et al. 2016, "Google's
/// Neural Machine Translation System", equation 14). The length |Y| counts `</s>`.
pub fn length_penalty(length: usize, alpha: f32) -> f64 {
    ((5.0 + length as f64) / 6.0).powf(f64::from(alpha))
}

/// The score of a translation of `length` tokens, `</s>` included.
fn penalised(log_probability: f32, length: usize, alpha: f32) -> f32 {
    (f64::from(log_probability) / length_penalty(length, alpha)) as f32
}

/// The `count` best tokens, with their log-probabilities, to follow a hypothesis of `length` tokens. At `max_length`
/// that is `</s>` alone, at the log-probability that the decoder gives it.
fn choices(
    row: &[f32],
    special: &SpecialTokens,
    options: &SearchOptions,
    length: usize,
    max_length: usize,
    count: usize,
) -> Vec<(u32, f32)> {
    if length == max_length {
        let log_probability = row[special.eos as usize].max(f32::NEG_INFINITY);
        return vec![(special.eos, log_probability)];
    }
    best_tokens(row, count, |token| special.may_choose(token, length, options))
}

/// The `count` most probable tokens of a row that may be chosen, with their log-probabilities, best first. Of equally
/// probable tokens the smaller id comes first; a NaN counts as impossible, and impossible tokens come last.
fn best_tokens(row: &[f32], count: usize, may_choose: impl Fn(u32) -> bool) -> Vec<(u32, f32)> {
    let mut best: Vec<(u32, f32)> = Vec::new();
    for (chunk, first_token) in row.chunks(CHUNK).zip((0..).step_by(CHUNK)) {
        // Most chunks have nothing to offer, which is told faster of all tokens at once.
        let is_full = best.len() == count;
        if is_full && !chunk.iter().any(|&value| value > best[count - 1].1) {
            continue;
        }
        for (token, log_probability) in (first_token..).zip(chunk) {
            // `max` returns its other argument for a NaN.
            let log_probability = log_probability.max(f32::NEG_INFINITY);
            let is_full = best.len() == count;
            if is_full && log_probability <= best[count - 1].1 || !may_choose(token) {
                continue;
            }
            if is_full {
                best.pop();
            }
            let place = best.partition_point(|&(_, better)| better >= log_probability);
            best.insert(place, (token, log_probability));
        }
    }
    best
}

/// Runs one step and checks the decoder's side of the contract.
fn step<D: StepDecoder + ?Sized>(decoder: &mut D, tokens: &[u32]) -> Vec<f32> {
    let log_probabilities = decoder.step(tokens);
    assert_eq!(
        log_probabilities.len(),
        tokens.len() * decoder.vocab_size(),
        "a step returns one log-probability for each row and token"
    );
    log_probabilities
}

/// Makes the decoder keep `rows` of its `n_rows`, without asking it to where that changes nothing or no row is left.
fn keep_rows<D: StepDecoder + ?Sized>(decoder: &mut D, rows: &[usize], n_rows: usize) {
    let unchanged = rows.iter().copied().eq(0..n_rows);
    if !rows.is_empty() && !unchanged {
        decoder.select(rows);
    }
}

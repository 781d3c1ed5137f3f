//! Search for translations: [`greedy`] and [`beam`] look for the most probable ones, and [`sample`] draws at random.
//!
//! A search works on logits and token ids. It does not depend on a network, but takes any [`StepDecoder`]. It decodes
//! a batch of sentences side by side. The translations of a sentence do not depend on the other sentences of the
//! batch, if the decoder computes each row independently of the others.
//!
//! | file | content |
//! |---|---|
//! | `options` | [`SearchOptions`]: all options of a search, with their sources |
//! | `row` | the logits of the token that follows a hypothesis: all of them, or a [`Shortlist`] |
//! | `constraints` | the tokens that may follow a hypothesis, in every search |
//! | `surface` | the text that tokens spell, and the boundaries of words in it |
//! | `banned`, `required` | words that no translation has, and words that every translation has |
//! | `score` | the scores by which translations are ranked |
//! | `greedy`, `beam`, `sample` | the searches |
//!
//! ```
//! use attend_infer::search::{Logits, Request, Search, SearchOptions, SpecialTokens, StepDecoder, StepLogits};
//!
//! /// A decoder that repeats its token, 3, with a probability of 3/4 each time.
//! struct Repeat;
//!
//! impl StepDecoder for Repeat {
//!     fn vocab_size(&self) -> usize {
//!         4
//!     }
//!
//!     fn step(&mut self, tokens: &[u32]) -> StepLogits {
//!         // <pad>, <s>, </s> and the token. The exponentials add up to 4.
//!         let row = [f32::NEG_INFINITY, f32::NEG_INFINITY, 0.0, 3_f32.ln()];
//!         StepLogits {
//!             logits: Logits::All(row.repeat(tokens.len())),
//!             totals: vec![4_f32.ln(); tokens.len()],
//!             attention: Vec::new(),
//!         }
//!     }
//!
//!     fn select(&mut self, _rows: &[usize]) {}
//! }
//!
//! let special = SpecialTokens { bos: 1, eos: 2, unk: None, forbidden: vec![0, 1] };
//! let options = SearchOptions::default().greedy();
//! let search = Search::new(&special, &options, None)?;
//! let request = Request { max_length: 5, ..Request::default() };
//! let translations = search.run(&mut Repeat, &[request])?;
//! // Five times 3/4, and </s> at 1/4.
//! assert_eq!(translations[0][0].tokens, [3; 5]);
//! assert!((translations[0][0].log_probability.exp() - 0.0593).abs() < 1e-4);
//! # Ok::<(), attend_infer::search::SearchError>(())
//! ```

mod banned;
mod beam;
mod constraints;
mod greedy;
mod options;
mod required;
mod row;
mod sample;
mod score;
mod surface;
mod words;

pub use banned::BannedWords;
pub use beam::beam;
pub use greedy::greedy;
pub use options::{
    EXTRA_LENGTH, LengthNormalization, MAX_BEAM_SIZE, Sampling, SearchError, SearchOptions, Stopping, Unknown,
};
pub use required::RequiredWords;
pub use sample::sample;
pub use score::length_divisor;
pub use surface::SurfaceForms;
pub(crate) use words::{BOUNDARY, begins_within_character, patterns, with_boundaries};

use row::{Row, RowLogits};

/// A decoder that a search runs one step at a time. A row is one hypothesis of one sentence.
///
/// A search takes a decoder that has one row for each sentence, in the order of the sentences, and has read no target
/// token yet. The first token that the search feeds to each row is `<s>`.
pub trait StepDecoder {
    /// Returns the size of the target vocabulary.
    fn vocab_size(&self) -> usize;

    /// Extends each row by its token of `tokens` `[rows]`. Returns the logits of the tokens that may come next: of all
    /// tokens, or only of some, which are at least those of the [shortlist](Search::shortlist) of the search.
    fn step(&mut self, tokens: &[u32]) -> StepLogits;

    /// Keeps the rows with these indices, in this order. An index may occur several times or not at all. A search may
    /// select rows before the first step.
    fn select(&mut self, rows: &[usize]);
}

/// The result of a step: the logits of the next token in each row.
#[derive(Debug, Clone, PartialEq)]
pub struct StepLogits {
    /// The logits of the tokens that may come next.
    pub logits: Logits,
    /// The natural logarithm of the sum of the exponentials of all logits of each row, `[rows]`. The log-probability
    /// of a token is its logit minus this total, so a decoder that returns log-probabilities as logits has totals of
    /// 0.
    pub totals: Vec<f32>,
    /// The attention of each row to each source token in this step, row-major `[rows, source_seq]`. It is empty unless
    /// the search has a [coverage penalty](SearchOptions::coverage_penalty).
    pub attention: Vec<f32>,
}

/// The logits of each row.
#[derive(Debug, Clone, PartialEq)]
pub enum Logits {
    /// The logits of all tokens, row-major `[rows, vocab_size]`.
    All(Vec<f32>),
    /// Some tokens of each row with their logits, in the order of their ids: those of the row's [`Shortlist`], or those
    /// among which alone the decoder chooses. No other token may follow.
    Some(Vec<Vec<(u32, f32)>>),
}

/// The few tokens of a row that a search needs. A decoder whose logits are in the memory of a GPU copies only these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortlist {
    /// The number of most probable tokens that the search needs. The tokens of `without` are not counted.
    pub best: usize,
    /// Tokens that are never among the `best`, however probable they are.
    pub without: Vec<u32>,
    /// The token `</s>`, which the search needs in addition to the `best`.
    pub eos: u32,
}

impl StepLogits {
    fn rows(&mut self) -> impl Iterator<Item = Row<'_>> {
        let n_rows = self.totals.len().max(1);
        let source_seq = self.attention.len() / n_rows;
        let attention = &self.attention;
        let rows: Vec<RowLogits<'_>> = match &mut self.logits {
            Logits::All(logits) => {
                let width = logits.len() / n_rows;
                logits.chunks_exact_mut(width).map(RowLogits::All).collect()
            }
            Logits::Some(candidates) => candidates.iter_mut().map(|row| RowLogits::Some(row)).collect(),
        };
        rows.into_iter()
            .zip(&self.totals)
            .enumerate()
            .map(move |(row, (logits, &total))| Row {
                logits,
                total,
                attention: &attention[row * source_seq..(row + 1) * source_seq],
            })
    }
}

/// The tokens that have a meaning for a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecialTokens {
    /// `<s>`, the token that every hypothesis is fed first.
    pub bos: u32,
    /// `</s>`, the token that ends a hypothesis.
    pub eos: u32,
    /// `<unk>`, if the vocabulary has it; [`SearchOptions::unknown`] sets its treatment.
    pub unk: Option<u32>,
    /// Tokens that are never chosen, such as padding and `<s>`.
    pub forbidden: Vec<u32>,
}

/// The constraints on the translations of one sentence, and its number.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The number of tokens that the encoder reads of the source, `</s>` included. Only a search with a
    /// [coverage penalty](SearchOptions::coverage_penalty) uses it.
    pub source_length: usize,
    /// The maximum number of tokens in a translation, `</s>` not counted.
    pub max_length: usize,
    /// The tokens that translations start with, at most `max_length`. No other constraint holds for them.
    pub prefix: Vec<u32>,
    /// The words that every translation has. Only beam search takes them.
    pub required: RequiredWords,
    /// The number of the sentence, from which [`sample`] derives its random numbers. Sentences with equal numbers get
    /// equal random numbers. The [`Translator`](crate::Translator) passes `line << 32 | sentence`: the index of the
    /// line in the input, and the index of the sentence in the line.
    pub number: u64,
}

/// A complete translation.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// The token ids of the translation, its forced prefix included, without `<s>` and `</s>`.
    pub tokens: Vec<u32>,
    /// Natural logarithm of the translation's probability, `</s>` included if the translation ends in one. It
    /// includes the [repetition penalty](SearchOptions::repetition_penalty), but not the temperature, top-k and top-p
    /// of sampling.
    pub log_probability: f32,
    /// The log-probability divided by the length divisor, plus the coverage penalty; see [`SearchOptions::score`].
    /// Higher is better.
    pub score: f32,
}

/// A search: its options, the special tokens of the vocabulary, and the banned words.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    special: &'a SpecialTokens,
    options: &'a SearchOptions,
    banned: Option<&'a BannedWords>,
}

impl<'a> Search<'a> {
    /// Makes a search with these options. Its translations have none of the `banned` words.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`SearchOptions::validate`], and [`SearchError::BannedCopies`] if there are banned words
    /// and unknown words are copied.
    pub fn new(
        special: &'a SpecialTokens,
        options: &'a SearchOptions,
        banned: Option<&'a BannedWords>,
    ) -> Result<Self, SearchError> {
        options.validate()?;
        if banned.is_some() {
            options.validate_with_banned_words()?;
        }
        Ok(Self {
            special,
            options,
            banned,
        })
    }

    /// Returns the tokens of each row that the search needs for these `requests`. Returns `None` if it needs the
    /// logits of all tokens: if the tokens of a hypothesis decide which tokens may follow it, or if tokens are drawn
    /// at random.
    #[must_use]
    pub fn shortlist(&self, requests: &[Request]) -> Option<Shortlist> {
        let Self { special, options, .. } = *self;
        let is_constrained = |request: &Request| {
            let Request {
                prefix,
                required,
                source_length: _,
                max_length: _,
                number: _,
            } = request;
            !prefix.is_empty() || !required.is_empty()
        };
        if options.needs_all_logits() || self.banned.is_some() || requests.iter().any(is_constrained) {
            return None;
        }
        let unk = special.unk.filter(|_| options.unknown == Unknown::Forbid);
        let never = special.forbidden.iter().copied().chain(unk);
        Some(Shortlist {
            best: match options.stopping {
                Stopping::Exact => options.beam_size,
                Stopping::CTranslate2 | Stopping::Transformers | Stopping::TransformersEarly => {
                    2 * options.beam_size
                }
            },
            without: never.chain([special.eos]).collect(),
            eos: special.eos,
        })
    }

    /// Finds the translations of each sentence. `decoder` has a row for each of the `requests`. The search is
    /// [`sample`] if the options have `sampling`, [`greedy`] if `beam_size` is 1, else [`beam`]. The list of a
    /// sentence is empty if the search found no translation with all of its required words.
    ///
    /// # Errors
    ///
    /// Returns [`SearchError::Required`] if a request has required words and the options do not go with them.
    ///
    /// # Panics
    ///
    /// If the decoder breaks the contract of [`StepDecoder`], or if `</s>` is not in its vocabulary.
    pub fn run<D: StepDecoder + ?Sized>(
        &self,
        decoder: &mut D,
        requests: &[Request],
    ) -> Result<Vec<Vec<Hypothesis>>, SearchError> {
        if requests.iter().any(|request| !request.required.is_empty()) {
            self.options.validate_with_required_words()?;
        }
        match self.options {
            SearchOptions {
                sampling: Some(_), ..
            } => Ok(sample(self, decoder, requests)),
            SearchOptions { beam_size: 1, .. } => {
                let best = greedy(self, decoder, requests);
                Ok(best.into_iter().map(|hypothesis| vec![hypothesis]).collect())
            }
            _ => Ok(beam(self, decoder, requests)),
        }
    }
}

/// Runs one step.
///
/// # Panics
///
/// If the decoder does not return as many logits and totals as [`StepDecoder::step`] must.
fn step<D: StepDecoder + ?Sized>(decoder: &mut D, tokens: &[u32]) -> StepLogits {
    let step = decoder.step(tokens);
    let n_rows = tokens.len();
    let is_whole = match &step.logits {
        Logits::All(logits) => logits.len() == n_rows * decoder.vocab_size(),
        Logits::Some(candidates) => candidates.len() == n_rows,
    };
    assert!(
        is_whole && step.totals.len() == n_rows,
        "a step returns the logits and the total of each row"
    );
    step
}

/// Makes the decoder keep `rows` of its `n_rows`. The decoder is not called if this would change nothing or leave no
/// row.
fn keep_rows<D: StepDecoder + ?Sized>(decoder: &mut D, rows: &[usize], n_rows: usize) {
    let unchanged = rows.iter().copied().eq(0..n_rows);
    if !rows.is_empty() && !unchanged {
        decoder.select(rows);
    }
}

//! Search for translations: for the most probable ones by [`greedy`] and [`beam`] search, or at random by [`sample`].
//!
//! A search works on logits and token ids and knows no network: it takes any [`StepDecoder`]. It decodes a batch of
//! sentences side by side. Neither the sentences that share a batch nor their order change a result, provided that the
//! decoder keeps its rows apart.
//!
//! | file | content |
//! |---|---|
//! | `options` | [`SearchOptions`]: all options of a search, with their sources |
//! | `row` | the logits of the token that follows a hypothesis: all of them, or a [`Shortlist`] |
//! | `constraints` | the tokens that may follow a hypothesis, in every search |
//! | `surface` | the text that tokens spell, and the places where words end in it |
//! | `banned`, `required` | words that no translation has, and words that every translation has |
//! | `score` | the numbers by which translations are ranked |
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

pub use banned::BannedWords;
pub use beam::beam;
pub use greedy::greedy;
pub use options::{
    EXTRA_LENGTH, LengthNormalization, MAX_BEAM_SIZE, Sampling, SearchError, SearchOptions, Stopping, Unknown,
};
pub use required::RequiredWords;
pub use sample::sample;
pub use score::length_penalty;
pub use surface::SurfaceForms;

use row::{Row, RowLogits};

/// A decoder that a search drives a step at a time. A row is one hypothesis of one sentence.
///
/// A search takes a decoder that holds one row for each sentence, in the order of the sentences, and no token yet. The
/// first token that the search feeds to each row is `<s>`.
pub trait StepDecoder {
    /// Returns the size of the target vocabulary.
    fn vocab_size(&self) -> usize;

    /// Extends each row by its token of `tokens` `[rows]`. Returns the logits of the tokens that may come next: all of
    /// them, or the [shortlist](Search::shortlist) of the search that drives the decoder.
    fn step(&mut self, tokens: &[u32]) -> StepLogits;

    /// Keeps the given rows in the given order. A row may be named several times or not at all. A search may select rows
    /// before the first step.
    fn select(&mut self, rows: &[usize]);
}

/// The result of a step: what may come next in each row.
#[derive(Debug, Clone, PartialEq)]
pub struct StepLogits {
    /// The logits of the tokens that may come next.
    pub logits: Logits,
    /// The logarithm of the sum of the exponentials of all logits, `[rows]`. A token's log-probability is its logit less
    /// this total, so a decoder that returns log-probabilities as logits has totals of 0.
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
    /// The tokens of each row's [`Shortlist`] with their logits, row-major `[rows, best + 1]`, in any order.
    Shortlist(Vec<(u32, f32)>),
}

/// The few tokens of a row that a search needs. A decoder whose logits are in the memory of a GPU copies these alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortlist {
    /// The number of most probable tokens that the search needs, those of `without` not counted.
    pub best: usize,
    /// Tokens that are not among the `best`.
    pub without: Vec<u32>,
    /// `</s>`, which the search needs besides the `best`.
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
            Logits::Shortlist(candidates) => {
                let width = candidates.len() / n_rows;
                candidates
                    .chunks_exact_mut(width)
                    .map(RowLogits::Shortlist)
                    .collect()
            }
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
    /// `<unk>`, if the vocabulary has one: see [`SearchOptions::unknown`].
    pub unk: Option<u32>,
    /// Tokens that are never chosen, such as padding and `<s>`.
    pub forbidden: Vec<u32>,
}

/// What one sentence asks of its translations.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The number of source tokens, `</s>` included, for a [coverage penalty](SearchOptions::coverage_penalty). Other
    /// searches ignore it.
    pub source_length: usize,
    /// Most tokens in a translation, `</s>` not counted.
    pub max_length: usize,
    /// The tokens that translations start with, at most `max_length`. No other constraint holds for them.
    pub prefix: Vec<u32>,
    /// The words that every translation has.
    pub required: RequiredWords,
    /// The place of the sentence in the input, on which its random numbers depend.
    pub number: u64,
}

/// A complete translation.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// The token ids of the translation, its forced prefix included, without `<s>` and `</s>`.
    pub tokens: Vec<u32>,
    /// Natural logarithm of the translation's probability, `</s>` included if the translation ends in one. A repetition
    /// penalty changes it; temperature, top-k and top-p of sampling do not.
    pub log_probability: f32,
    /// The number by which translations are ranked: see [`SearchOptions::score`].
    pub score: f32,
}

/// A search: its options, the special tokens of its vocabulary, and the words that it keeps out.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    special: &'a SpecialTokens,
    options: &'a SearchOptions,
    banned: Option<&'a BannedWords>,
}

impl<'a> Search<'a> {
    /// Makes a search with these options, whose translations have none of the `banned` words.
    ///
    /// # Errors
    ///
    /// Those of [`SearchOptions::validate`], and [`SearchError::BannedCopies`] if unknown words are copied, one of which
    /// could be banned.
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

    /// Returns the tokens of a row that the search needs, or `None` if they depend on the tokens before them, so that the
    /// search needs all.
    #[must_use]
    pub fn shortlist(&self, requests: &[Request]) -> Option<Shortlist> {
        let Self { special, options, .. } = *self;
        let asks = |request: &Request| !request.prefix.is_empty() || !request.required.is_empty();
        let depends_on_the_tokens = options.sampling.is_some()
            || options.repetition_penalty != 1.0
            || options.no_repeat_ngram > 0
            || self.banned.is_some()
            || requests.iter().any(asks);
        if depends_on_the_tokens {
            return None;
        }
        let unk = special.unk.filter(|_| options.unknown == Unknown::Forbid);
        let never = special.forbidden.iter().copied().chain(unk);
        Some(Shortlist {
            best: match options.stopping {
                Stopping::Exact => options.beam_size,
                Stopping::CTranslate2 => 2 * options.beam_size,
            },
            without: never.chain([special.eos]).collect(),
            eos: special.eos,
        })
    }

    /// Finds the translations of each sentence in `decoder`. The options choose the search: [`sample`] if they have
    /// `sampling`, [`greedy`] for a beam of 1, else [`beam`]. A sentence has no translation if none was found that has
    /// all of its required words.
    ///
    /// # Errors
    ///
    /// [`SearchError::Required`] if a sentence requires words of a search that has no place for them.
    ///
    /// # Panics
    ///
    /// If the decoder breaks its contract, or `</s>` is not in its vocabulary.
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
                sampling: Some(sampling),
                ..
            } => Ok(sample(self, decoder, requests, sampling)),
            SearchOptions { beam_size: 1, .. } => {
                let best = greedy(self, decoder, requests);
                Ok(best.into_iter().map(|hypothesis| vec![hypothesis]).collect())
            }
            _ => Ok(beam(self, decoder, requests)),
        }
    }
}

/// Runs one step, and checks that the decoder returns what [`StepDecoder::step`] promises.
fn step<D: StepDecoder + ?Sized>(decoder: &mut D, tokens: &[u32]) -> StepLogits {
    let step = decoder.step(tokens);
    let n_rows = tokens.len();
    let (is_whole, what) = match &step.logits {
        Logits::All(logits) => (logits.len() == n_rows * decoder.vocab_size(), "token"),
        Logits::Shortlist(candidates) => (
            !candidates.is_empty() && candidates.len().is_multiple_of(n_rows),
            "token of its shortlist",
        ),
    };
    assert!(
        is_whole && step.totals.len() == n_rows,
        "a step returns one logit for each row and {what}, and one total for each row"
    );
    step
}

/// Makes the decoder keep `rows` of its `n_rows`. The decoder is not called if that changes nothing or leaves no row.
fn keep_rows<D: StepDecoder + ?Sized>(decoder: &mut D, rows: &[usize], n_rows: usize) {
    let unchanged = rows.iter().copied().eq(0..n_rows);
    if !rows.is_empty() && !unchanged {
        decoder.select(rows);
    }
}

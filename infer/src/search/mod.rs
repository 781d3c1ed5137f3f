//! Searches for translations: the most probable ones by [`greedy`] and [`beam`] search, or some at random by
//! [`sample`]. A search sees logits and token ids, never a layer: whatever implements [`StepDecoder`] can be searched.
//!
//! A search decodes a batch of sentences side by side. Which sentences share the batch, and in which order, changes
//! no result, provided that the decoder keeps its rows apart.
//!
//! | file | what it holds |
//! |---|---|
//! | `options` | [`SearchOptions`]: everything that can be asked of a search, with its source |
//! | `row` | the logits of the token that follows a hypothesis: all, or a [`Shortlist`] |
//! | `constraints` | what may follow a hypothesis, for all searches alike |
//! | `surface` | the text that tokens spell, and where words end in it |
//! | `banned`, `required` | words that no translation has, and that each must have |
//! | `score` | what translations are ranked by |
//! | `greedy`, `beam`, `sample` | the searches |

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

/// Decodes one step at a time. A row is one hypothesis of one sentence.
///
/// A search takes a decoder that holds one row a sentence, in the sentences' order, and no token yet. It feeds
/// `<s>` first.
pub trait StepDecoder {
    /// Size of the target vocabulary.
    fn vocab_size(&self) -> usize;

    /// Extends each row by its token and returns the logits of the next one: all of them, or the
    /// [shortlist](Search::shortlist) of the search that it is for.
    fn step(&mut self, tokens: &[u32]) -> StepLogits;

    /// Keeps the given rows in the given order. A row may be named several times or not at all. It may come before the
    /// first step.
    fn select(&mut self, rows: &[usize]);
}

/// What a step finds out about the next token of each row.
#[derive(Debug, Clone, PartialEq)]
pub struct StepLogits {
    /// Of the tokens that may come next.
    pub logits: Logits,
    /// `[rows]`: the logarithm of the sum of a row's exponentials. A token's log-probability is its logit less that, so
    /// the total of log-probabilities is 0.
    pub totals: Vec<f32>,
    /// Row-major `[rows, source_seq]`: how much each row looks at each source token to find the next token. Empty, but
    /// where a [coverage penalty](SearchOptions::coverage_penalty) needs it.
    pub attention: Vec<f32>,
}

/// What a step finds out about each token, or about those that matter.
#[derive(Debug, Clone, PartialEq)]
pub enum Logits {
    /// Row-major `[rows, vocab_size]`.
    All(Vec<f32>),
    /// Row-major `[rows, best + 1]`: the [`Shortlist`] of each row, in any order, tokens with their logits.
    Shortlist(Vec<(u32, f32)>),
}

/// The few tokens of a row that a search looks at: for a decoder whose logits are not in memory, to have only these
/// brought there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortlist {
    /// How many of the most probable tokens,
    pub best: usize,
    /// not counting these,
    pub without: Vec<u32>,
    /// and `</s>`, which is none of them.
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

/// The token ids that mean something to a search.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecialTokens {
    /// `<s>`: what every hypothesis is fed first.
    pub bos: u32,
    /// `</s>`: what ends a hypothesis.
    pub eos: u32,
    /// `<unk>`, where there is one: see [`SearchOptions::unknown`].
    pub unk: Option<u32>,
    /// Tokens that are never chosen, such as padding and `<s>`.
    pub forbidden: Vec<u32>,
}

/// What is asked of the translations of one sentence.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// How many tokens the source has, `</s>` included: a [coverage penalty](SearchOptions::coverage_penalty) counts
    /// them; else it may be 0.
    pub source_length: usize,
    /// How many tokens they may have, `</s>` not counted.
    pub max_length: usize,
    /// The tokens that they start with, at most `max_length`, whatever else is asked.
    pub prefix: Vec<u32>,
    /// The words that they all have.
    pub required: RequiredWords,
    /// The sentence's place in the input, on which its random numbers depend.
    pub number: u64,
}

/// A complete translation.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// Token ids, without `<s>` and `</s>`, with the prefix that was asked for.
    pub tokens: Vec<u32>,
    /// Natural logarithm of the translation's probability, `</s>` included where there is one. A repetition penalty
    /// counts, sampling's temperature and limits do not.
    pub log_probability: f32,
    /// What translations are ranked by: see [`SearchOptions::score`].
    pub score: f32,
}

/// What is searched for, and the vocabulary that it is made of.
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    special: &'a SpecialTokens,
    options: &'a SearchOptions,
    banned: Option<&'a BannedWords>,
}

impl<'a> Search<'a> {
    /// A search for translations as `options` ask for them, which have none of the `banned` words.
    ///
    /// # Errors
    /// If the options are not valid, or copy words that may be banned.
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

    /// The tokens that the search looks at, whatever comes before them; `None` where that may be any.
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

    /// The translations of the sentences in `decoder`, by the search that the options ask for: [`sample`] where they
    /// have `sampling`, [`greedy`] for a beam of 1, else [`beam`].
    ///
    /// # Errors
    /// If a sentence requires words of a search that has no place for them, or that finds no translation with them.
    ///
    /// # Panics
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

/// Runs one step and checks the decoder's side of the contract.
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

/// Makes the decoder keep `rows` of its `n_rows`, without asking it to where that changes nothing or no row is left.
fn keep_rows<D: StepDecoder + ?Sized>(decoder: &mut D, rows: &[usize], n_rows: usize) {
    let unchanged = rows.iter().copied().eq(0..n_rows);
    if !rows.is_empty() && !unchanged {
        decoder.select(rows);
    }
}

//! Words that every translation has.
//!
//! Lexically constrained decoding (Hokamp and Liu 2017, "Lexically Constrained Decoding for Sequence Generation Using
//! Grid Beam Search") with dynamic beam allocation (Post and Vilar 2018, "Fast Lexically Constrained Decoding with
//! Dynamic Beam Allocation for Neural Machine Translation"): besides the most probable tokens, each hypothesis is
//! extended by those that bring a required word nearer. The extensions are put into banks by how many tokens of the
//! required words they have, and the beam is divided among the banks, so that hypotheses that lag behind in
//! probability but are ahead in required words live on.

use std::sync::Arc;

use super::options::{SearchError, SearchOptions, Stopping};
use super::surface::SurfaceForms;

/// Words or phrases that all translations of a sentence have.
///
/// A word is there where the hypothesis has it from one boundary of words to another (see [`SurfaceForms`]), in
/// one of its spellings. That is the tokenizer's own choice of tokens for the word; a hypothesis that spells it
/// otherwise does not have it. The order of the words is free, and two may overlap.
#[derive(Debug, Clone, Default)]
pub struct RequiredWords(Option<Arc<Words>>);

#[derive(Debug)]
struct Words {
    /// Of each word: its tokens, first as they are within a sentence.
    spellings: Vec<Vec<Vec<u32>>>,
    surfaces: Arc<SurfaceForms>,
}

/// What a hypothesis has of the required words.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Tokens of those that it has, and of the one that it ends in the middle of.
    pub(super) tokens: usize,
    /// Tokens that bring a word nearer.
    pub(super) next: Vec<u32>,
}

impl RequiredWords {
    /// Requires words. Each is given by its spellings, and first of them the one that follows other words; others may
    /// be those at the start of a sentence. Spellings without a token require nothing.
    #[must_use]
    pub fn new(mut spellings: Vec<Vec<Vec<u32>>>, surfaces: Arc<SurfaceForms>) -> Self {
        spellings
            .iter_mut()
            .for_each(|word| word.retain(|spelling| !spelling.is_empty()));
        spellings.retain(|word| !word.is_empty());
        let required = !spellings.is_empty();
        Self(required.then(|| Arc::new(Words { spellings, surfaces })))
    }

    /// Whether no word is required.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// How many tokens the words have together.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.0.as_ref().map_or(0, |words| words.tokens())
    }

    /// Whether a translation of these tokens has all words.
    #[must_use]
    pub fn are_met(&self, tokens: &[u32]) -> bool {
        let Some(words) = &self.0 else { return true };
        words.spellings.iter().all(|word| words.has(tokens, word))
    }

    pub(super) fn progress(&self, tokens: &[u32]) -> Progress {
        self.0
            .as_ref()
            .map_or_else(Progress::default, |words| words.progress(tokens))
    }
}

impl Words {
    fn tokens(&self) -> usize {
        self.spellings.iter().map(|word| word[0].len()).sum()
    }

    fn has(&self, tokens: &[u32], word: &[Vec<u32>]) -> bool {
        let boundary = |place| self.surfaces.is_boundary(tokens, place);
        word.iter().any(|spelling| {
            let mut windows = tokens.windows(spelling.len()).enumerate();
            windows.any(|(place, window)| {
                window == spelling && boundary(place) && boundary(place + spelling.len())
            })
        })
    }

    fn progress(&self, tokens: &[u32]) -> Progress {
        let mut progress = Progress::default();
        let mut furthest = 0;
        for word in &self.spellings {
            if self.has(tokens, word) {
                progress.tokens += word[0].len();
                continue;
            }
            // The spelling within a sentence may begin with a space, which no sentence does.
            let skipped = usize::from(tokens.is_empty() && word.len() > 1);
            for spelling in &word[skipped..] {
                let Some(begun) = self.begun(tokens, spelling) else {
                    continue;
                };
                furthest = furthest.max(begun.min(word[0].len() - 1));
                if !progress.next.contains(&spelling[begun]) {
                    progress.next.push(spelling[begun]);
                }
            }
        }
        progress.tokens += furthest;
        progress
    }

    /// How many of its first tokens the hypothesis ends in, or `None` where it cannot even begin.
    fn begun(&self, tokens: &[u32], spelling: &[u32]) -> Option<usize> {
        let longest = tokens.len().min(spelling.len() - 1);
        (0..=longest).rev().find(|&begun| {
            let place = tokens.len() - begun;
            let with_next = [tokens, &spelling[begun..]].concat();
            tokens[place..] == spelling[..begun] && self.surfaces.is_boundary(&with_next, place)
        })
    }
}

impl SearchOptions {
    /// Checks that the options, valid ones, leave room for required words.
    ///
    /// # Errors
    /// With greedy search and sampling, which have no beam to divide; with the end of CTranslate2's beams, which takes
    /// hypotheses as they are; and with `no_repeat_ngram`, which may forbid what is required.
    pub(crate) fn validate_with_required_words(&self) -> Result<(), SearchError> {
        let contradiction = if self.sampling.is_some() {
            "`sampling`"
        } else if self.beam_size == 1 {
            "a `beam_size` of 1"
        } else if self.stopping == Stopping::CTranslate2 {
            "`stopping` as CTranslate2 has it"
        } else if self.no_repeat_ngram > 0 {
            "`no_repeat_ngram`"
        } else {
            return Ok(());
        };
        Err(SearchError::Required(contradiction))
    }
}

/// How many of each bank's candidates a beam keeps: of a bank for each number of tokens met, as many. What cannot be
/// divided goes to the last, whose hypotheses have all words; what a bank has no candidates for, to the others, the
/// last first.
pub(super) fn allocate(candidates: &[usize], beam_size: usize) -> Vec<usize> {
    let banks = candidates.len();
    let mut slots: Vec<usize> = candidates
        .iter()
        .map(|&count| count.min(beam_size / banks))
        .collect();
    let mut free = beam_size - slots.iter().sum::<usize>();
    for (slots, &count) in slots.iter_mut().zip(candidates).rev() {
        let more = free.min(count - *slots);
        *slots += more;
        free -= more;
    }
    slots
}

//! Words that every translation has.
//!
//! This is lexically constrained decoding (Hokamp and Liu 2017, "Lexically Constrained Decoding for Sequence
//! Generation Using Grid Beam Search") with dynamic beam allocation (Post and Vilar 2018, "Fast Lexically Constrained
//! Decoding with Dynamic Beam Allocation for Neural Machine Translation"). Each hypothesis is extended by its most
//! probable tokens, and by the tokens that begin or continue a required word. The bank of an extension is its number
//! of tokens of required words, and the beam is divided among the banks. A hypothesis that is less probable than
//! others, but has more of the required words, therefore stays in the beam.

use std::sync::Arc;

use super::options::{SearchError, SearchOptions, Stopping};
use super::row::Row;
use super::surface::{SurfaceForms, begins_with_character};
use super::words::{patterns, with_boundaries};

/// Words or phrases that all translations of a sentence have.
///
/// A hypothesis has a word if its text has the word from one boundary of words to another (see [`SurfaceForms`]), as
/// [`BannedWords`](super::BannedWords) finds it, whichever tokens spell the text. The search itself spells a missing
/// word by one of the word's spellings, the sequences of tokens to which the tokenizer encodes it. The order of the
/// words is free, and two of them may overlap.
#[derive(Debug, Clone, Default)]
pub struct RequiredWords(Option<Arc<Words>>);

#[derive(Debug)]
struct Words {
    /// The spellings of each word, each a sequence of tokens. The first spelling is the one after a space.
    spellings: Vec<Vec<Vec<u32>>>,
    /// The patterns of each word in the bytes of a text with boundaries.
    patterns: Vec<Vec<Vec<u8>>>,
    surfaces: Arc<SurfaceForms>,
}

/// The part of the required words that a hypothesis has.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// The number of tokens of the words that the hypothesis has. A word counts as many tokens as its first spelling
    /// has. If the hypothesis ends in the first tokens of a missing word, these count, too: with `Ap` `fel` required, a
    /// hypothesis that ends in `Ap` counts 1.
    pub(super) tokens: usize,
    /// The tokens that begin or continue a missing word.
    pub(super) next: Vec<u32>,
}

impl RequiredWords {
    /// Requires words, each given by its spellings. The first spelling of a word is the one after a space. Further
    /// spellings may be those directly after other characters. Spellings without a token require nothing.
    #[must_use]
    pub fn new(mut spellings: Vec<Vec<Vec<u32>>>, surfaces: Arc<SurfaceForms>) -> Self {
        spellings
            .iter_mut()
            .for_each(|word| word.retain(|spelling| !spelling.is_empty()));
        spellings.retain(|word| !word.is_empty());
        let of_word = |word: &Vec<Vec<u32>>| {
            let mut found: Vec<Vec<u8>> = word
                .iter()
                .flat_map(|spelling| patterns(&String::from_utf8_lossy(&surfaces.text(spelling))))
                .collect();
            found.sort_unstable();
            found.dedup();
            found
        };
        let patterns = spellings.iter().map(of_word).collect();
        let required = !spellings.is_empty();
        Self(required.then(|| {
            Arc::new(Words {
                spellings,
                patterns,
                surfaces,
            })
        }))
    }

    /// Returns whether no word is required.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Returns the number of tokens of all words together, each in its first spelling.
    pub(super) fn tokens(&self) -> usize {
        self.0.as_ref().map_or(0, |words| words.tokens())
    }

    /// Returns the tokens of all spellings of the words. Some may occur several times.
    pub(crate) fn spelling_tokens(&self) -> impl Iterator<Item = u32> {
        let spellings = self.0.iter().flat_map(|words| &words.spellings);
        spellings.flatten().flatten().copied()
    }

    /// Returns whether a translation of these tokens has all words.
    #[must_use]
    pub fn are_met(&self, tokens: &[u32]) -> bool {
        let Some(words) = &self.0 else { return true };
        let text = words.text(tokens);
        words.patterns.iter().all(|word| has(&text, word))
    }

    /// Forbids, in the row of a hypothesis that ends within a character, the tokens that do not go on with the
    /// character. The search may have begun the character, as a part of a word, against the model's odds.
    pub(super) fn keep_characters_whole(&self, tokens: &[u32], row: &mut Row<'_>) {
        let Some(words) = &self.0 else { return };
        let part = words.surfaces.incomplete_character(tokens);
        if part.is_empty() {
            return;
        }
        for (token, form) in words.surfaces.iter() {
            let text = [&part, form].concat();
            let goes_on = text.len() > part.len() && begins_with_character(&text);
            if !goes_on {
                row.forbid(token);
            }
        }
    }

    /// Returns the part of the words that a hypothesis of these tokens has.
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

    /// Returns the bytes of the text of tokens, with the boundaries of words.
    fn text(&self, tokens: &[u32]) -> Vec<u8> {
        with_boundaries(&String::from_utf8_lossy(&self.surfaces.text(tokens)))
    }

    fn progress(&self, tokens: &[u32]) -> Progress {
        let mut progress = Progress::default();
        let mut furthest = 0;
        let text = self.text(tokens);
        for (word, patterns) in self.spellings.iter().zip(&self.patterns) {
            if has(&text, patterns) {
                progress.tokens += word[0].len();
                continue;
            }
            for spelling in word {
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

    /// Returns the number of tokens at the end of the hypothesis that are the beginning of the spelling; 0 if the
    /// spelling may begin with the next token, and `None` if it may not.
    fn begun(&self, tokens: &[u32], spelling: &[u32]) -> Option<usize> {
        let longest = tokens.len().min(spelling.len() - 1);
        (0..=longest).rev().find(|&begun| {
            let place = tokens.len() - begun;
            tokens[place..] == spelling[..begun] && {
                let with_next = [tokens, &spelling[begun..]].concat();
                self.surfaces.is_boundary(&with_next, place)
            }
        })
    }
}

/// Returns whether a text with boundaries has a word, given the patterns of the word.
fn has(text: &[u8], patterns: &[Vec<u8>]) -> bool {
    let has_pattern = |pattern: &Vec<u8>| text.windows(pattern.len()).any(|window| window == pattern);
    patterns.iter().any(has_pattern)
}

impl SearchOptions {
    /// Returns the options of a search for translations that have required words, as near to these as possible: beam
    /// search, with the default beam in place of greedy search, that stops by [`Stopping::Exact`], without `sampling`
    /// and `no_repeat_ngram`.
    #[must_use]
    pub fn for_required_words(self) -> Self {
        Self {
            beam_size: match self.beam_size {
                0 | 1 => Self::default().beam_size,
                beam_size => beam_size,
            },
            stopping: Stopping::Exact,
            no_repeat_ngram: 0,
            sampling: None,
            ..self
        }
    }

    /// Checks that the options, which must be valid, allow for required words.
    ///
    /// # Errors
    ///
    /// Returns [`SearchError::Required`] for greedy search and sampling, which have no beam to divide; for rules of
    /// stopping other than [`Stopping::Exact`], which do not divide the beam and may complete hypotheses without all
    /// words; and for `no_repeat_ngram`, which may forbid a required word.
    pub(crate) fn validate_with_required_words(&self) -> Result<(), SearchError> {
        let (field, setting) = if self.sampling.is_some() {
            ("sampling", "`sampling`")
        } else if self.beam_size == 1 {
            ("beam_size", "a `beam_size` of 1")
        } else if self.stopping != Stopping::Exact {
            ("stopping", "`stopping` by another rule than \"exact\"")
        } else if self.no_repeat_ngram > 0 {
            ("no_repeat_ngram", "`no_repeat_ngram`")
        } else {
            return Ok(());
        };
        Err(SearchError::Required { field, setting })
    }
}

/// Returns how many candidates of each bank a beam keeps. Every bank gets an equal share. The remainder, and the slots
/// for which a bank has no candidates, go to the other banks, the last one first, whose hypotheses have all words.
///
/// For example, a beam of 7 whose three banks have 1, 5 and 5 candidates keeps 1, 2 and 4 of them.
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

#[cfg(test)]
mod tests {
    use super::super::row::RowLogits;
    use super::*;

    #[test]
    fn a_character_that_was_begun_is_completed() {
        let bytes = |bytes: &[u8]| bytes.to_vec();
        let forms = [b"".as_slice(), b"a", b"\xe2", b"\x82", b"\x82\xac!", b"\xac"].map(bytes);
        let words = RequiredWords::new(
            vec![vec![vec![2, 3, 5]]],
            Arc::new(SurfaceForms::new(forms.into())),
        );
        let follow = |tokens: &[u32]| {
            let logits = &mut [1.0; 6];
            let mut row = Row {
                logits: RowLogits::All(logits),
                total: 0.0,
                attention: &[],
            };
            words.keep_characters_whole(tokens, &mut row);
            let possible = row.possible().into_iter().map(|(token, _)| token);
            possible.collect::<Vec<u32>>()
        };
        // The euro sign is E2 82 AC; E2 82 82 and E2 AC 82 are characters, too.
        assert_eq!(follow(&[]), [0, 1, 2, 3, 4, 5]);
        assert_eq!(follow(&[1, 2]), [3, 4, 5]);
        assert_eq!(follow(&[1, 2, 3]), [3, 4, 5]);
        assert_eq!(follow(&[2, 3, 5]), [0, 1, 2, 3, 4, 5]);
        // What is broken already cannot be mended.
        assert_eq!(follow(&[2, 1]), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_beam_is_divided_among_banks() {
        assert_eq!(allocate(&[1, 5, 5], 7), [1, 2, 4]);
        assert_eq!(allocate(&[5, 5, 1], 7), [2, 4, 1]);
        assert_eq!(allocate(&[3, 0], 2), [2, 0]);
        assert_eq!(allocate(&[2, 2, 2], 1), [0, 0, 1]);
    }
}

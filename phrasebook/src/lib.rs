//! The embedded English-German corpus of Attend: sentences from a synchronous grammar over a lexicon, the same on every
//! machine and in every run.
//!
//! The grammar draws a tree at random that holds what a sentence means. Two readers turn the tree into an English and a
//! German sentence, each with the word order and the agreement of its language. The words are tables in
//! `phrasebook/lexicon/`.
//!
//! The English sentence determines the German one, so that a translator is either right or wrong: "you" is always "du",
//! the simple present is the Präsens, the present perfect is the Perfekt, and every word has one translation in its
//! context.
//!
//! ```
//! use attend_phrasebook::Phrasebook;
//!
//! let test = Phrasebook::generate().test;
//! assert_eq!(test[0].english, "The old teacher does not buy the red bicycle.");
//! assert_eq!(test[0].german, "Der alte Lehrer kauft das rote Fahrrad nicht.");
//! ```

mod clock;
mod conjugation;
mod declension;
mod derive;
mod dice;
mod english;
mod features;
mod german;
mod lexicon;
mod numbers;
mod text;
mod tree;

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use derive::Deriver;
use features::{Determiner, Number};
use lexicon::Lexicon;
use tree::{Clause, NounPhrase, Sentence};

/// A sentence in two languages.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pair {
    /// The English sentence.
    pub english: String,
    /// The German translation of the English sentence.
    pub german: String,
}

/// The corpus in three parts. No sentence, English or German, occurs twice in the corpus.
#[derive(Clone, Debug)]
pub struct Phrasebook {
    /// 20,000 pairs to train on.
    pub train: Vec<Pair>,
    /// 500 pairs to validate on while training goes on.
    pub valid: Vec<Pair>,
    /// 500 pairs to score a finished model on. The first is "The old teacher does not buy the red bicycle."
    pub test: Vec<Pair>,
}

const TRAIN_PAIRS: usize = 20_000;
const HELD_OUT_PAIRS: usize = 500;
const SEED: u64 = 1;

/// The most words of an English sentence.
const MAX_WORDS: usize = 16;

impl Phrasebook {
    /// Derives the corpus. That takes about a second.
    #[must_use]
    pub fn generate() -> Self {
        let lexicon = Lexicon::embedded();
        let showcase = pair(&showcase(&lexicon));
        let mut source = NewPairs {
            deriver: Deriver::new(&lexicon, SEED),
            seen: HashSet::new(),
        };
        source.remember(&showcase);

        let train: Vec<_> = source.by_ref().take(TRAIN_PAIRS).collect();
        let vocabulary: HashSet<_> = train.iter().flat_map(words).map(str::to_owned).collect();
        let numerals: HashSet<_> = (1..10_000).map(numbers::german).collect();
        let mut held_out = source
            .filter(|pair| words(pair).all(|word| vocabulary.contains(word) || numerals.contains(word)));
        let valid = held_out.by_ref().take(HELD_OUT_PAIRS).collect();
        let test = std::iter::once(showcase)
            .chain(held_out)
            .take(HELD_OUT_PAIRS)
            .collect();
        Self { train, valid, test }
    }
}

/// An endless stream of pairs whose sentences are all different.
struct NewPairs<'l> {
    deriver: Deriver<'l>,
    /// The sentences of both languages: no sentence of this corpus is both English and German.
    seen: HashSet<String>,
}

impl NewPairs<'_> {
    /// Remembers the sentences of a pair that are both new, and returns whether they were.
    fn remember(&mut self, pair: &Pair) -> bool {
        let is_new = !self.seen.contains(&pair.english) && !self.seen.contains(&pair.german);
        if is_new {
            self.seen.extend([pair.english.clone(), pair.german.clone()]);
        }
        is_new
    }
}

impl Iterator for NewPairs<'_> {
    type Item = Pair;

    fn next(&mut self) -> Option<Pair> {
        loop {
            let pair = pair(&self.deriver.sentence());
            if pair.english.split(' ').count() <= MAX_WORDS && self.remember(&pair) {
                return Some(pair);
            }
        }
    }
}

fn pair(tree: &Sentence) -> Pair {
    Pair {
        english: english::sentence(tree),
        german: german::sentence(tree),
    }
}

/// Returns the words of both sentences, without punctuation.
fn words(pair: &Pair) -> impl Iterator<Item = &str> {
    [&pair.english, &pair.german]
        .into_iter()
        .flat_map(|text| text.split(' '))
        .map(|word| word.trim_end_matches(['.', ',', '?']))
}

/// Returns the sentence that the documentation translates: "The old teacher does not buy the red bicycle."
fn showcase(lexicon: &Lexicon) -> Sentence<'_> {
    let definite = |adjective, noun| NounPhrase::Noun {
        determiner: Determiner::Definite,
        adjective: Some(lexicon.adjective(adjective)),
        noun: lexicon.noun(noun),
        number: Number::Singular,
        relative: None,
    };
    let mut clause = Clause::new(definite("old", "teacher"), lexicon.verb("buy", "kaufen"));
    clause.negated = true;
    clause.direct = Some(definite("red", "bicycle"));
    Sentence::Statement { front: None, clause }
}

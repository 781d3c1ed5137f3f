//! The embedded English-German corpus: a synchronous grammar over a lexicon, always the same sentences.
//!
//! `derive` draws trees at random that say what a sentence means (`tree`); `english` and `german` read a tree,
//! each with its own word order and agreement. The words are tables in `data/lexicon/`.
//!
//! The English determines the German. "You" is "du", the simple present is the Präsens, the present perfect is
//! the Perfekt, and every word has one translation in its context, so that a translator can be right or wrong.

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

use crate::corpus::SentencePair;
use derive::Deriver;
use features::{Determiner, Number};
use lexicon::Lexicon;
use tree::{Clause, NounPhrase, Sentence};

/// Training, validation and test sentences that share no sentence in either language.
#[derive(Clone, Debug)]
pub struct Phrasebook {
    /// 20,000 pairs to learn from.
    pub train: Vec<SentencePair>,
    /// 500 pairs to watch the training by.
    pub valid: Vec<SentencePair>,
    /// 500 pairs to judge a finished model by. The first is "The old teacher does not buy the red bicycle."
    pub test: Vec<SentencePair>,
}

const TRAIN_PAIRS: usize = 20_000;
const HELD_OUT_PAIRS: usize = 500;
const SEED: u64 = 1;

/// The most words of an English sentence.
const MAX_WORDS: usize = 16;

impl Phrasebook {
    /// Derives the corpus; it is the same on every machine and in every run.
    #[must_use]
    pub fn generate() -> Self {
        let lexicon = Lexicon::embedded();
        let showcase = pair(&showcase(&lexicon));
        let mut source = NewPairs {
            deriver: Deriver::new(&lexicon, SEED),
            seen: HashSet::new(),
        };
        source.is_new(&showcase);

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

/// An endless stream of pairs, neither side of which it has given before.
struct NewPairs<'l> {
    deriver: Deriver<'l>,
    seen: HashSet<String>,
}

impl NewPairs<'_> {
    /// Whether neither sentence was seen before; both are seen from now on. The sides need no sets of their own:
    /// no sentence of this corpus is both English and German.
    fn is_new(&mut self, pair: &SentencePair) -> bool {
        let is_new = !self.seen.contains(&pair.source) && !self.seen.contains(&pair.target);
        if is_new {
            self.seen.extend([pair.source.clone(), pair.target.clone()]);
        }
        is_new
    }
}

impl Iterator for NewPairs<'_> {
    type Item = SentencePair;

    fn next(&mut self) -> Option<SentencePair> {
        loop {
            let pair = pair(&self.deriver.sentence());
            if pair.source.split(' ').count() <= MAX_WORDS && self.is_new(&pair) {
                return Some(pair);
            }
        }
    }
}

fn pair(tree: &Sentence) -> SentencePair {
    SentencePair {
        source: english::sentence(tree),
        target: german::sentence(tree),
    }
}

/// The words of both sides, without punctuation.
fn words(pair: &SentencePair) -> impl Iterator<Item = &str> {
    [&pair.source, &pair.target]
        .into_iter()
        .flat_map(|text| text.split(' '))
        .map(|word| word.trim_end_matches(['.', ',', '?']))
}

/// "The old teacher does not buy the red bicycle.": the sentence that the documentation translates.
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

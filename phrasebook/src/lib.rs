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
//!
//! What the grammar knows of the English sentences are labels for other tasks: [`Phrasebook::clauses`] for text
//! classification, [`Phrasebook::words`] for sequence tagging.

mod clause_label;
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
mod word;

#[cfg(test)]
mod tests;

use std::collections::HashSet;

use clause_label::clause_label;
use derive::Deriver;
use features::{Determiner, Number};
use lexicon::Lexicon;
use tree::{Clause, NounPhrase, Sentence};

pub use word::{PartOfSpeech, Word};

/// A sentence in two languages.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pair {
    /// The English sentence.
    pub english: String,
    /// The German translation of the English sentence.
    pub german: String,
}

/// An English sentence and the label of its main clause.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LabelledSentence {
    /// The sentence.
    pub text: String,
    /// The label, one of [`LABELS`](Self::LABELS).
    pub label: &'static str,
}

impl LabelledSentence {
    /// The labels, in the order of the alphabet. Each is the type of a clause, its tense and its polarity; the grammar
    /// does not negate questions.
    ///
    /// | part | values |
    /// |---|---|
    /// | type | `statement`; `question`, which ends with a question mark |
    /// | tense | `present`; `perfect`, as in "has bought"; `modal`: "can", "must" or "want to" |
    /// | polarity | `positive`; `negative`: "not", "never", and "no" in "there is no museum" |
    ///
    /// The label is that of the main clause: "not" in "He sleeps because it does not rain" does not count. Of two main
    /// clauses, as in "He reads, but she cannot sleep", the first has the label.
    pub const LABELS: [&str; 9] = [
        "question-modal",
        "question-perfect",
        "question-present",
        "statement-modal-negative",
        "statement-modal-positive",
        "statement-perfect-negative",
        "statement-perfect-positive",
        "statement-present-negative",
        "statement-present-positive",
    ];
}

/// An English sentence whose words have their part of speech and their case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TaggedSentence {
    /// The words. A punctuation mark is a word of its own.
    pub words: Vec<Word>,
}

/// The corpus in three parts. No sentence, English or German, occurs twice in the corpus.
#[derive(Clone, Debug)]
pub struct Phrasebook<T = Pair> {
    /// 20,000 pairs, or sentences of another kind, to train on.
    pub train: Vec<T>,
    /// 500 pairs to validate on while training goes on.
    pub valid: Vec<T>,
    /// 500 pairs to score a finished model on. The first is "The old teacher does not buy the red bicycle."
    pub test: Vec<T>,
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
        Self::derive(&Lexicon::embedded()).map(|derived| derived.pair)
    }

    /// Derives the English sentences of the same pairs, in the same order, with labels for text classification. That
    /// takes about a second.
    ///
    /// ```
    /// use attend_phrasebook::Phrasebook;
    ///
    /// let test = Phrasebook::clauses().test;
    /// assert_eq!(test[0].text, "The old teacher does not buy the red bicycle.");
    /// assert_eq!(test[0].label, "statement-present-negative");
    /// ```
    #[must_use]
    pub fn clauses() -> Phrasebook<LabelledSentence> {
        Self::derive(&Lexicon::embedded()).map(|derived| LabelledSentence {
            label: clause_label(&derived.tree),
            text: derived.pair.english,
        })
    }

    /// Derives the words of the same English sentences, in the same order, with tags for sequence tagging. That takes
    /// about a second.
    ///
    /// The case of a noun phrase is that of its German translation. It depends on the whole clause: "on the table" is
    /// dative in "The key lies on the table", and accusative in "She lays the key on the table".
    ///
    /// ```
    /// use attend_phrasebook::Phrasebook;
    ///
    /// let sentence = &Phrasebook::words().test[0];
    /// let tags: Vec<&str> = sentence.words.iter().map(|word| word.case_tag).collect();
    /// // The old teacher does not buy the red bicycle .
    /// assert_eq!(tags, ["B-NOM", "I-NOM", "I-NOM", "O", "O", "O", "B-ACC", "I-ACC", "I-ACC", "O"]);
    /// assert_eq!(sentence.words[2].part_of_speech.to_string(), "NOUN");
    /// ```
    #[must_use]
    pub fn words() -> Phrasebook<TaggedSentence> {
        Self::derive(&Lexicon::embedded()).map(|derived| TaggedSentence {
            words: english::sentence(&derived.tree),
        })
    }

    fn derive(lexicon: &Lexicon) -> Phrasebook<Derived<'_>> {
        let showcase = Derived::new(showcase(lexicon));
        let mut source = NewPairs {
            deriver: Deriver::new(lexicon, SEED),
            seen: HashSet::new(),
        };
        source.remember(&showcase.pair);

        let train: Vec<_> = source.by_ref().take(TRAIN_PAIRS).collect();
        let vocabulary: HashSet<_> = train
            .iter()
            .flat_map(|derived| words(&derived.pair))
            .map(str::to_owned)
            .collect();
        let numerals: HashSet<_> = (1..10_000).map(numbers::german).collect();
        let mut held_out = source.filter(|derived| {
            words(&derived.pair).all(|word| vocabulary.contains(word) || numerals.contains(word))
        });
        let valid = held_out.by_ref().take(HELD_OUT_PAIRS).collect();
        let test = std::iter::once(showcase)
            .chain(held_out)
            .take(HELD_OUT_PAIRS)
            .collect();
        Phrasebook { train, valid, test }
    }
}

impl<T> Phrasebook<T> {
    /// Returns what `change` makes of each sentence.
    fn map<U>(self, change: impl Fn(T) -> U) -> Phrasebook<U> {
        let [train, valid, test] =
            [self.train, self.valid, self.test].map(|part| part.into_iter().map(&change).collect());
        Phrasebook { train, valid, test }
    }
}

/// A tree and its sentences.
struct Derived<'l> {
    tree: Sentence<'l>,
    pair: Pair,
}

impl<'l> Derived<'l> {
    fn new(tree: Sentence<'l>) -> Self {
        let pair = pair(&tree);
        Self { tree, pair }
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

impl<'l> Iterator for NewPairs<'l> {
    type Item = Derived<'l>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let derived = Derived::new(self.deriver.sentence());
            if derived.pair.english.split(' ').count() <= MAX_WORDS && self.remember(&derived.pair) {
                return Some(derived);
            }
        }
    }
}

fn pair(tree: &Sentence) -> Pair {
    Pair {
        english: word::text(&english::sentence(tree)),
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

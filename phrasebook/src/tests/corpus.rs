//! What the corpus promises of the lexicon's words.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::LEXICON;
use crate::lexicon::{Frame, Verb};
use crate::{Phrasebook, english, numbers, words};

static BOOK: LazyLock<Phrasebook> = LazyLock::new(Phrasebook::generate);

#[test]
fn the_lexicon_is_large_and_its_classes_meet() {
    assert!(LEXICON.nouns.len() >= 150, "{} nouns", LEXICON.nouns.len());
    assert!(LEXICON.verbs.len() >= 60, "{} verbs", LEXICON.verbs.len());
    assert!(
        LEXICON.adjectives.len() >= 30,
        "{} adjectives",
        LEXICON.adjectives.len()
    );
    let noun_classes: HashSet<_> = LEXICON
        .nouns
        .iter()
        .flat_map(|noun| noun.classes.iter())
        .collect();
    let asked = LEXICON
        .verbs
        .iter()
        .flat_map(|verb| [verb.subjects, verb.objects, verb.places])
        .chain(LEXICON.prepositions.iter().map(|preposition| preposition.classes))
        .chain(LEXICON.adjectives.iter().map(|adjective| adjective.classes))
        .flat_map(|classes| classes.iter());
    for class in asked.filter(|class| *class != "mood") {
        assert!(noun_classes.contains(class), "no noun has the class `{class}`");
    }
    for noun in LEXICON.nouns.iter().filter(|noun| noun.classes.contains("place")) {
        assert_eq!(LEXICON.place(noun).noun, noun.english);
    }
    for verb in &LEXICON.verbs {
        if let Frame::Prepositional(german, case) = verb.frame {
            let preposition = LEXICON.preposition(german);
            assert!(
                [preposition.static_case, preposition.goal_case].contains(&case),
                "{}",
                verb.english
            );
        }
    }
}

#[test]
fn held_out_sentences_use_no_word_unseen_in_training() {
    let known: HashSet<_> = BOOK.train.iter().flat_map(words).collect();
    let numerals: HashSet<_> = (1..10_000).map(numbers::german).collect();
    for pair in BOOK.valid.iter().chain(&BOOK.test) {
        for word in words(pair) {
            assert!(
                known.contains(word) || numerals.contains(word),
                "{word} in {}",
                pair.english
            );
        }
    }
}

#[test]
fn every_word_of_the_lexicon_is_common_in_training() {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for pair in &BOOK.train {
        for word in pair.english.trim_end_matches(['.', '?']).split(' ') {
            *counts
                .entry(word.trim_end_matches(',').to_lowercase())
                .or_default() += 1;
        }
    }
    let count = |forms: &[&str]| -> usize {
        forms
            .iter()
            .map(|form| counts.get(&form.to_lowercase()).copied().unwrap_or(0))
            .sum()
    };
    for noun in &LEXICON.nouns {
        let total = count(&[noun.english, noun.english_plural.unwrap_or_default()]);
        assert!(total >= 20, "{} stands {total} times", noun.english);
    }
    for adjective in &LEXICON.adjectives {
        assert!(count(&[adjective.english]) >= 20, "{}", adjective.english);
    }
    let forms = |verb: &Verb| {
        let first = verb
            .english
            .split([' ', '|'])
            .next()
            .unwrap_or_default()
            .to_owned();
        [english::third_person(&first), first]
    };
    for verb in LEXICON.verbs.iter().filter(|verb| verb.english != "be") {
        let [third, base] = forms(verb);
        assert!(
            count(&[&third, &base, verb.english_participle]) >= 20,
            "{}",
            verb.english
        );
    }
    for name in &LEXICON.names {
        assert!(count(&[name.name]) >= 20, "{}", name.name);
    }
}

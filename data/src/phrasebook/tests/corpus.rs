//! What the corpus promises.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use super::super::lexicon::{Frame, Verb};
use super::super::{MAX_WORDS, Phrasebook, english, numbers, words};
use super::LEXICON;
use crate::corpus::SentencePair;

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
fn the_parts_have_their_sizes_and_share_no_sentence() {
    assert_eq!(
        (BOOK.train.len(), BOOK.valid.len(), BOOK.test.len()),
        (20_000, 500, 500)
    );
    let all = || BOOK.train.iter().chain(&BOOK.valid).chain(&BOOK.test);
    let sources: HashSet<_> = all().map(|pair| &pair.source).collect();
    let targets: HashSet<_> = all().map(|pair| &pair.target).collect();
    assert_eq!((sources.len(), targets.len()), (21_000, 21_000));
}

#[test]
fn the_showcase_opens_the_test_part() {
    let first = &BOOK.test[0];
    assert_eq!(first.source, "The old teacher does not buy the red bicycle.");
    assert_eq!(first.target, "Der alte Lehrer kauft das rote Fahrrad nicht.");
    for part in [
        "old teacher",
        "red bicycle",
        "does not buy the",
        "teacher does not",
    ] {
        let count = BOOK
            .train
            .iter()
            .filter(|pair| pair.source.contains(part))
            .count();
        assert!(count >= 2, "`{part}` stands in {count} training sentences");
    }
}

/// Changing the grammar or the lexicon changes the corpus, and with it every score measured on it.
#[test]
fn the_corpus_is_always_the_same() {
    let again = Phrasebook::generate();
    let mut hash = Sha256::new();
    for (first, second) in [
        (&BOOK.train, &again.train),
        (&BOOK.valid, &again.valid),
        (&BOOK.test, &again.test),
    ] {
        assert_eq!(first, second);
        for pair in first {
            hash.update(format!("{}\t{}\n", pair.source, pair.target));
        }
    }
    let hash: String = hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hash,
        "803912b19561c51701509795a4c2173f373b30aa19c093630e32d9d1f8c0f41b"
    );
}

#[test]
fn sentences_are_short_and_well_formed() {
    let all = BOOK.train.iter().chain(&BOOK.valid).chain(&BOOK.test);
    let mut words = 0;
    for pair in all.clone() {
        words += pair.source.split(' ').count();
        assert!(pair.source.split(' ').count() <= MAX_WORDS, "{}", pair.source);
        for text in [&pair.source, &pair.target] {
            let is_mark = |character| ['.', '?'].contains(&character);
            assert!(
                text.ends_with(is_mark) && text.matches(is_mark).count() == 1,
                "{text}"
            );
            assert!(text.starts_with(char::is_uppercase), "{text}");
            assert!(
                !["  ", " ,", ",,", ",.", "|"]
                    .iter()
                    .any(|fault| text.contains(fault)),
                "{text}"
            );
        }
        assert_eq!(
            pair.source.ends_with('?'),
            pair.target.ends_with('?'),
            "{}",
            pair.source
        );
    }
    let mean = words as f64 / all.count() as f64;
    assert!((7.0..9.0).contains(&mean), "mean length {mean}");
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
                pair.source
            );
        }
    }
}

#[test]
fn every_word_of_the_lexicon_is_common_in_training() {
    let mut counts: HashMap<String, usize> = HashMap::new();
    for pair in &BOOK.train {
        for word in pair.source.trim_end_matches(['.', '?']).split(' ') {
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

#[test]
fn constructions_keep_their_shares() {
    let share = |belongs: &dyn Fn(&SentencePair) -> bool| {
        let count = BOOK.train.iter().filter(|pair| belongs(pair)).count();
        100.0 * count as f64 / BOOK.train.len() as f64
    };
    let is_quantity = |pair: &SentencePair| {
        [" euros", " pages", " inhabitants", " years old"]
            .iter()
            .any(|unit| pair.source.contains(unit))
    };
    let is_clock = |pair: &SentencePair| pair.source.contains("o'clock") || pair.source.contains(" past ");
    let has_word =
        |word: &'static str| move |pair: &SentencePair| words(pair).any(|own| own.starts_with(word));
    for (name, least, share) in [
        ("quantities", 6.0, share(&is_quantity)),
        ("clock times", 3.0, share(&is_clock)),
        ("questions", 12.0, share(&|pair| pair.source.ends_with('?'))),
        ("nicht", 12.0, share(&has_word("nicht"))),
        ("kein", 3.0, share(&has_word("kein"))),
        ("weil", 2.0, share(&has_word("weil"))),
        ("dass", 3.0, share(&has_word("dass"))),
    ] {
        assert!(share >= least && share < 25.0, "{name}: {share} percent");
    }
}

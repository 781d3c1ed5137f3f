//! What the labels of the corpus promise.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::LazyLock;

use attend_phrasebook::{LabelledSentence, Phrasebook, TaggedSentence};

static CLAUSES: LazyLock<Phrasebook<LabelledSentence>> = LazyLock::new(Phrasebook::clauses);
static WORDS: LazyLock<Phrasebook<TaggedSentence>> = LazyLock::new(Phrasebook::words);

/// The sentences have the order of the pairs, whose parts share no sentence.
#[test]
fn the_sentences_are_those_of_the_pairs() {
    let pairs = Phrasebook::generate();
    for (pairs, clauses, words) in [
        (&pairs.train, &CLAUSES.train, &WORDS.train),
        (&pairs.valid, &CLAUSES.valid, &WORDS.valid),
        (&pairs.test, &CLAUSES.test, &WORDS.test),
    ] {
        assert_eq!((pairs.len(), pairs.len()), (clauses.len(), words.len()));
        for ((pair, clause), sentence) in pairs.iter().zip(clauses).zip(words) {
            assert_eq!(clause.text, pair.english);
            let words: Vec<&str> = sentence.words.iter().map(|word| word.text.as_str()).collect();
            let text = words.join(" ").replace(" ,", ",");
            assert_eq!(text.replace(" .", ".").replace(" ?", "?"), pair.english);
        }
    }
}

#[test]
fn every_label_is_common() {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for sentence in &CLAUSES.train {
        *counts.entry(sentence.label).or_default() += 1;
    }
    assert!(counts.keys().eq(&LabelledSentence::LABELS));
    for (label, count) in counts {
        assert!((300..11_000).contains(&count), "{count} of {label}");
    }
    for part in [&CLAUSES.valid, &CLAUSES.test] {
        let labels: BTreeSet<&str> = part.iter().map(|sentence| sentence.label).collect();
        assert_eq!(labels.len(), LabelledSentence::LABELS.len());
    }
}

/// If the words of a sentence told its label, a network would have nothing to learn from their order. They do not in one
/// of eleven sentences, where the word that they would tell it by belongs to another clause.
#[test]
fn a_label_is_not_told_by_single_words() {
    let told = |sentence: &LabelledSentence| {
        let has = |words: &[&str]| {
            let mut of_sentence = sentence.text.trim_end_matches(['.', '?']).split(' ');
            of_sentence.any(|word| words.contains(&word.to_lowercase().as_str()))
        };
        let is_question = sentence.text.ends_with('?');
        let tense = if has(&["can", "cannot", "must", "want", "wants"]) {
            "modal"
        } else if has(&["has", "have"]) {
            "perfect"
        } else {
            "present"
        };
        match (is_question, has(&["not", "cannot", "never", "no"])) {
            (true, _) => format!("question-{tense}"),
            (false, true) => format!("statement-{tense}-negative"),
            (false, false) => format!("statement-{tense}-positive"),
        }
    };
    let right = CLAUSES
        .train
        .iter()
        .filter(|sentence| told(sentence) == sentence.label);
    let share = right.count() as f64 / CLAUSES.train.len() as f64;
    assert!((0.88..0.93).contains(&share), "{share}");
}

/// Each word with its most frequent tag of the training part.
#[test]
fn a_case_is_not_told_by_the_word_alone() {
    let share = |tag: fn(&attend_phrasebook::Word) -> String| {
        let mut counts: HashMap<&str, HashMap<String, usize>> = HashMap::new();
        for word in WORDS.train.iter().flat_map(|sentence| &sentence.words) {
            *counts
                .entry(&word.text)
                .or_default()
                .entry(tag(word))
                .or_default() += 1;
        }
        let test: Vec<_> = WORDS.test.iter().flat_map(|sentence| &sentence.words).collect();
        let right = test.iter().filter(|word| {
            let counts = counts.get(word.text.as_str());
            let most_frequent = counts.and_then(|counts| counts.iter().max_by_key(|(_, count)| **count));
            most_frequent.is_some_and(|(most_frequent, _)| *most_frequent == tag(word))
        });
        right.count() as f64 / test.len() as f64
    };
    let cases = share(|word| word.case_tag.to_owned());
    assert!((0.8..0.85).contains(&cases), "{cases}");
    let parts_of_speech = share(|word| word.part_of_speech.to_string());
    assert!(parts_of_speech > 0.98, "{parts_of_speech}");
}

#[test]
fn tags_are_in_order() {
    let all = WORDS.train.iter().chain(&WORDS.valid).chain(&WORDS.test);
    let (mut cases, mut parts_of_speech) = (BTreeSet::new(), BTreeSet::new());
    for sentence in all {
        let mut before = "O";
        for word in &sentence.words {
            if let Some(case) = word.case_tag.strip_prefix("I-") {
                assert!(before.ends_with(case), "{sentence:?}");
            }
            before = word.case_tag;
            cases.insert(word.case_tag);
            parts_of_speech.insert(word.part_of_speech.to_string());
            assert_eq!(
                word.part_of_speech.to_string() == "PUNCT",
                [",", ".", "?"].contains(&word.text.as_str())
            );
            assert!(!word.text.contains(char::is_whitespace));
        }
    }
    let expected = ["B-ACC", "B-DAT", "B-NOM", "I-ACC", "I-DAT", "I-NOM", "O"];
    assert!(cases.into_iter().eq(expected));
    assert_eq!(parts_of_speech.len(), 14);
}

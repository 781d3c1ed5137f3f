//! What the corpus promises.

use std::collections::HashSet;
use std::sync::LazyLock;

use attend_phrasebook::{Pair, Phrasebook};
use sha2::{Digest, Sha256};

static BOOK: LazyLock<Phrasebook> = LazyLock::new(Phrasebook::generate);

/// The words of both sentences, without punctuation.
fn words(pair: &Pair) -> impl Iterator<Item = &str> {
    let words = pair.english.split(' ').chain(pair.german.split(' '));
    words.map(|word| word.trim_end_matches(['.', ',', '?']))
}

#[test]
fn the_parts_have_their_sizes_and_share_no_sentence() {
    assert_eq!(
        (BOOK.train.len(), BOOK.valid.len(), BOOK.test.len()),
        (20_000, 500, 500)
    );
    let all = || BOOK.train.iter().chain(&BOOK.valid).chain(&BOOK.test);
    let sources: HashSet<_> = all().map(|pair| &pair.english).collect();
    let targets: HashSet<_> = all().map(|pair| &pair.german).collect();
    assert_eq!((sources.len(), targets.len()), (21_000, 21_000));
}

#[test]
fn the_showcase_opens_the_test_part() {
    let first = &BOOK.test[0];
    assert_eq!(first.english, "The old teacher does not buy the red bicycle.");
    assert_eq!(first.german, "Der alte Lehrer kauft das rote Fahrrad nicht.");
    for part in [
        "old teacher",
        "red bicycle",
        "does not buy the",
        "teacher does not",
    ] {
        let count = BOOK
            .train
            .iter()
            .filter(|pair| pair.english.contains(part))
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
            hash.update(format!("{}\t{}\n", pair.english, pair.german));
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
        words += pair.english.split(' ').count();
        assert!(pair.english.split(' ').count() <= 16, "{}", pair.english);
        for text in [&pair.english, &pair.german] {
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
            pair.english.ends_with('?'),
            pair.german.ends_with('?'),
            "{}",
            pair.english
        );
    }
    let mean = words as f64 / all.count() as f64;
    assert!((7.0..9.0).contains(&mean), "mean length {mean}");
}

#[test]
fn constructions_keep_their_shares() {
    let share = |belongs: &dyn Fn(&Pair) -> bool| {
        let count = BOOK.train.iter().filter(|pair| belongs(pair)).count();
        100.0 * count as f64 / BOOK.train.len() as f64
    };
    let is_quantity = |pair: &Pair| {
        [" euros", " pages", " inhabitants", " years old"]
            .iter()
            .any(|unit| pair.english.contains(unit))
    };
    let is_clock = |pair: &Pair| pair.english.contains("o'clock") || pair.english.contains(" past ");
    let has_word = |word: &'static str| move |pair: &Pair| words(pair).any(|own| own.starts_with(word));
    for (name, least, share) in [
        ("quantities", 6.0, share(&is_quantity)),
        ("clock times", 3.0, share(&is_clock)),
        ("questions", 12.0, share(&|pair| pair.english.ends_with('?'))),
        ("nicht", 12.0, share(&has_word("nicht"))),
        ("kein", 3.0, share(&has_word("kein"))),
        ("weil", 2.0, share(&has_word("weil"))),
        ("dass", 3.0, share(&has_word("dass"))),
    ] {
        assert!(share >= least && share < 25.0, "{name}: {share} percent");
    }
}

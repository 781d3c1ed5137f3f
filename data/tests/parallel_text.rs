//! Samples of corpora that need not fit into memory.

use std::fs;

use attend_data::{Cleaning, DataError, ParallelText, SentencePair};
use tempfile::TempDir;

fn memory(pairs: Vec<SentencePair>) -> ParallelText {
    ParallelText::Memory {
        name: "text".to_owned(),
        pairs,
    }
}

/// `count` pairs in memory, whose sources are numbers from `first` on.
fn numbered(first: usize, count: usize) -> ParallelText {
    let pairs = (first..first + count).map(|number| SentencePair {
        source: number.to_string(),
        target: format!("x{number}"),
    });
    memory(pairs.collect())
}

fn sample(texts: &[&ParallelText], limit: usize) -> Vec<usize> {
    let pairs = ParallelText::sample(texts, &Cleaning::default(), limit).unwrap();
    pairs.map(|pair| pair.unwrap().source.parse().unwrap()).collect()
}

#[test]
fn a_sample_is_spread_evenly_over_all_texts() {
    let (first, second) = (numbered(0, 70), numbered(70, 30));
    let texts = [&first, &second];
    for limit in [100, 101, usize::MAX] {
        assert_eq!(sample(&texts, limit), (0..100).collect::<Vec<_>>());
    }
    let tens: Vec<usize> = sample(&texts, 10).iter().map(|number| number / 10).collect();
    assert_eq!(tens, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let steps = sample(&texts, 37);
    assert_eq!(steps.len(), 37);
    assert!(
        steps
            .windows(2)
            .all(|pair| (2..=3).contains(&(pair[1] - pair[0]))),
        "{steps:?}"
    );
    assert!(sample(&[&numbered(0, 0)], 10).is_empty());
}

#[test]
fn what_cleaning_drops_is_not_sampled() {
    let pairs = |sources: [&str; 4]| {
        let pairs = sources.map(|source| SentencePair {
            source: source.to_owned(),
            target: "1".to_owned(),
        });
        memory(pairs.into())
    };
    // A copy, an empty side and a duplicate; a pair that another text has, too, is no duplicate there.
    let (first, second) = (pairs(["1", "2", " ", "2"]), pairs(["2", "3", "4", "5"]));
    assert_eq!(sample(&[&first, &second], 100), [2, 2, 3, 4, 5]);
    assert_eq!(sample(&[&first, &second], 1), [5]);
}

#[test]
fn a_sample_of_damaged_text_is_an_error() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("pairs.tsv");
    fs::write(&path, "a\tb\nno tab\n").unwrap();
    let text = ParallelText::Tsv(path);
    let error = ParallelText::sample(&[&text], &Cleaning::default(), 1)
        .err()
        .unwrap();
    assert!(matches!(error, DataError::Columns { line: 2, .. }), "{error:?}");
}

#[test]
fn pairs_in_capitals_are_spread_evenly_and_have_capitals() {
    let pair = |source: &str, target: &str| SentencePair {
        source: source.to_owned(),
        target: target.to_owned(),
    };
    // Unicode's capitals: SS for ß, and those of Greek and of ligatures; digits and Chinese have none.
    let text = memory(vec![
        pair("the street", "die Straße"),
        pair("ÉTÉ", "été ﬁn"),
        pair("12", "十二"),
        pair("house", "οίκος"),
    ]);
    let capitals = |share: f64| -> Vec<(String, String)> {
        let capitals = ParallelText::Capitals {
            text: text.clone().into(),
            share,
        };
        assert_eq!(capitals.name(), "text in capitals");
        let pairs = capitals.read_all().unwrap();
        pairs.into_iter().map(|pair| (pair.source, pair.target)).collect()
    };
    let expected = [
        ("THE STREET", "DIE STRASSE"),
        ("ÉTÉ", "ÉTÉ FIN"),
        ("HOUSE", "ΟΊΚΟΣ"),
    ]
    .map(|(source, target)| (source.to_owned(), target.to_owned()));
    assert_eq!(capitals(1.0), expected);
    assert_eq!(capitals(0.5), expected[1..]);
    assert_eq!(capitals(0.25), expected[2..]);
    assert!(capitals(0.0).is_empty());
}

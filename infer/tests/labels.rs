//! Scores of labels and tags against those of scikit-learn and seqeval, written by `make_label_fixtures.py`.

use std::collections::BTreeMap;

use attend_infer::metric::{LabelScore, LabelScores, MetricError, TagScores};
use proptest::prelude::*;
use serde::Deserialize;

const FIXTURES: &str = include_str!("fixtures/labels.json");

#[derive(Deserialize)]
struct Fixtures {
    labels: Vec<LabelCase>,
    tags: Vec<TagCase>,
}

#[derive(Deserialize)]
struct LabelCase {
    references: Vec<String>,
    hypotheses: Vec<String>,
    accuracy: f64,
    macro_f1: f64,
    labels: BTreeMap<String, Expected>,
    /// The label of the reference, that of the hypothesis, and the number of texts.
    confusion: Vec<(String, String, u64)>,
}

#[derive(Deserialize)]
struct TagCase {
    references: Vec<Vec<String>>,
    hypotheses: Vec<Vec<String>>,
    accuracy: f64,
    spans: Expected,
    types: BTreeMap<String, Expected>,
}

#[derive(Debug, Deserialize)]
struct Expected {
    precision: f64,
    recall: f64,
    f1: f64,
    support: u64,
}

fn fixtures() -> Fixtures {
    serde_json::from_str(FIXTURES).unwrap()
}

fn is_near(found: f64, expected: f64) -> bool {
    (found - expected).abs() < 1e-12
}

fn check(found: &LabelScore, expected: &Expected) {
    let is_equal = is_near(found.precision, expected.precision)
        && is_near(found.recall, expected.recall)
        && is_near(found.f1, expected.f1)
        && found.support == expected.support;
    assert!(is_equal, "{found:?}, expected {expected:?}");
}

fn check_all(found: &BTreeMap<String, LabelScore>, expected: &BTreeMap<String, Expected>) {
    assert!(found.keys().eq(expected.keys()), "{found:?}");
    for (found, expected) in found.values().zip(expected.values()) {
        check(found, expected);
    }
}

#[test]
fn labels_are_scored_as_by_scikit_learn() {
    for case in fixtures().labels {
        let scores = LabelScores::new(&case.hypotheses, &case.references).unwrap();
        assert!(is_near(scores.accuracy, case.accuracy), "{}", scores.accuracy);
        assert!(is_near(scores.macro_f1, case.macro_f1), "{}", scores.macro_f1);
        check_all(&scores.labels, &case.labels);
        let confusion = case.confusion.into_iter();
        let expected = confusion.map(|(reference, hypothesis, texts)| ((reference, hypothesis), texts));
        assert_eq!(scores.confusion, expected.collect());
    }
}

#[test]
fn tags_are_scored_as_by_seqeval() {
    for case in fixtures().tags {
        let scores = TagScores::new(&case.hypotheses, &case.references).unwrap();
        assert!(is_near(scores.accuracy, case.accuracy), "{}", scores.accuracy);
        check(&scores.spans, &case.spans);
        check_all(&scores.types, &case.types);
    }
}

#[test]
fn lists_of_different_lengths_are_an_error() {
    let labels =
        |hypotheses: &[&str], references: &[&str]| LabelScores::new(hypotheses, references).unwrap_err();
    let unequal = MetricError::UnequalCounts {
        hypotheses: 1,
        references: 2,
    };
    assert_eq!(labels(&["a"], &["a", "b"]), unequal);
    assert_eq!(labels(&[], &[]), MetricError::EmptyCorpus);
    let tags = |hypotheses: &[Vec<&str>], references: &[Vec<&str>]| {
        TagScores::new(hypotheses, references).unwrap_err()
    };
    assert_eq!(tags(&[vec!["O"]], &[vec!["O"], vec!["O"]]), unequal);
    assert_eq!(tags(&[], &[]), MetricError::EmptyCorpus);
    assert_eq!(
        tags(&[vec![], vec![]], &[vec![], vec![]]),
        MetricError::EmptyCorpus
    );
    let error = tags(&[vec!["O"], vec!["O", "O"]], &[vec!["O"], vec!["O"]]);
    assert_eq!(error.to_string(), "sentence 2 has 2 tags for 1 words");
}

proptest! {
    #[test]
    fn any_text_is_a_label_or_a_tag(
        pairs in prop::collection::vec(("[BIESO.é-]{0,2}(-.{0,2})?", "[BIESO.é-]{0,2}(-.{0,2})?"), 1..20)
    ) {
        let (hypothesis, reference): (Vec<String>, Vec<String>) = pairs.into_iter().unzip();
        let labels = LabelScores::new(&hypothesis, &reference).unwrap();
        let tags = TagScores::new(&[hypothesis], std::slice::from_ref(&reference)).unwrap();
        prop_assert_eq!(labels.accuracy, tags.accuracy);
        prop_assert!((0.0..=1.0).contains(&labels.macro_f1) && (0.0..=1.0).contains(&tags.spans.f1));
        let right = TagScores::new(std::slice::from_ref(&reference), std::slice::from_ref(&reference)).unwrap();
        prop_assert!(right.types.values().all(|kind| kind.f1 == 1.0));
    }
}

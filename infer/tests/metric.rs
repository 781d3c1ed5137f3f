//! BLEU and chrF against sacreBLEU's scores, written by `make_metric_fixtures.py`.

use attend_infer::metric::{BleuTokenizer, MetricError, corpus_bleu, corpus_chrf};
use serde::Deserialize;

const FIXTURES: &str = include_str!("fixtures/metric.json");
const SACREBLEU: &str = "version:2.6.0";
const ATTEND: &str = concat!("version:attend-", env!("CARGO_PKG_VERSION"));

#[derive(Deserialize)]
struct Fixture {
    name: String,
    hypotheses: Vec<String>,
    references: Vec<String>,
    expected: Expected,
}

#[derive(Deserialize)]
struct Expected {
    #[serde(rename = "13a")]
    mteval13a: ExpectedBleu,
    none: ExpectedBleu,
    chrf: ExpectedChrf,
}

#[derive(Deserialize)]
struct ExpectedBleu {
    score: f64,
    matches: [u64; 4],
    totals: [u64; 4],
    precisions: [f64; 4],
    brevity_penalty: f64,
    hypothesis_length: u64,
    reference_length: u64,
    line: String,
}

#[derive(Deserialize)]
struct ExpectedChrf {
    score: f64,
    line: String,
}

fn fixtures() -> Vec<Fixture> {
    serde_json::from_str(FIXTURES).expect("fixtures/metric.json is what its script writes")
}

fn assert_close(actual: f64, expected: f64, what: &str) {
    assert!(
        (actual - expected).abs() < 1e-9,
        "{what}: {actual} instead of {expected}"
    );
}

#[test]
fn bleu_equals_sacrebleu() {
    for fixture in fixtures() {
        let name = &fixture.name;
        for (tokenizer, expected) in [
            (BleuTokenizer::Mteval13a, &fixture.expected.mteval13a),
            (BleuTokenizer::None, &fixture.expected.none),
        ] {
            let bleu = corpus_bleu(&fixture.hypotheses, &fixture.references, tokenizer).unwrap();
            assert_eq!(bleu.totals, expected.totals, "{name}, {tokenizer:?}");
            assert_eq!(bleu.matches, expected.matches, "{name}, {tokenizer:?}");
            assert_eq!(bleu.hypothesis_length, expected.hypothesis_length, "{name}");
            assert_eq!(bleu.reference_length, expected.reference_length, "{name}");
            assert_close(bleu.brevity_penalty, expected.brevity_penalty, name);
            assert_close(bleu.score, expected.score, name);
            for (actual, expected) in bleu.precisions.iter().zip(expected.precisions) {
                assert_close(*actual, expected, name);
            }
            let line = expected.line.replace(SACREBLEU, ATTEND);
            assert_eq!(bleu.to_string(), line, "{name}");
        }
    }
}

#[test]
fn chrf_equals_sacrebleu() {
    for fixture in fixtures() {
        let name = &fixture.name;
        let chrf = corpus_chrf(&fixture.hypotheses, &fixture.references).unwrap();
        assert_close(chrf.score, fixture.expected.chrf.score, name);
        let line = fixture.expected.chrf.line.replace(SACREBLEU, ATTEND);
        assert_eq!(chrf.to_string(), line, "{name}");
    }
}

#[test]
fn corpora_of_unequal_size_are_refused() {
    let error = MetricError::UnequalCounts {
        hypotheses: 2,
        references: 1,
    };
    let bleu = corpus_bleu(&["a", "b"], &["a"], BleuTokenizer::Mteval13a);
    assert_eq!(bleu, Err(error.clone()));
    assert_eq!(corpus_chrf(&["a", "b"], &["a"]), Err(error.clone()));
    let message = error.to_string();
    assert!(message.contains("2 hypotheses for 1 references"), "{message}");
}

#[test]
fn an_empty_corpus_is_refused() {
    let none: [&str; 0] = [];
    let bleu = corpus_bleu(&none, &none, BleuTokenizer::Mteval13a);
    assert_eq!(bleu, Err(MetricError::EmptyCorpus));
    assert_eq!(corpus_chrf(&none, &none), Err(MetricError::EmptyCorpus));
}

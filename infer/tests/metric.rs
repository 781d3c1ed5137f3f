//! BLEU, chrF, TER and their resampling against sacreBLEU's scores, written by `make_metric_fixtures.py`.

use attend_infer::metric::{
    BleuSettings, BleuTokenizer, ChrfSettings, CorpusStatistics, Metric, MetricError, MetricScore,
    TerSettings, corpus_bleu, corpus_chrf,
};
use serde::Deserialize;

const FIXTURES: &str = include_str!("fixtures/metric.json");
const SACREBLEU: &str = "version:2.6.0";
const ATTEND: &str = concat!("version:attend-", env!("CARGO_PKG_VERSION"));

#[derive(Deserialize)]
struct Fixture {
    name: String,
    hypotheses: Vec<String>,
    references: Vec<Vec<String>>,
    expected: Expected,
    resampled: Option<Resampled>,
}

#[derive(Deserialize)]
struct Expected {
    bleu: Vec<ExpectedBleu>,
    chrf: Vec<ExpectedScore>,
    ter: Vec<ExpectedScore>,
}

#[derive(Deserialize)]
struct ExpectedScore {
    settings: Settings,
    score: f64,
    line: String,
}

#[derive(Deserialize)]
struct ExpectedBleu {
    #[serde(flatten)]
    of_line: ExpectedScore,
    matches: [u64; 4],
    totals: [u64; 4],
    precisions: [f64; 4],
    brevity_penalty: f64,
    hypothesis_length: u64,
    reference_length: u64,
}

/// The settings of a metric, under sacreBLEU's names.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    tokenize: BleuTokenizer,
    lowercase: bool,
    char_order: Option<usize>,
    word_order: usize,
    beta: Option<u32>,
    whitespace: bool,
    eps_smoothing: bool,
    normalized: bool,
    no_punct: bool,
    asian_support: bool,
    case_sensitive: bool,
}

impl Settings {
    fn bleu(&self) -> BleuSettings {
        BleuSettings {
            tokenizer: self.tokenize,
            lowercase: self.lowercase,
        }
    }

    fn chrf(&self) -> ChrfSettings {
        let default = ChrfSettings::default();
        ChrfSettings {
            char_order: self.char_order.unwrap_or(default.char_order),
            word_order: self.word_order,
            beta: self.beta.unwrap_or(default.beta),
            lowercase: self.lowercase,
            whitespace: self.whitespace,
            eps_smoothing: self.eps_smoothing,
        }
    }

    fn ter(&self) -> TerSettings {
        TerSettings {
            normalized: self.normalized,
            no_punctuation: self.no_punct,
            asian_support: self.asian_support,
            case_sensitive: self.case_sensitive,
        }
    }
}

#[derive(Deserialize)]
struct Resampled {
    baseline: Vec<String>,
    /// The lines of BLEU, chrF2++ and TER with their confidence intervals.
    lines: [String; 3],
    /// The comparisons with the baseline by these metrics.
    comparisons: [Comparison; 3],
}

#[derive(Deserialize)]
struct Comparison {
    signature: String,
    /// The score, the mean and the half width of the baseline, those of the system, and the p-value.
    printed: String,
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

/// Checks the score of a fixture and its line, and returns the score.
fn checked<M: Metric>(metric: M, fixture: &Fixture, expected: &ExpectedScore) -> M::Score {
    let Fixture {
        hypotheses,
        references,
        ..
    } = fixture;
    let score = CorpusStatistics::new(metric, hypotheses, references)
        .unwrap()
        .score();
    let what = format!("{}, {:?}", fixture.name, expected.settings);
    assert_close(score.value(), expected.score, &what);
    assert_eq!(score.line(None), of_attend(&expected.line), "{what}");
    score
}

/// Returns a line of sacreBLEU with the name and version of this program.
fn of_attend(line: &str) -> String {
    line.replace(SACREBLEU, ATTEND)
}

#[test]
fn bleu_equals_sacrebleu() {
    for fixture in fixtures() {
        let name = &fixture.name;
        for expected in &fixture.expected.bleu {
            let bleu = checked(expected.of_line.settings.bleu(), &fixture, &expected.of_line);
            assert_eq!(bleu.totals, expected.totals, "{name}");
            assert_eq!(bleu.matches, expected.matches, "{name}");
            assert_eq!(bleu.hypothesis_length, expected.hypothesis_length, "{name}");
            assert_eq!(bleu.reference_length, expected.reference_length, "{name}");
            assert_close(bleu.brevity_penalty, expected.brevity_penalty, name);
            for (actual, expected) in bleu.precisions.iter().zip(expected.precisions) {
                assert_close(*actual, expected, name);
            }
        }
    }
}

#[test]
fn chrf_equals_sacrebleu() {
    for fixture in fixtures() {
        for expected in &fixture.expected.chrf {
            checked(expected.settings.chrf(), &fixture, expected);
        }
    }
}

#[test]
fn ter_equals_sacrebleu() {
    for fixture in fixtures() {
        for expected in &fixture.expected.ter {
            checked(expected.settings.ter(), &fixture, expected);
        }
    }
}

#[test]
fn resampling_equals_sacrebleu() {
    let chrf_plus_plus = ChrfSettings {
        word_order: 2,
        ..ChrfSettings::default()
    };
    let mut compared = 0;
    for fixture in fixtures() {
        let Some(resampled) = &fixture.resampled else {
            continue;
        };
        check_resampling(BleuSettings::default(), &fixture, resampled, 0);
        check_resampling(chrf_plus_plus, &fixture, resampled, 1);
        check_resampling(TerSettings::default(), &fixture, resampled, 2);
        compared += 1;
    }
    assert!(compared > 10);
}

fn check_resampling<M: Metric + Copy>(metric: M, fixture: &Fixture, resampled: &Resampled, index: usize) {
    let Fixture {
        name,
        hypotheses,
        references,
        ..
    } = fixture;
    let system = CorpusStatistics::new(metric, hypotheses, references).unwrap();
    let baseline = CorpusStatistics::new(metric, &resampled.baseline, references).unwrap();
    let confidence = system.confidence(1000);
    let line = system.score().line(Some(&confidence));
    assert_eq!(line, of_attend(&resampled.lines[index]), "{name}");

    let test = system.compare(&baseline, 1000).unwrap();
    assert_eq!(test.system, confidence, "{name}");
    let printed: Vec<String> = [
        baseline.score().value(),
        test.baseline.mean,
        test.baseline.half_width,
        system.score().value(),
        test.system.mean,
        test.system.half_width,
    ]
    .iter()
    .map(|number| format!("{number:.2}"))
    .collect();
    let expected = &resampled.comparisons[index];
    let printed = format!("{} p = {:.4}", printed.join(" "), test.p_value);
    assert_eq!(printed, expected.printed, "{name}");
    let signature = system.score().signature().clone().resampled(1000);
    assert_eq!(signature.to_string(), of_attend(&expected.signature), "{name}");
}

#[cfg(feature = "ja-mecab")]
#[test]
#[ignore = "needs the dictionary IPADIC; `just test-japanese` runs it, and CI does"]
fn bleu_of_japanese_equals_sacrebleu() {
    #[derive(Deserialize)]
    struct Japanese {
        hypotheses: Vec<String>,
        references: Vec<String>,
        line: String,
    }
    let fixture = include_str!("fixtures/mecab.json");
    let Japanese {
        hypotheses,
        references,
        line,
    } = serde_json::from_str(fixture).expect("fixtures/mecab.json is what its script writes");
    let bleu = corpus_bleu(&hypotheses, &references, BleuTokenizer::JapaneseMecab).unwrap();
    assert_eq!(bleu.to_string(), of_attend(&line));
}

#[test]
fn the_usual_scores_are_those_of_the_default_settings() {
    let (hypotheses, references) = (["The cat sat on the mat."], ["The cat sat on a mat."]);
    let bleu = CorpusStatistics::new(BleuSettings::default(), &hypotheses, &[references]).unwrap();
    let tokenizer = BleuTokenizer::default();
    assert_eq!(corpus_bleu(&hypotheses, &references, tokenizer), Ok(bleu.score()));
    let chrf = CorpusStatistics::new(ChrfSettings::default(), &hypotheses, &[references]).unwrap();
    assert_eq!(corpus_chrf(&hypotheses, &references), Ok(chrf.score()));
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
    let of_second = CorpusStatistics::new(TerSettings::default(), &["a", "b"], &[vec!["a", "b"], vec!["a"]]);
    assert_eq!(of_second.err(), Some(error.clone()));
    let message = error.to_string();
    assert!(message.contains("2 hypotheses for 1 references"), "{message}");

    let of = |hypotheses: &[&str]| {
        CorpusStatistics::new(BleuSettings::default(), hypotheses, &[hypotheses]).unwrap()
    };
    let error = of(&["a", "b"]).compare(&of(&["a"]), 10).unwrap_err();
    assert!(error.to_string().contains("2 translations"), "{error}");
}

#[test]
fn an_empty_corpus_is_refused() {
    let none: [&str; 0] = [];
    let bleu = corpus_bleu(&none, &none, BleuTokenizer::Mteval13a);
    assert_eq!(bleu, Err(MetricError::EmptyCorpus));
    assert_eq!(corpus_chrf(&none, &none), Err(MetricError::EmptyCorpus));
    let without_references: [[&str; 1]; 0] = [];
    let ter = CorpusStatistics::new(TerSettings::default(), &["a"], &without_references);
    let error = ter.expect_err("an empty corpus");
    assert_eq!(error, MetricError::EmptyCorpus);
    assert!(!error.to_string().contains('0'), "{error}");
}

#[test]
fn a_metric_that_counts_nothing_gives_no_score() {
    let nothing = ChrfSettings {
        char_order: 0,
        ..ChrfSettings::default()
    };
    let statistics = CorpusStatistics::new(nothing, &["a"], &[["a"]]).unwrap();
    assert_eq!(statistics.score().score, 0.0);
    assert_eq!(statistics.confidence(10).mean, 0.0);
}

//! The subcommand `attend score`, run from outside on a small model with random weights, and alignments.

use std::fs;
use std::sync::Arc;

use attend_device::Workers;
use attend_infer::search::SearchOptions;
use attend_infer::{GivenTranslation, InferError, TranslateOptions, Translator};
use serde_json::Value;

use crate::common::{
    MAX_SOURCE_TOKENS, NOTHING, SENTENCES, Workspace, assert_usage_error, each, model_folder,
    model_folder_of_words, searching, text, translator,
};

/// Returns a workspace whose model has the words of [`SENTENCES`] as tokens, so that the text of a translation gives
/// its tokens back.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    model_folder_of_words(SENTENCES).save(workspace.model()).unwrap();
    workspace
}

fn json_lines(output: &str) -> Vec<Value> {
    let lines = output.lines();
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn numbers(values: &Value) -> Vec<f64> {
    let values = values.as_array().unwrap().iter();
    values.map(|value| value.as_f64().unwrap()).collect()
}

/// The search adds up log-probabilities token by token, while scoring computes those of whole translations at once.
#[test]
fn a_translation_scores_what_the_search_found() {
    let workspace = workspace();
    let sources = workspace.write("sources.txt", text());
    for flags in [["--beam", "1"], ["--beam", "4"], ["--dtype", "int8"]] {
        let arguments = [&["--json", "--alignment"], flags.as_slice()].concat();
        let translated = json_lines(&workspace.translated(&arguments, text().as_bytes()));
        let best = translated.iter().map(|line| &line["translations"][0]);
        let texts: Vec<&str> = best.clone().map(|best| best["text"].as_str().unwrap()).collect();
        assert!(texts.iter().any(|text| text.contains(' ')), "{texts:?}");
        let targets = workspace.write("targets.txt", texts.join("\n") + "\n");

        // With int8, the last bit of a sum may decide between two integers.
        let (dtype, tolerance) = match flags[0] {
            "--dtype" => (flags.as_slice(), 1e-2),
            _ => ([].as_slice(), 1e-4),
        };
        let scored = workspace.scored(&sources, &targets, &[&["--json", "--alignment"], dtype].concat());
        let plain = workspace.scored(&sources, &targets, dtype);
        assert_eq!(plain.lines().count(), SENTENCES.len());
        for ((expected, pair), plain) in best.zip(json_lines(&scored)).zip(plain.lines()) {
            for field in ["log_probability", "score"] {
                let (expected, actual) = (expected[field].as_f64().unwrap(), pair[field].as_f64().unwrap());
                assert!(
                    (actual - expected).abs() < tolerance,
                    "{actual} instead of {expected}"
                );
            }
            assert_eq!(
                plain.parse::<f64>().unwrap() as f32,
                pair["log_probability"].as_f64().unwrap() as f32
            );
            assert_eq!(pair["target"], expected["text"]);
            let tokens = pair["tokens"].as_array().unwrap();
            let spelt: Vec<&str> = tokens
                .iter()
                .map(|token| token["token"].as_str().unwrap())
                .collect();
            assert_eq!(
                spelt.join(" "),
                format!("{} </s>", pair["target"].as_str().unwrap()).trim_start()
            );
            let total: f64 = tokens
                .iter()
                .map(|token| token["log_probability"].as_f64().unwrap())
                .sum();
            assert!((total - pair["log_probability"].as_f64().unwrap()).abs() < 1e-5);
            assert_eq!(pair["alignment"]["source"], expected["alignment"]["source"]);
            assert_eq!(pair["alignment"]["target"], expected["alignment"]["target"]);
        }
    }
}

#[test]
fn alignments_pair_the_words_that_attend_most() {
    let workspace = workspace();
    let sources = workspace.write("sources.txt", text());
    let targets: Vec<&str> = SENTENCES.into_iter().rev().collect();
    let targets = workspace.write("targets.txt", targets.join("\n"));
    let json = json_lines(&workspace.scored(&sources, &targets, &["--json", "--alignment"]));
    let plain = workspace.scored(&sources, &targets, &["--alignment"]);
    let without = workspace.scored(&sources, &targets, &NOTHING);
    for ((pair, plain), score) in json.iter().zip(plain.lines()).zip(without.lines()) {
        let alignment = &pair["alignment"];
        let words = |side: &str| pair[side].as_str().unwrap().split(' ').count();
        let rows: Vec<Vec<f64>> = alignment["attention"]
            .as_array()
            .unwrap()
            .iter()
            .map(numbers)
            .collect();
        assert_eq!(rows.len(), words("target") + 1);
        let mut pharaoh = Vec::new();
        for (target, row) in rows.iter().enumerate() {
            assert_eq!(row.len(), words("source") + 1);
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{row:?}");
            let of_words = &row[..words("source")];
            let most = of_words.iter().copied().fold(0.0, f64::max);
            let source = of_words.iter().position(|&weight| weight == most).unwrap();
            pharaoh.push(format!("{source}-{target}"));
        }
        pharaoh.pop();
        assert_eq!(plain, format!("{score} ||| {}", pharaoh.join(" ")));
    }

    let arguments = ["--beam", "1", "--min-length", "2", "the house is small"];
    let translated = workspace.translated(&[&["--alignment"], &arguments[..]].concat(), b"");
    let (translation, pharaoh) = translated.trim_end().split_once(" ||| ").unwrap();
    assert_eq!(workspace.translated(&arguments, b""), format!("{translation}\n"));
    assert_eq!(pharaoh.split(' ').count(), translation.split(' ').count());
    assert_eq!(workspace.translated(&["--alignment", ""], b""), " ||| \n");
    assert_usage_error(
        &workspace.translate(&["--alignment", "--language", "de", "yes"], b""),
        "--language",
    );
}

#[test]
fn every_hypothesis_has_its_own_alignment() {
    let translator = translator(model_folder_of_words(SENTENCES));
    let options = TranslateOptions {
        alignment: true,
        ..searching(SearchOptions {
            beam_size: 3,
            nbest: 3,
            ..SearchOptions::default()
        })
    };
    let together = each(translator.translate(&SENTENCES, &options));
    for (source, best_first) in SENTENCES.iter().zip(&together) {
        for translation in best_first {
            let given = GivenTranslation {
                source,
                target: &translation.text,
                number: 0,
            };
            let alone = each(translator.score(&[given], &options))
                .remove(0)
                .alignment
                .unwrap();
            let alignment = translation.alignment.as_ref().unwrap();
            assert_eq!(
                (&alignment.target, &alignment.words),
                (&alone.target, &alone.words)
            );
            let differences = alignment
                .attention
                .iter()
                .flatten()
                .zip(alone.attention.iter().flatten());
            assert!(differences.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max) < 1e-5);
        }
    }
}

#[test]
fn company_changes_no_score() {
    let pairs = SENTENCES.iter().zip(SENTENCES.iter().rev()).zip(0..);
    let pairs = pairs.map(|((source, target), number)| GivenTranslation {
        source,
        target,
        number,
    });
    let mut pairs: Vec<GivenTranslation<'_>> = pairs.collect();
    let long = SENTENCES.join(" ");
    pairs.push(GivenTranslation::default());
    pairs.push(GivenTranslation {
        source: "yes",
        target: &long[..long.len() / 2],
        number: pairs.len(),
    });
    let one_by_one = translator(model_folder());
    let options = one_by_one.model().options();
    let alone: Vec<f32> = pairs
        .iter()
        .map(|&pair| each(one_by_one.score(&[pair], &options))[0].log_probability)
        .collect();
    for workers in [1, 3] {
        let workers = Workers::start(workers, 1).unwrap();
        // A batch for scoring does not depend on how many hypotheses a search would keep.
        let beam = searching(SearchOptions {
            beam_size: 1_000,
            ..SearchOptions::default()
        });
        let model = Arc::clone(one_by_one.model());
        let translator = Translator::new(model, workers).with_batch_tokens(60);
        for (score, alone) in each(translator.score(&pairs, &beam)).iter().zip(&alone) {
            assert!((score.log_probability - alone).abs() < 1e-4);
        }
    }
}

#[test]
fn a_sentence_that_is_too_long_is_named() {
    let workspace = workspace();
    let long = "house ".repeat(MAX_SOURCE_TOKENS + 1);
    // The long line follows behind more pairs than are scored together.
    let lines = |last: &str| "yes\n".repeat(1_001) + last;
    let [short, long] = [lines("yes"), lines(&long)].map(|text| text.into_bytes());
    let (short, long) = (
        workspace.write("short.txt", short),
        workspace.write("long.txt", long),
    );
    for (source, target, text) in [(&long, &short, "the sources"), (&short, &long, "the targets")] {
        let output = workspace.score(source, target, &NOTHING);
        let error = String::from_utf8(output.stderr.clone()).unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(error.contains(&format!("line 1002 of {text}")), "{error}");
        assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 1_001);
    }
    let pair = GivenTranslation {
        source: "yes",
        target: &fs::read_to_string(long).unwrap(),
        number: 6,
    };
    let translator = translator(model_folder());
    let options = translator.model().options();
    let error = translator.score(&[pair], &options).remove(0).unwrap_err();
    assert!(
        matches!(
            error,
            InferError::TooLong {
                line: 7,
                text: "the targets",
                ..
            }
        ),
        "{error}"
    );
}

#[test]
fn files_of_unequal_length_are_refused() {
    let workspace = workspace();
    let sources = workspace.write("sources.txt", text());
    let targets = workspace.write("targets.txt", "yes\n");
    let output = workspace.score(&sources, &targets, &NOTHING);
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        error.contains("sources.txt") && error.contains("targets.txt"),
        "{error}"
    );
    // The pair before the missing line is scored.
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 1);
}

//! Translating by way of a third language, with two of the user's models.

use std::process::Output;

use attend_infer::search::SearchOptions;
use attend_infer::{Languages, ModelFolder};
use attend_model::TransformerConfig;

use crate::common::{
    MAX_SOURCE_TOKENS, Workspace, argument, assert_error, assert_usage_error, attend, bundle_of, config,
    home, run, stdout, text,
};

fn translate(workspace: &Workspace, arguments: &[&str], input: &str) -> Output {
    let mut command = attend("translate");
    command.args(arguments).env("ATTEND_HOME", workspace.path("home"));
    run(command, input.as_bytes())
}

#[test]
fn the_second_model_translates_what_the_first_has_written() {
    let workspace = home(&["fr-en", "en-de"]);
    let one_by_one = |first: &[&str], last: &[&str]| {
        let written = stdout(&translate(
            &workspace,
            &[&["--model", "fr-en"], first].concat(),
            &text(),
        ));
        let found = stdout(&translate(
            &workspace,
            &[&["--model", "en-de"], last].concat(),
            &written,
        ));
        assert_ne!(found, written);
        found
    };
    let through = |flags: &[&str]| {
        let arguments = ["--from", "fr", "--to", "de", "--via", "en"];
        stdout(&translate(&workspace, &[&arguments[..], flags].concat(), &text()))
    };
    assert_eq!(through(&[]), one_by_one(&[], &[]));
    // These hold for both models.
    for flags in [
        &["--beam", "3", "--max-length", "7"][..],
        &["--no-split", "--max-length", "9", "--length-penalty", "0"],
        &["--format", "html", "--keep", "urls,numbers"],
        &["--dtype", "int8", "--batch-tokens", "50"],
    ] {
        assert_eq!(through(flags), one_by_one(flags, flags), "{flags:?}");
    }
    // These hold for the second model. Some of them take a line for one sentence.
    for (of_last, of_first) in [
        (&["--prefix", "das"][..], &["--no-split"][..]),
        (
            &["--beam", "4", "--require", "Haus"],
            &["--beam", "4", "--no-split"],
        ),
        (&["--ban", "Haus"], &[]),
        (&["--sample", "--seed", "5"], &[]),
    ] {
        let both = |flags: &[&'static str]| [&["--max-length", "9"], flags].concat();
        let expected = one_by_one(&both(of_first), &both(of_last));
        assert_eq!(through(&both(of_last)), expected, "{of_last:?}");
    }

    let best = ["--beam", "3", "--nbest", "2", "--json"];
    let (found, expected) = (through(&best), one_by_one(&["--beam", "3"], &best));
    let parsed = |lines: &str| -> Vec<serde_json::Value> {
        let lines = lines.lines();
        lines.map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    for ((found, expected), line) in parsed(&found).iter().zip(parsed(&expected)).zip(text().lines()) {
        assert_eq!(found["translations"], expected["translations"]);
        assert_eq!(found["source"], line);
    }
}

#[test]
fn without_a_direct_model_text_passes_through_english() {
    let workspace = home(&["fr-en", "en-de", "en-it", "fr-it"]);
    let arguments = ["--from", "fr", "--to", "de", "--via", "en"];
    let expected = stdout(&translate(&workspace, &arguments, &text()));
    let found = translate(&workspace, &arguments[..4], &text());
    assert_eq!(String::from_utf8(found.stdout).unwrap(), expected);
    let told = String::from_utf8(found.stderr).unwrap();
    assert_eq!(
        told,
        "no model translates from fr to de: it is done by way of en, with fr-en and en-de\n"
    );

    // A direct model is taken, unless another way is asked for.
    let direct = stdout(&translate(&workspace, &["--model", "fr-it"], &text()));
    let arguments = ["--from", "fr", "--to", "it", "--via", "en"];
    assert_eq!(stdout(&translate(&workspace, &arguments[..4], &text())), direct);
    assert_ne!(stdout(&translate(&workspace, &arguments, &text())), direct);
}

#[test]
fn a_way_that_no_two_models_go_is_refused() {
    let workspace = home(&["fr-en", "en-de", "en-de-2", "en-it"]);
    let error = |arguments: &[&str], part: &str| {
        assert_error(&translate(&workspace, arguments, "yes"), &[part]);
    };
    let from = ["--from", "fr", "--to"];
    error(
        &[&from[..], &["it", "--via", "es"]].concat(),
        "no model translates from fr to es",
    );
    error(
        &[&from[..], &["pt", "--via", "en"]].concat(),
        "no model translates from en to pt",
    );
    error(
        &[&from[..], &["pt"]].concat(),
        "no model translates from fr to pt",
    );
    error(
        &[&from[..], &["de"]].concat(),
        "no model translates from fr to de",
    );
    error(
        &[&from[..], &["de", "--via", "en"]].concat(),
        "several models translate from en to de: en-de, en-de-2",
    );

    for flags in [
        &["--alignment"][..],
        &["--glossary", "terms.tsv"],
        &["--ensemble", argument(&workspace.model())],
    ] {
        let through = [&from[..], &["it", "--via", "en"], flags].concat();
        let expected = "--alignment, --glossary and --ensemble are for one model";
        assert_usage_error(&translate(&workspace, &through, "yes"), expected);
    }
    assert_usage_error(&translate(&workspace, &["--via", "en"], "yes"), "--from");
    let conflict = ["--via", "en", "--model", "fr-en"];
    assert_usage_error(&translate(&workspace, &conflict, "yes"), "--from");
}

#[test]
fn a_line_that_one_of_the_models_refuses_ends_the_translation() {
    let workspace = home(&["fr-en", "en-de"]);
    let flags = [
        "--from",
        "fr",
        "--to",
        "de",
        "--via",
        "en",
        "--no-split",
        "--max-length",
        "9",
    ];
    let long = "yes ".repeat(MAX_SOURCE_TOKENS + 1);
    let first_lines = "good morning\nthe house is small\n";
    let expected = stdout(&translate(&workspace, &flags, first_lines));
    let output = translate(&workspace, &flags, &format!("{first_lines}{long}\nyes\n"));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), expected);
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.starts_with("error: line 3 of the input"), "{told}");
}

#[test]
fn a_translation_that_the_second_model_refuses_is_not_a_line_of_the_input() {
    let workspace = home(&["fr-en", "en-de"]);
    let first = bundle_of(config(), 10);
    let languages = |source: &str, target: &str| Languages {
        source: source.parse().ok(),
        target: target.parse().ok(),
    };
    let generation = SearchOptions {
        min_length: 60,
        ..first.generation
    };
    ModelFolder {
        generation,
        languages: languages("fr", "en"),
        ..first
    }
    .save(workspace.path("home/models/fr-en"))
    .unwrap();
    let few_positions = TransformerConfig {
        max_length: 10,
        ..config()
    };
    ModelFolder {
        languages: languages("en", "de"),
        ..bundle_of(few_positions, 11)
    }
    .save(workspace.path("home/models/en-de"))
    .unwrap();
    let flags = ["--from", "fr", "--to", "de", "--via", "en", "--no-split"];
    let output = translate(&workspace, &flags, "good morning\n");
    let told = assert_error(
        &output,
        &["line 1 of the first model's translations has at least"],
    );
    assert!(told.contains("the model takes at most 9 in a sentence"), "{told}");
}

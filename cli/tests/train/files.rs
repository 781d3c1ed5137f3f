//! The files that a run reads and writes beside its own folder: pipes, paths, and where prepared pairs are kept.

use std::fs;
use std::process::{Command, Stdio};

use crate::common::run;

use super::common::{SMALL_RECIPE, copy_and_reverse, small_workspace, stderr};

#[cfg(unix)]
#[test]
fn a_corpus_that_can_be_read_only_once_is_refused_at_once() {
    let workspace = small_workspace();
    let fifo = workspace.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    for setting in [
        "data.train.source=fifo",
        "data.train={tsv = \"fifo\"}",
        "data.valid.target=fifo",
        "data.test.source=fifo",
    ] {
        let message = workspace.failure(&["small.toml", "--set", setting]);
        let expected = "fifo is a pipe, which can be read only once, but it has to be read several times\n";
        assert!(message.contains(expected), "{setting}: {message}");
        assert!(
            message.contains("hint: write its text into a file first; files that gzip"),
            "{message}"
        );
        assert!(!workspace.path("runs").exists(), "a folder was left behind");
    }
    let mut command = workspace.command(&["small.toml", "--set", "data.train.source=/dev/stdin"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let message = stderr(&run(command, b"copy a\n"));
    assert!(message.contains("standard input is a pipe"), "{message}");
    // The same path is a file if standard input comes from one.
    let mut command = workspace.command(&["small.toml", "--set", "data.train.source=/dev/stdin"]);
    command.stdin(fs::File::open(workspace.path("train.src")).unwrap());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn text_by_a_dash_or_of_the_null_device_is_refused_for_what_it_is() {
    let workspace = small_workspace();
    for setting in [
        "data.train={tsv=\"-\"}",
        "data.valid.source=-",
        "data.test.target=-",
    ] {
        let message = workspace.failure(&["small.toml", "--set", setting]);
        let expected =
            "names standard input, which can be read only once, but a run reads its text several times";
        assert!(
            message.contains(&format!("error: --set {setting}: data.")),
            "{message}"
        );
        assert!(message.contains(expected), "{message}");
    }
    let message = workspace.failure(&["small.toml", "--set", "data.train={tsv=\"/dev/null\"}"]);
    assert!(message.contains("/dev/null is empty"), "{message}");
    let mut command = workspace.command(&["-"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let message = stderr(&run(command, b"seed = -1\n"));
    assert!(
        message.contains("error: standard input, line 1: seed: "),
        "{message}"
    );
}

#[test]
fn a_number_of_the_wrong_kind_is_named_with_its_key() {
    let workspace = small_workspace();
    let whole = "expected a whole number of 0 or more";
    for (key, value, expected) in [
        ("training.updates", "-5", whole),
        ("data.vocab_size", "1.5", whole),
        ("training.learning_rate", "fast", "expected a number"),
        ("search.length_penalty", "[1]", "expected a number"),
        ("data.source_language", "xx", "it is no code of a language"),
    ] {
        let setting = format!("{key}={value}");
        let message = workspace.failure(&["small.toml", "--set", &setting]);
        assert!(
            message.contains(&format!("error: --set {setting}: ")),
            "{message}"
        );
        assert!(message.contains(expected), "{message}");
    }
    let recipe = SMALL_RECIPE.replace("updates = 20", "updates = -20");
    workspace.write("wrong.toml", &recipe);
    let message = workspace.failure(&["wrong.toml"]);
    let line = 1 + recipe.lines().position(|line| line == "updates = -20").unwrap();
    let expected =
        format!("wrong.toml, line {line}: training.updates: invalid value: integer `-20`, {whole}");
    assert!(message.contains(&expected), "{message}");
    // An empty variable counts as unset.
    for variable in ["ATTEND_PREPARED", "ATTEND_DEVICE"] {
        let output = workspace
            .command(&["small.toml", "--dry-run"])
            .env(variable, "")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
    }
    assert!(workspace.path("prepared").is_dir());
}

#[test]
fn a_recipe_may_come_from_standard_input_and_begin_with_a_mark() {
    let workspace = small_workspace();
    workspace.train_well(&["small.toml", "--output", "named"]);
    let mut command = workspace.command(&["-", "--output", "piped"]);
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = run(command, format!("\u{FEFF}{SMALL_RECIPE}").as_bytes());
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(workspace.losses("piped"), workspace.losses("named"));
    // Standard input cannot be read again, but the run has a copy of the recipe.
    let model_card = workspace.model_card("piped");
    assert!(
        model_card.contains("attend train piped/recipe.toml --workers"),
        "{model_card}"
    );
}

#[test]
fn prepared_pairs_are_kept_where_the_user_says() {
    let workspace = small_workspace();
    let count = |folder: &str| fs::read_dir(workspace.path(folder)).map_or(0, Iterator::count);
    workspace.train_well(&["small.toml", "--prepared", "cache/by flag"]);
    assert_eq!((count("prepared"), count("cache/by flag")), (0, 1));
    let with_variable = |arguments: &[&str]| {
        let mut command = workspace.command(arguments);
        let output = command
            .env("ATTEND_PREPARED", "cache/by variable")
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
    };
    with_variable(&["small.toml", "--dry-run"]);
    assert_eq!((count("prepared"), count("cache/by variable")), (0, 1));
    fs::remove_dir_all(workspace.path("cache/by variable")).unwrap();
    with_variable(&["small.toml", "--dry-run", "--prepared", "cache/by flag"]);
    assert_eq!(count("cache/by variable"), 0);
    // It is no part of the run, which can be resumed without it.
    workspace.train_well(&["small.toml", "--resume"]);
    assert_eq!(count("prepared"), 1);
}

#[test]
fn a_missing_file_is_named_with_the_folder_that_its_path_is_relative_to() {
    let workspace = small_workspace();
    let here = workspace.path("").canonicalize().unwrap();
    let here = here.display();
    for (arguments, path) in [
        (["nowhere.toml"].as_slice(), "nowhere.toml"),
        (
            &["small.toml", "--set", "data.train.source=corpora/a.en"],
            "corpora/a.en",
        ),
        (&["small.toml", "--set", "data.valid.target=b.de"], "b.de"),
    ] {
        let message = workspace.failure(arguments);
        let expected = format!("cannot read {path} (in {here}): ");
        assert!(message.contains(&expected), "{message}");
    }
}

#[test]
fn held_out_pairs_with_a_blank_side_are_left_out_and_counted() {
    let workspace = small_workspace();
    let mut pairs = copy_and_reverse(4);
    for side in ["", " \t", "\u{200b}\u{ad}"] {
        pairs.push((side.to_owned(), "a".to_owned()));
        pairs.push(("copy a".to_owned(), side.to_owned()));
    }
    for (split, name) in [("valid", "validation"), ("test", "test")] {
        workspace.write_pairs(split, &pairs);
        let output = workspace.train(&["small.toml", "--dry-run"]);
        let message = stderr(&output);
        assert!(output.status.success(), "{message}");
        let note = format!("{name} pairs: left out 6 with a blank side\n");
        assert!(message.contains(&note), "{message}");
        workspace.write_pairs(split, &pairs[4..]);
        let message = workspace.failure(&["small.toml"]);
        let expected =
            format!("none of the 6 {name} pairs can be scored: all of them have a blank side\nhint: check");
        assert!(message.contains(&expected), "{message}");
        workspace.write_pairs(split, &pairs[..4]);
    }
}

#[test]
fn filters_that_drop_all_pairs_are_named() {
    let workspace = small_workspace();
    let mut pairs = copy_and_reverse(5);
    pairs.push((String::new(), "a".to_owned()));
    pairs.push(("b".to_owned(), "b".to_owned()));
    workspace.write_pairs("train", &pairs);
    let message = workspace.failure(&["small.toml", "--set", "data.max_length=1"]);
    let expected =
        "the filters dropped all 7 training pairs: 1 as empty, 1 as source equals target, 5 as too long\n";
    assert!(message.contains(expected), "{message}");
    let hint = "hint: pairs with an empty side are always dropped; data.clean.copies says whether a target may equal \
                its source; data.max_length and model.max_length say which pairs are too long\n";
    assert!(message.contains(hint), "{message}");
    // All pairs are dropped before there is a vocabulary.
    let message = workspace.failure(&["small.toml", "--set", "data.clean.source_scripts=[\"Greek\"]"]);
    let expected = "the filters dropped all 7 training pairs: 1 as empty, 1 as source equals target, \
                    5 as wrong script\n";
    assert!(message.contains(expected), "{message}");
    assert!(
        message.contains("data.clean.source_scripts") && !message.contains("data.max_ratio"),
        "{message}"
    );
}

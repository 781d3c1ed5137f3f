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
    assert!(message.contains("/dev/stdin is a pipe"), "{message}");
    // The same path is a file if standard input comes from one.
    let mut command = workspace.command(&["small.toml", "--set", "data.train.source=/dev/stdin"]);
    command.stdin(fs::File::open(workspace.path("train.src")).unwrap());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
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
    // All pairs are dropped before there is a vocabulary.
    let message = workspace.failure(&["small.toml", "--set", "data.clean.source_scripts=[\"Greek\"]"]);
    let expected = "the filters dropped all 7 training pairs: 1 as empty, 1 as source equals target, \
                    5 as wrong script\n";
    assert!(message.contains(expected), "{message}");
}

//! What the command line and files of users are like: negative numbers, standard input by a dash, other encodings.

use std::fs;
use std::io::Write;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::common::{NOTHING, Workspace, argument, assert_error, assert_usage_error, attend, run, stdout};

#[test]
fn a_negative_number_is_a_value_that_is_out_of_range() {
    let workspace = Workspace::new();
    for (arguments, part) in [
        (
            ["--length-penalty", "-1"],
            "`length_penalty` is -1: it must be a number of at least 0",
        ),
        (
            ["--repetition-penalty", "-0.5"],
            "`repetition_penalty` is -0.5: it must be a number of at least 1",
        ),
        (
            ["--coverage-penalty", "-0.001"],
            "`coverage_penalty` is -0.001: it must be a number of at least 0",
        ),
        (
            ["--beam", "-1"],
            "'-1' for '--beam <N>': the number must not be negative",
        ),
        (["--beam", "4.5"], "'4.5' for '--beam <N>': it is no whole number"),
        (["--beam", "4294967296"], "the number is too large"),
        (
            ["--nbest", "-2"],
            "'-2' for '--nbest <N>': the number must not be negative",
        ),
        (["--min-length", "-3"], "the number must not be negative"),
        (["--max-length", "-3"], "the number must not be negative"),
        (["--no-repeat-ngram", "-3"], "the number must not be negative"),
        (
            ["--batch-tokens", "0"],
            "'0' for '--batch-tokens <N>': the number must be at least 1",
        ),
        (["--threads", "-1"], "the number must not be negative"),
        (["--workers", "-1"], "neither a number from 1 nor auto"),
    ] {
        assert_usage_error(&workspace.translate(&arguments, b"yes\n"), part);
    }
    let sampled = |flag: &str, value: &str| workspace.translate(&["--sample", flag, value], b"yes\n");
    assert_usage_error(&sampled("--temperature", "-1"), "`sampling.temperature` is -1");
    assert_usage_error(&sampled("--seed", "-1"), "the number must not be negative");
    assert_usage_error(&sampled("--top-k", "-1"), "the number must not be negative");
    // A line that looks like a flag is still asked about.
    assert_usage_error(&workspace.translate(&["-5"], b""), "-5");
    assert!(!workspace.translated(&["--ban", "-5", "yes"], b"").is_empty());
}

#[test]
fn a_dash_is_standard_input() {
    let workspace = Workspace::new();
    let expected = workspace.translated(&NOTHING, b"yes\nno\n");
    assert_eq!(workspace.translated(&["--input", "-"], b"yes\nno\n"), expected);
    let mut compressed = GzEncoder::new(Vec::new(), Compression::default());
    compressed.write_all(b"yes\nno\n").unwrap();
    assert_eq!(
        workspace.translated(&NOTHING, &compressed.finish().unwrap()),
        expected
    );

    let prefixes = workspace.write("prefixes", "a\nb\n");
    let with_file = ["--prefix-file", argument(&prefixes), "yes", "no"];
    let with_dash = ["--prefix-file", "-", "yes", "no"];
    assert_eq!(
        workspace.translated(&with_dash, b"a\nb\n"),
        workspace.translated(&with_file, b"")
    );
    let both = "standard input cannot have both";
    assert_usage_error(&workspace.translate(&["--prefix-file", "-"], b"a\n"), both);
    assert_usage_error(
        &workspace.translate(&["--prefix-file", "-", "--input", "-"], b"a\n"),
        both,
    );

    let lines = workspace.write("lines", "yes\nno\n");
    let scores = workspace.scored(&lines, &lines, &NOTHING);
    let mut score = attend("score");
    score.arg(workspace.model()).args(["-", argument(&lines)]);
    assert_eq!(stdout(&run(score, b"yes\nno\n")), scores);
    let mut score = attend("score");
    score.arg(workspace.model()).args(["-", "-"]);
    assert_error(&run(score, b"yes\nno\n"), &["/dev/stdin is a pipe", "only once"]);
}

#[test]
fn text_in_another_encoding_comes_with_the_command_that_converts_it() {
    let workspace = Workspace::new();
    let utf16: Vec<u8> = "\u{FEFF}ja\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let path = workspace.write("old text.de", &utf16);
    let complaints = assert_error(
        &workspace.translate(&["--input", argument(&path)], b""),
        &["old text.de is text in UTF-16, not in UTF-8"],
    );
    let command = complaints.split('`').nth(1).expect("a command");
    assert!(command.starts_with("iconv -f UTF-16 -t UTF-8 "), "{complaints}");
    // The command does what it is for.
    assert!(
        Command::new("sh")
            .args(["-c", command])
            .status()
            .unwrap()
            .success()
    );
    assert_eq!(fs::read(workspace.path("old text.de.utf8")).unwrap(), b"ja\n");
    let complaints = assert_error(
        &workspace.translate(&NOTHING, &utf16),
        &["standard input is text in UTF-16"],
    );
    assert!(
        complaints.contains("`iconv -f UTF-16 -t UTF-8`\n"),
        "{complaints}"
    );
    // Nothing can be written beside standard input, even if it comes from a file.
    let mut score = attend("score");
    score.arg(workspace.model()).args(["-", argument(&path)]);
    let score = score.stdin(fs::File::open(&path).unwrap());
    let complaints = assert_error(&score.output().unwrap(), &["/dev/stdin is text in UTF-16"]);
    assert!(
        complaints.contains("`iconv -f UTF-16 -t UTF-8`\n"),
        "{complaints}"
    );
}

//! What the command line and files of users are like: negative numbers, standard input by a dash, other encodings.

use std::fs;
use std::io::Write;
use std::process::Command;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::common::{
    LINE_ENDS, NOTHING, Workspace, argument, assert_error, assert_usage_error, attend, run, stdout,
};

#[test]
fn a_negative_number_is_a_value_that_is_out_of_range() {
    let workspace = Workspace::new();
    for (arguments, part) in [
        (
            ["--length-penalty", "-1"],
            "error: --length-penalty is -1: it must be a number of at least 0",
        ),
        (
            ["--repetition-penalty", "-0.5"],
            "error: --repetition-penalty is -0.5: it must be a number of at least 1",
        ),
        (
            ["--coverage-penalty", "-0.001"],
            "error: --coverage-penalty is -0.001: it must be a number of at least 0",
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
    assert_usage_error(&sampled("--temperature", "-1"), "error: --temperature is -1");
    assert_usage_error(
        &sampled("--top-p", "2"),
        "error: --top-p is 2: it must be above 0",
    );
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
    // One standard input cannot be two files, wherever it comes from.
    let twice = "standard input can be only one of the files";
    let model = workspace.model();
    let model = argument(&model);
    for arguments in [
        ["score", model, "-", "-"].as_slice(),
        &["score", model, "-", "/dev/stdin"],
        &["eval", model, "-", "-"],
        &["eval", model, argument(&lines), "-", "-"],
        &["eval", "--hypotheses", "-", "-"],
        &["eval", "--hypotheses", "-", "--baseline", "-", argument(&lines)],
    ] {
        let mut command = attend(arguments[0]);
        command.args(&arguments[1..]);
        assert_usage_error(&run(command, b"yes\nno\n"), twice);
        let mut command = attend(arguments[0]);
        command
            .args(&arguments[1..])
            .stdin(fs::File::open(&lines).unwrap());
        assert_usage_error(&command.output().unwrap(), twice);
    }
}

#[test]
fn a_dash_is_standard_output() {
    let workspace = Workspace::new();
    let in_folder = |subcommand: &str, arguments: &[&str]| {
        let mut command = attend(subcommand);
        command.args(arguments).current_dir(workspace.path(""));
        run(command, b"yes\nno\n")
    };
    let expected = workspace.translated(&NOTHING, b"yes\nno\n");
    let dash = ["--model", "model", "--output", "-"];
    assert_eq!(stdout(&in_folder("translate", &dash)), expected);
    let json = [dash.as_slice(), &["--json"]].concat();
    assert_eq!(
        stdout(&in_folder("translate", &json)),
        workspace.translated(&["--json"], b"yes\nno\n")
    );
    workspace.write("lines", "yes\nno\n");
    for flags in [["--output", "-"].as_slice(), &["--json", "--output", "-"]] {
        let arguments = [&["model", "-", "lines"], flags].concat();
        assert_usage_error(&in_folder("eval", &arguments), "standard output has the scores");
    }
    for arguments in [["train", "--output"], ["train", "--prepared"]] {
        let output = in_folder(arguments[0], &[arguments[1], "-"]);
        assert_usage_error(&output, "cannot be standard output");
    }
    let output = in_folder("data", &["phrasebook", "--output", "-"]);
    assert_usage_error(&output, "cannot be standard output");
    assert!(!workspace.path("-").exists());
}

#[test]
fn an_argument_is_one_line() {
    let workspace = Workspace::new();
    for end in LINE_ENDS {
        let line = format!("yes{end}no");
        assert_eq!(
            workspace.translated(&["--json", &line, "yes"], b""),
            workspace.translated(&["--json", "yes no", "yes"], b""),
            "{end:?}"
        );
    }
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let workspace = Workspace::new();
    for name in ["ATTEND_DEVICE", "ATTEND_PREPARED", "ATTEND_COMMAND"] {
        let mut command = attend("translate");
        command.args(["--model", "nowhere", "yes"]).env(name, "");
        let complaints = assert_error(&run(command, b""), &["nowhere"]);
        assert!(complaints.contains("`attend train`"), "{name}: {complaints}");
        let mut command = workspace.translate_command(&["yes"]);
        command.env(name, "");
        assert_eq!(run(command, b"").status.code(), Some(0), "{name}");
    }
}

/// A test set of WMT, of two sentences.
const TEST_SET: &str = "<dataset id=\"small\">\n<doc id=\"one\">\n<src lang=\"en\"><p>\n<seg id=\"1\">yes</seg>\n\
                        <seg id=\"2\">the &lt;house&gt;</seg></p></src>\n</doc>\n</dataset>\n";

#[test]
fn of_a_test_set_the_sources_are_translated() {
    let workspace = Workspace::new();
    let expected = workspace.translated(&["--no-split"], b"yes\nthe <house>\n");
    for name in ["set.xml", "set"] {
        let set = workspace.write(name, TEST_SET);
        let flags = ["--no-split", "--input", argument(&set)];
        assert_eq!(workspace.translated(&flags, b""), expected, "{name}");
        // As markup, each line keeps its tags.
        let markup = ["--format", "xml", "--input", argument(&set)];
        let markup = workspace.translated(&markup, b"");
        assert_eq!(markup.lines().count(), TEST_SET.lines().count());
        assert!(markup.starts_with("<dataset id=\"small\">\n"), "{markup}");
    }
    // What comes through a pipe is translated line by line.
    let expected = ["standard input is a test set in WMT's format XML, not lines of text"];
    let complaints = assert_error(&workspace.translate(&NOTHING, TEST_SET.as_bytes()), &expected);
    assert!(complaints.contains("--input"), "{complaints}");
    let sgm = b"<srcset setid=\"small\" srclang=\"en\">\n<doc docid=\"one\">\n<seg id=\"1\">yes</seg>\n";
    assert_error(
        &workspace.translate(&["--input", "-"], sgm),
        &["WMT's format SGML"],
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named_with_the_folder_that_its_path_is_relative_to() {
    let workspace = Workspace::new();
    workspace.write("lines", "yes\n");
    let here = workspace.path("").canonicalize().unwrap();
    let expected = format!("cannot read nowhere (in {}): ", here.display());
    for arguments in [
        ["translate", "--model", "model", "--input", "nowhere"].as_slice(),
        &["translate", "--model", "model", "--prefix-file", "nowhere", "yes"],
        &["eval", "model", "nowhere", "lines"],
        &["eval", "model", "lines", "nowhere"],
        &["eval", "--hypotheses", "nowhere", "lines"],
        &["eval", "--hypotheses", "lines", "--baseline", "nowhere", "lines"],
        &["score", "model", "nowhere", "lines"],
        &["score", "model", "lines", "nowhere"],
        &["train", "nowhere"],
    ] {
        let mut command = attend(arguments[0]);
        command.args(&arguments[1..]).current_dir(&here);
        let complaints = assert_error(&run(command, b""), &[&expected]);
        assert!(complaints.contains("hint: check the path"), "{complaints}");
    }
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
    let complaints = assert_error(&score.output().unwrap(), &["standard input is text in UTF-16"]);
    assert!(
        complaints.contains("`iconv -f UTF-16 -t UTF-8`\n"),
        "{complaints}"
    );
}

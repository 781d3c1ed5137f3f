//! The subcommand `attend translate`, run from outside on a small model with random weights.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;

use attend_infer::Translation;
use attend_infer::search::SearchOptions;

use crate::common::{
    self, MAX_SOURCE_TOKENS, NOTHING, SENTENCES, Workspace, argument, assert_error, assert_usage_error, each,
    model_folder, searching, text, translator,
};

/// Sentences may come as arguments, from standard input or from a file, which may be compressed. Translations may go to
/// standard output or to a file.
#[test]
fn every_way_in_and_out_gives_the_same() {
    let workspace = Workspace::new();
    let expected = workspace.translated(&SENTENCES, b"");
    assert_eq!(expected.lines().count(), SENTENCES.len());
    let different: HashSet<&str> = expected.lines().collect();
    assert!(different.len() > 4, "a random model shows mix-ups: {expected}");

    assert_eq!(workspace.translated(&NOTHING, text().as_bytes()), expected);
    let input = workspace.write("input.txt", text());
    let from_file = ["--input", argument(&input)];
    assert_eq!(workspace.translated(&from_file, b"not read"), expected);

    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    gzip.write_all(text().as_bytes()).unwrap();
    let compressed = workspace.write("input.txt.gz", gzip.finish().unwrap());
    let from_gzip = ["--input", argument(&compressed)];
    assert_eq!(workspace.translated(&from_gzip, b""), expected);

    let output = workspace.write("output.txt", "an older file");
    let to_file = ["--input", argument(&input), "--output", argument(&output)];
    assert_eq!(workspace.translated(&to_file, b""), "");
    assert_eq!(fs::read_to_string(&output).unwrap(), expected);
    assert!(!workspace.path("output.txt.part").exists());
}

#[test]
fn workers_and_threads_change_no_translation() {
    let workspace = Workspace::new();
    let expected = workspace.translated(&SENTENCES, b"");
    for (workers, threads) in [("1", "2"), ("3", "1"), ("2", "2")] {
        let mut arguments = vec![
            "--workers",
            workers,
            "--threads",
            threads,
            "--batch-tokens",
            "150",
        ];
        arguments.extend(SENTENCES);
        assert_eq!(workspace.translated(&arguments, b""), expected);
    }
    let output = workspace.translate(&["yes", "--workers", "0"], b"");
    assert_usage_error(&output, "--workers");
}

#[test]
fn lengths_are_kept_to() {
    let workspace = Workspace::new();
    let translator = translator(model_folder());
    for (min_length, max_length) in [(0, 3), (7, 7), (70, 90)] {
        let options = searching(SearchOptions {
            beam_size: 1,
            min_length,
            max_length: Some(max_length),
            ..SearchOptions::default()
        });
        let translations = each(translator.translate(&SENTENCES, &options));
        let best: Vec<&Translation> = translations.iter().map(|best| &best[0]).collect();
        for translation in &best {
            let length = translation.tokens.len();
            assert!(length >= min_length && length <= max_length, "{length}");
        }
        let expected: String = best.iter().map(|best| format!("{}\n", best.text)).collect();
        let [min_length, max_length] = [min_length, max_length].map(|length| length.to_string());
        let flags = ["--min-length", &min_length, "--max-length", &max_length];
        assert_eq!(
            workspace.translated(&[&SENTENCES, &flags[..]].concat(), b""),
            expected
        );
    }
    // Without a maximum length, translations may be as long as the minimum asks for, up to the model's positions.
    let longest = MAX_SOURCE_TOKENS.to_string();
    let json = workspace.translated(&["--min-length", &longest, "--json", "yes"], b"");
    let line: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(line["translations"][0]["log_probability"].as_f64().unwrap() < 0.0);
    let options = searching(SearchOptions {
        min_length: 70,
        ..SearchOptions::default().greedy()
    });
    let translations = each(translator.translate(&["yes"], &options));
    assert!(translations[0][0].tokens.len() >= 70);
    let too_long = (MAX_SOURCE_TOKENS + 1).to_string();
    for (flags, part) in [
        (
            ["--max-length", "2", "--min-length", "3"].as_slice(),
            "--max-length is 2",
        ),
        (
            &["--min-length", &too_long],
            "--min-length is 100, but the model's translations have at most 99",
        ),
    ] {
        let output = workspace.path("output.txt");
        let arguments = [flags, &["--output", argument(&output)]].concat();
        assert_usage_error(&workspace.translate(&arguments, b"yes\n"), part);
        assert!(!workspace.path("output.txt.part").exists(), "{flags:?}");
    }
}

#[test]
fn lines_and_input_file_exclude_each_other() {
    let workspace = Workspace::new();
    let output = workspace.translate(&["yes", "--input", "lines.txt"], b"");
    assert_usage_error(&output, "--input");
}

#[test]
fn one_line_in_is_one_line_out() {
    let workspace = Workspace::new();
    let yes = workspace.translated(&["yes"], b"");
    let house = workspace.translated(&["the house is small"], b"");
    assert_ne!(yes, house);
    let (yes, house) = (yes.trim_end_matches('\n'), house.trim_end_matches('\n'));
    for (input, expected) in [
        ("", vec![]),
        ("\n", vec![""]),
        ("\n\n", vec!["", ""]),
        ("yes", vec![yes]),
        ("yes\nthe house is small", vec![yes, house]),
        ("\nyes\n\nthe house is small\n\n", vec!["", yes, "", house, ""]),
        (" \t\nyes\n\u{3000}\n", vec!["", yes, ""]),
        ("yes\r\n\r\nthe house is small\r\n", vec![yes, "", house]),
        ("\u{feff}yes\n", vec![yes]),
    ] {
        let expected: String = expected.iter().map(|line| format!("{line}\n")).collect();
        let output = workspace.translated(&NOTHING, input.as_bytes());
        assert_eq!(output, expected, "input {input:?}");
    }
    let blank = " ".repeat(20 * MAX_SOURCE_TOKENS);
    assert_eq!(
        workspace.translated(&[blank.as_str(), "yes"], b""),
        format!("\n{yes}\n")
    );
}

#[test]
fn the_tokens_of_a_batch_change_no_translation() {
    let workspace = Workspace::new();
    for beam in ["1", "3"] {
        let sizes = ["1", "150", "400", "1000000"].map(|size| {
            let arguments = ["--beam", beam, "--batch-tokens", size];
            workspace.translated(&arguments, text().as_bytes())
        });
        for size in &sizes[1..] {
            assert_eq!(size, &sizes[0], "beam {beam}");
        }
    }
}

#[test]
fn without_a_flag_the_model_says_how_to_search() {
    let workspace = Workspace::new();
    let greedy = workspace.translated(&["--beam", "1"], text().as_bytes());
    let beam = workspace.translated(&["--beam", "3"], text().as_bytes());
    assert_ne!(greedy, beam);
    assert_eq!(workspace.translated(&NOTHING, text().as_bytes()), greedy);

    let settings = r#"{"beam_size": 3, "nbest": 2}"#;
    fs::write(workspace.model().join("generation.json"), settings).unwrap();
    assert_eq!(workspace.translated(&NOTHING, text().as_bytes()), beam);
    assert_eq!(workspace.translated(&["--beam", "1"], text().as_bytes()), greedy);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let workspace = Workspace::new();
    // The output is more than a pipe holds, so that the program still writes when its reader has gone away.
    let lines = text().repeat(150);
    for lines_read in [0, 1] {
        let mut child = workspace.translate_command(&["--json"]).spawn().unwrap();
        let mut reader = BufReader::new(child.stdout.take().unwrap());
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(lines.as_bytes()).unwrap();
        drop(stdin);
        for _ in 0..lines_read {
            reader.read_line(&mut String::new()).unwrap();
        }
        drop(reader);
        let output = child.wait_with_output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert_eq!(output.status.code(), Some(0));
    }
    let whole = workspace.translated(&["--json"], lines.as_bytes());
    assert!(whole.len() > 1 << 17, "{} bytes fit into a pipe", whole.len());
}

/// Standard input may be empty, or be closed while the program starts.
#[test]
fn without_input_there_is_no_output() {
    let workspace = Workspace::new();
    for stdin in [Stdio::null(), Stdio::piped()] {
        let mut command = workspace.translate_command(&NOTHING);
        let mut child = command.stdin(stdin).spawn().unwrap();
        drop(child.stdin.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(common::stdout(&output), "");
    }
}

#[test]
fn json_holds_source_and_translations() {
    let workspace = Workspace::new();
    let arguments = ["--beam", "4", "--nbest", "3", "--json"];
    let output = workspace.translated(&arguments, b"good \"morning\"\n \nyes\n");
    let lines: Vec<serde_json::Value> = output
        .lines()
        .map(|line| serde_json::from_str(line).expect("a JSON object a line"))
        .collect();
    let sources: Vec<&str> = lines
        .iter()
        .map(|line| line["source"].as_str().unwrap())
        .collect();
    assert_eq!(sources, ["good \"morning\"", " ", "yes"]);
    let nothing = serde_json::json!([{"text": "", "score": 0.0, "log_probability": 0.0}]);
    assert_eq!(lines[1]["translations"], nothing);

    let best = workspace.translated(&["--beam", "4"], b"good \"morning\"\n \nyes\n");
    for (line, best) in lines
        .iter()
        .zip(best.lines())
        .filter(|(_, best)| !best.is_empty())
    {
        let translations = line["translations"].as_array().unwrap();
        let number = |name: &str| -> Vec<f64> {
            let values = translations.iter().map(|translation| translation[name].as_f64());
            values.map(Option::unwrap).collect()
        };
        assert_eq!(translations.len(), 3);
        assert_eq!(translations[0]["text"], best);
        assert!(number("score").is_sorted_by(|better, worse| better >= worse));
        assert!(number("log_probability").iter().all(|&log| log < 0.0));
        // The objects are compared in place of the texts, which may agree, since a random model writes broken
        // characters.
        let different: HashSet<String> = translations.iter().map(ToString::to_string).collect();
        assert_eq!(different.len(), 3);
    }
}

#[test]
fn the_length_penalty_ranks_translations() {
    let workspace = Workspace::new();
    let scores = |alpha: &str| -> (f64, f64) {
        let arguments = ["--beam", "4", "--length-penalty", alpha, "--json", "yes"];
        let line: serde_json::Value = serde_json::from_str(&workspace.translated(&arguments, b"")).unwrap();
        let best = &line["translations"][0];
        (
            best["score"].as_f64().unwrap(),
            best["log_probability"].as_f64().unwrap(),
        )
    };
    let (score, log_probability) = scores("0");
    assert_eq!(score, log_probability);
    let (score, log_probability) = scores("1");
    assert!(score > log_probability, "divided by more than 1");
}

#[test]
fn settings_that_describe_no_search_are_refused() {
    let workspace = Workspace::new();
    for (arguments, part) in [
        (["--nbest", "3", "--beam", "4"].as_slice(), "--json"),
        (&["--beem", "4"], "--beem"),
        (&["--beam", "many"], "--beam"),
        (&["--batch-tokens", "0"], "--batch-tokens"),
        (&["--batch-tokens", "-1"], "-1"),
        (&["--language", "german"], "--language"),
        (&["--language", "de", "--no-split"], "--no-split"),
        (&["--language", "de", "--prefix", "a"], "--prefix"),
        (&["--language", "de", "--prefix-file", "a"], "--prefix-file"),
        (&["--language", "de", "--require", "a"], "--require"),
    ] {
        assert_usage_error(&workspace.translate(arguments, b"yes\n"), part);
    }
    for (arguments, part) in [
        (
            ["--json", "--nbest", "5", "--beam", "4"].as_slice(),
            "--nbest is 5",
        ),
        (&["--json", "--nbest", "0"], "--nbest is 0"),
        (&["--beam", "0"], "--beam is 0"),
        (&["--beam", "1001"], "--beam is 1001"),
        (&["--length-penalty=-1"], "--length-penalty is -1"),
        (&["--length-penalty", "NaN"], "--length-penalty is NaN"),
        (&["--length-normalization", "mean"], "--length-normalization"),
        (&["--stopping", "never"], "--stopping"),
        (&["--unknown", "drop"], "--unknown"),
        (&["--repetition-penalty", "0.5"], "--repetition-penalty is 0.5"),
        (&["--no-repeat-ngram=-1"], "--no-repeat-ngram"),
        (&["--sample", "--beam", "4"], "--beam"),
        (&["--temperature", "0.5"], "--sample"),
        (&["--top-k", "5"], "--sample"),
        (&["--top-p", "0.5"], "--sample"),
        (&["--seed", "5"], "--sample"),
        (&["--sample", "--seed", "9223372036854775808"], "--seed"),
        (&["--beam", "18446744073709551615"], "--beam"),
        (&["--sample", "--temperature", "0"], "--temperature is 0"),
        (&["--sample", "--top-k", "0"], "--top-k is 0"),
        (&["--sample", "--top-p", "1.5"], "--top-p is 1.5"),
        (&["--prefix", "a", "--prefix-file", "b"], "--prefix"),
        (&["--ban", " "], "--ban"),
        (&["--require", ""], "--require"),
        (&["--require", "a", "--sample"], "cannot go with --sample"),
        (&["--require", "a", "--beam", "1"], "cannot go with a --beam of 1"),
        (
            &["--require", "a", "--beam", "2", "--stopping", "ctranslate2"],
            "cannot go with --stopping",
        ),
        (
            &["--require", "a", "--beam", "2", "--no-repeat-ngram", "2"],
            "cannot go with --no-repeat-ngram",
        ),
        (&["--require", "a", "--beam", "0"], "--beam is 0"),
        (&["--ban", "a", "--unknown", "copy"], "--unknown is copy"),
    ] {
        assert_usage_error(&workspace.translate(arguments, b"yes\n"), part);
    }
}

#[test]
fn a_missing_model_gets_a_hint_to_train() {
    let workspace = Workspace::new();
    fs::remove_dir_all(workspace.model()).unwrap();
    let complaints = assert_error(
        &workspace.translate(&["yes"], b""),
        &[argument(&workspace.model())],
    );
    assert!(complaints.contains("hint: train"), "{complaints}");
}

/// Runs `attend translate`, which must stop with exit status 1. Returns its standard output, and the lines of its
/// standard error.
fn stopped<A: AsRef<OsStr>>(workspace: &Workspace, arguments: &[A], stdin: &[u8]) -> (String, Vec<String>) {
    let output = workspace.translate(arguments, stdin);
    assert_eq!(output.status.code(), Some(1));
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (stdout, stderr.lines().map(str::to_owned).collect())
}

#[test]
fn what_stands_before_bad_input_is_translated() {
    let workspace = Workspace::new();
    let yes = workspace.translated(&["yes"], b"");
    let missing = workspace.path("missing.txt");
    let latin1 = workspace.write("latin1.txt", b"yes\nM\xfcnchen\nyes\n");
    let cut = workspace.write("cut.txt.gz", &b"\x1f\x8b\x08\0\0\0\0\0"[..]);
    let long = format!("yes\n\n{}\nyes\n", "~".repeat(MAX_SOURCE_TOKENS));
    let long = workspace.write("long.txt", long);
    let output = workspace.write("output.txt", "an older file");
    let part = workspace.path("output.txt.part");
    let limit = MAX_SOURCE_TOKENS.to_string();
    for (input, parts, before) in [
        (&missing, vec![argument(&missing)], String::new()),
        (&cut, vec![argument(&cut)], String::new()),
        (&latin1, vec![argument(&latin1), "line 2", "UTF-8"], yes.clone()),
        (&long, vec!["line 3", "100 tokens", &limit], format!("{yes}\n")),
    ] {
        let from_file = ["--no-split", "--input", argument(input)];
        let (stdout, complaints) = stopped(&workspace, &from_file, b"");
        assert_eq!(stdout, before);
        assert!(
            complaints.len() == 2 && complaints[0].starts_with("error: "),
            "{complaints:?}"
        );
        assert!(
            parts.iter().all(|part| complaints[0].contains(part)),
            "{complaints:?}"
        );

        let to_file = [&from_file[..], &["--output", argument(&output)]].concat();
        let (stdout, complaints) = stopped(&workspace, &to_file, b"");
        assert_eq!(stdout, "");
        assert_eq!(fs::read_to_string(&output).unwrap(), "an older file");
        assert_eq!(part.exists(), !before.is_empty());
        if part.exists() {
            assert_eq!(fs::read_to_string(&part).unwrap(), before);
            assert!(complaints[1].ends_with(argument(&part)), "{complaints:?}");
            fs::remove_file(&part).unwrap();
        }
    }

    let (stdout, complaints) = stopped(&workspace, &NOTHING, b"yes\nM\xfcnchen\n");
    assert_eq!(stdout, yes);
    assert!(complaints[0].contains("standard input, line 2"), "{complaints:?}");
    // The space before the text is a token, too.
    let too_long = "~".repeat(MAX_SOURCE_TOKENS);
    let (stdout, complaints) = stopped(&workspace, &["--no-split", "yes", &too_long], b"");
    assert_eq!(stdout, yes);
    assert!(complaints[0].contains("line 2"), "{complaints:?}");
    assert_eq!(workspace.translated(&[&too_long], b"").lines().count(), 1);
    let fits = workspace.translated(&["--no-split", &"~".repeat(MAX_SOURCE_TOKENS - 1)], b"");
    assert_eq!(fits.lines().count(), 1);
}

#[test]
fn each_sentence_of_a_line_is_translated_by_itself() {
    let workspace = Workspace::new();
    let sentences = ["the house is small.", "Yes!", "Dr. Mann reads e.g. a book."];
    let apart = workspace.translated(&sentences, b"");
    let apart: Vec<&str> = apart.lines().collect();
    let line = format!(
        " {}  {}\u{2003}{}\n\n{}\n",
        sentences[0], sentences[1], sentences[2], sentences[1]
    );
    let together = workspace.translated(&NOTHING, line.as_bytes());
    let expected = format!("{}  {}\u{2003}{}\n\n{}\n", apart[0], apart[1], apart[2], apart[1]);
    assert_eq!(together, expected);
    let as_one = workspace.translated(&["--no-split"], line.as_bytes());
    assert_ne!(as_one, expected);
    assert_eq!(as_one.lines().count(), 3);

    let german = "Er kam am 3. Oktober.";
    let as_english = workspace.translated(&[german], b"");
    let as_german = workspace.translated(&["--language", "de", german], b"");
    assert_eq!(as_german, workspace.translated(&["--no-split", german], b""));
    assert_ne!(as_english, as_german);
}

#[test]
fn a_line_of_several_sentences_has_the_scores_of_all() {
    let workspace = Workspace::new();
    let arguments = ["--json", "--beam", "4", "--nbest", "3"];
    let line = |input: &str| -> Vec<serde_json::Value> {
        let line = workspace.translated(&arguments, input.as_bytes());
        let mut line: serde_json::Value = serde_json::from_str(&line).unwrap();
        serde_json::from_value(line["translations"].take()).unwrap()
    };
    let (first, second) = (line("Yes!"), line("the house is small."));
    let both = line("Yes! the house is small.");
    let text = |best: &serde_json::Value| best["text"].as_str().unwrap().to_owned();
    assert_eq!(text(&both[0]), text(&first[0]) + " " + &text(&second[0]));
    for field in ["score", "log_probability"] {
        let number = |best: &serde_json::Value| best[field].as_f64().unwrap();
        let difference = number(&both[0]) - number(&first[0]) - number(&second[0]);
        assert!(difference.abs() < 1e-4, "{field}: {difference}");
    }
    assert_eq!(both.len(), 3);
    let second_best = first[1]["score"].as_f64().unwrap() + second[0]["score"].as_f64().unwrap();
    let other = first[0]["score"].as_f64().unwrap() + second[1]["score"].as_f64().unwrap();
    assert!((both[1]["score"].as_f64().unwrap() - second_best.max(other)).abs() < 1e-4);
}

#[test]
fn flags_come_first_then_the_output_then_the_model() {
    let workspace = Workspace::new();
    fs::write(workspace.model().join("model.safetensors"), "damaged").unwrap();
    let output = workspace.path("missing/output.txt");
    for (flags, part) in [
        (["--max-length=2", "--min-length=3"], "--max-length is 2"),
        (["--require=a", "--length-penalty=-1"], "--length-penalty is -1"),
        (["--ban=a", "--unknown=copy"], "--unknown is copy"),
    ] {
        let arguments = [&flags[..], &["--output", argument(&output), "yes"]].concat();
        assert_usage_error(&workspace.translate(&arguments, b""), part);
    }
    let arguments = ["--output", argument(&output), "yes"];
    assert_error(&workspace.translate(&arguments, b""), &[argument(&output)]);
    let model = workspace.model();
    let folder = ["--output", argument(&model), "yes"];
    assert_error(
        &workspace.translate(&folder, b""),
        &[argument(&workspace.model())],
    );
    assert_error(
        &workspace.translate(&["yes"], b""),
        &["model.safetensors is damaged"],
    );
}

#[cfg(unix)]
#[test]
fn an_output_that_is_no_file_is_written_to_straight() {
    let workspace = Workspace::new();
    let expected = workspace.translated(&["yes"], b"");
    let fifo = workspace.path("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let reader = thread::spawn({
        let fifo = fifo.clone();
        move || fs::read_to_string(fifo).unwrap()
    });
    assert_eq!(
        workspace.translated(&["--output", argument(&fifo), "yes"], b""),
        ""
    );
    assert_eq!(reader.join().unwrap(), expected);
    if cfg!(target_os = "linux") {
        let stdout = ["--output", "/proc/self/fd/1", "yes"];
        assert_eq!(workspace.translated(&stdout, b""), expected);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn translating_takes_no_huge_pages() {
    let workspace = Workspace::new();
    let mut command = workspace.translate_command::<&str>(&[]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut program = command.spawn().unwrap();
    let mut stdin = program.stdin.take().unwrap();
    stdin.write_all(b"yes\n").unwrap();
    // Once the first translation is there, the model is loaded.
    BufReader::new(program.stdout.take().unwrap())
        .read_line(&mut String::new())
        .unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
    drop(stdin);
    program.wait().unwrap();
    // Linux reports this line from version 5.0 on.
    if let Some(line) = status.lines().find(|line| line.starts_with("THP_enabled")) {
        assert_eq!(line.split_whitespace().last(), Some("0"));
    }
}

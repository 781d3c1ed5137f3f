//! The subcommands `classify` and `tag`, run from outside.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Output;

use attend_device::Workers;
use attend_infer::{Classifier, Precision, Tagger};
use attend_model::PoolingKind;
use serde_json::Value;
use tempfile::TempDir;

use crate::common::{
    NOTHING, SENTENCES, assert_error, assert_usage_error, attend, label_model_folder, model_folder, program,
    run, stdout, text, tokenizer,
};

/// A folder with the models `classifier`, `tagger` and `translator`, of random weights.
fn models() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| {
        let path = folder.path().join(name);
        fs::create_dir(&path).unwrap();
        path
    };
    label_model_folder(tokenizer(), Some(PoolingKind::Attention))
        .save(path("classifier"))
        .unwrap();
    label_model_folder(tokenizer(), None)
        .save(path("tagger"))
        .unwrap();
    model_folder().save(path("translator")).unwrap();
    folder
}

fn label<A: AsRef<OsStr>>(subcommand: &str, model: &Path, arguments: &[A], stdin: &[u8]) -> Output {
    let mut command = attend(subcommand);
    command.arg("--model").arg(model).args(arguments);
    run(command, stdin)
}

/// The label and the probability of each sentence, as the library finds them.
fn expected_labels() -> String {
    let folder = label_model_folder(tokenizer(), Some(PoolingKind::Attention));
    let classifier = Classifier::new(folder, Precision::Float32, Workers::start(1, 1).unwrap()).unwrap();
    let found = classifier.classify(&SENTENCES);
    let lines = found.iter().map(|found| {
        let best = &found.labels[0];
        format!("{}\t{:.4}\n", best.label, best.probability)
    });
    lines.collect()
}

fn expected_tags() -> String {
    let folder = label_model_folder(tokenizer(), None);
    let tagger = Tagger::new(folder, Precision::Float32, Workers::start(1, 1).unwrap()).unwrap();
    let words: Vec<Vec<&str>> = SENTENCES.iter().map(|line| line.split(' ').collect()).collect();
    let lines = tagger.tag(&words).into_iter().map(|tags| {
        let tags: Vec<String> = tags.into_iter().map(|tag| tag.tag).collect();
        tags.join(" ") + "\n"
    });
    lines.collect()
}

#[test]
fn lines_come_from_arguments_files_and_pipes() {
    let models = models();
    for (subcommand, model, expected) in [
        ("classify", "classifier", expected_labels()),
        ("tag", "tagger", expected_tags()),
    ] {
        let model = models.path().join(model);
        assert_eq!(stdout(&label(subcommand, &model, &SENTENCES, b"")), expected);
        assert_eq!(
            stdout(&label(subcommand, &model, &NOTHING, text().as_bytes())),
            expected
        );
        let input = models.path().join("input.txt");
        fs::write(&input, text()).unwrap();
        let output = models.path().join("output.txt");
        let files = [
            OsStr::new("--input"),
            input.as_ref(),
            OsStr::new("--output"),
            output.as_ref(),
        ];
        assert_eq!(stdout(&label(subcommand, &model, &files, b"")), "");
        assert_eq!(fs::read_to_string(&output).unwrap(), expected);
        let small_batches = ["--batch-tokens", "10", "--workers", "2", "--input", "-"];
        assert_eq!(
            stdout(&label(subcommand, &model, &small_batches, text().as_bytes())),
            expected
        );
        assert_eq!(
            stdout(&label(subcommand, &model, &["--dtype", "int8", "yes"], b""))
                .lines()
                .count(),
            1
        );
    }
}

#[test]
fn json_has_all_that_was_found() {
    let models = models();
    let lines = |subcommand: &str, model: &str, arguments: &[&str]| -> Vec<Value> {
        let output = label(subcommand, &models.path().join(model), arguments, b"");
        let output = stdout(&output);
        output
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    };
    let found = lines(
        "classify",
        "classifier",
        &["--json", "--top", "2", "good morning", ""],
    );
    assert_eq!(found[0]["text"], "good morning");
    let labels = found[0]["labels"].as_array().unwrap();
    assert_eq!(labels.len(), 2);
    assert!(labels[0]["probability"].as_f64() >= labels[1]["probability"].as_f64());
    assert_eq!(found[0]["weights"][0]["token"], "<s>");
    assert_eq!(found[1].to_string(), r#"{"labels":[],"text":""}"#);

    let plain = label(
        "classify",
        &models.path().join("classifier"),
        &["--top", "3", "yes"],
        b"",
    );
    assert_eq!(stdout(&plain).trim_end().split('\t').count(), 6);

    let found = lines("tag", "tagger", &["--json", " good  morning ", ""]);
    assert_eq!(found[0]["text"], " good  morning ");
    let words = found[0]["words"].as_array().unwrap();
    assert_eq!((words.len(), &words[1]["word"]), (2, &Value::from("morning")));
    assert!(words[0]["tag"].is_string() && words[0]["probability"].is_number());
    assert_eq!(found[1].to_string(), r#"{"text":"","words":[]}"#);
}

#[test]
fn empty_and_long_lines_keep_their_place() {
    let models = models();
    let long = "good morning ".repeat(50_000);
    let input = format!("yes\n\n{long}\n \n");
    let lines = |subcommand: &str, model: &str| -> Vec<String> {
        let output = label(subcommand, &models.path().join(model), &NOTHING, input.as_bytes());
        stdout(&output).lines().map(str::to_owned).collect()
    };
    let labels = lines("classify", "classifier");
    assert_eq!(labels.len(), 4);
    assert!(labels[1].is_empty() && labels[3].is_empty() && !labels[2].is_empty());
    let counts: Vec<usize> = lines("tag", "tagger")
        .iter()
        .map(|line| line.split_whitespace().count())
        .collect();
    assert_eq!(counts, [1, 0, 100_000, 0]);
}

/// A program that writes a line and waits for its answer must get it before it writes the next.
#[test]
fn a_line_of_a_pipe_is_answered_before_the_next_is_read() {
    let models = models();
    for (subcommand, model) in [("classify", "classifier"), ("tag", "tagger")] {
        let mut command = attend(subcommand);
        command.arg("--model").arg(models.path().join(model));
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let mut answers = BufReader::new(child.stdout.take().unwrap()).lines();
        for sentence in &SENTENCES[..3] {
            writeln!(stdin, "{sentence}").unwrap();
            stdin.flush().unwrap();
            assert!(!answers.next().unwrap().unwrap().is_empty());
        }
        drop(stdin);
        assert!(answers.next().is_none());
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn a_model_of_another_task_is_refused_with_the_command_that_takes_it() {
    let models = models();
    for (subcommand, model, found) in [
        ("translate", "classifier", "classify"),
        ("translate", "tagger", "tag"),
        ("classify", "tagger", "tag"),
        ("classify", "translator", "translate"),
        ("tag", "translator", "translate"),
    ] {
        let model = models.path().join(model);
        let message = assert_error(
            &label(subcommand, &model, &["yes"], b""),
            &[&format!(
                "was trained for the task \"{found}\", not for \"{subcommand}\""
            )],
        );
        let hint = format!("hint: `attend {found} --model {}` takes it", model.display());
        assert!(message.contains(&hint), "{message}");
    }
    // The command can be typed, whatever the name of the folder is.
    let spaced = models.path().join("my tagger");
    fs::rename(models.path().join("tagger"), &spaced).unwrap();
    let message = assert_error(&label("classify", &spaced, &["yes"], b""), &[]);
    let hint = format!("hint: `attend tag --model '{}'` takes it", spaced.display());
    assert!(message.contains(&hint), "{message}");
}

/// More lines are labelled together than a batch holds, and more than are read at once.
#[test]
fn many_lines_have_the_labels_that_each_has_alone() {
    let models = models();
    let lines = text().repeat(1_100 / SENTENCES.len() + 1);
    for (subcommand, model, expected) in [
        ("classify", "classifier", expected_labels()),
        ("tag", "tagger", expected_tags()),
    ] {
        let expected = expected.repeat(1_100 / SENTENCES.len() + 1);
        assert!(expected.lines().count() > 1_000);
        for workers in ["1", "3"] {
            let found = label(
                subcommand,
                &models.path().join(model),
                &["--workers", workers],
                lines.as_bytes(),
            );
            assert!(stdout(&found) == expected, "{subcommand} with {workers} workers");
        }
    }
}

/// The model folder of the example is named by default, so the hint names the recipe that trains it.
#[test]
fn a_missing_default_model_is_trained_by_its_own_recipe() {
    let folder = tempfile::tempdir().unwrap();
    for subcommand in ["classify", "tag"] {
        let mut command = attend(subcommand);
        command.arg("yes").current_dir(folder.path());
        let message = assert_error(&run(command, b""), &["is no model folder"]);
        let hint = format!(
            "hint: train a model first, for example by `attend train configs/phrasebook-{subcommand}.toml`"
        );
        assert!(message.contains(&hint), "{message}");
    }
}

#[test]
fn wrong_command_lines_and_folders_are_refused() {
    let models = models();
    let classifier = models.path().join("classifier");
    let both = ["--input", "file.txt", "yes"];
    assert_usage_error(&label("classify", &classifier, &both, b""), "cannot be used with");
    assert_usage_error(
        &label("classify", &classifier, &["--top", "many", "yes"], b""),
        "--top",
    );
    assert_usage_error(
        &label("classify", &classifier, &["--top", "0", "yes"], b""),
        "--top",
    );
    assert_error(
        &label("tag", &models.path().join("nothing"), &["yes"], b""),
        &["nothing is no model folder: it has no config.json"],
    );
    let missing = ["--input", "missing.txt"];
    assert_error(&label("tag", &classifier, &missing, b""), &["missing.txt"]);
    // What was labelled before the error is kept, and the message says where.
    let output = models.path().join("out.txt");
    let arguments = [OsStr::new("--output"), output.as_ref()];
    let text = b"yes\n\xff\xfe\xff\n".as_slice();
    let message = assert_error(&label("classify", &classifier, &arguments, text), &["line 2"]);
    assert!(
        message.contains("the results of the lines before are in "),
        "{message}"
    );
    assert!(!output.exists());
}

#[cfg(unix)]
#[test]
fn a_prompt_labels_lines_until_it_ends() {
    let models = models();
    for (subcommand, model) in [("classify", "classifier"), ("tag", "tagger")] {
        let mut command = program();
        command.args([subcommand, "--json", "--model"]);
        command.arg(models.path().join(model)).env("TERM", "xterm");
        let mut terminal = rexpect::session::spawn_command(command, Some(60_000)).unwrap();
        for text in ["good morning", "yes"] {
            terminal.exp_string("> ").unwrap();
            terminal.send_line(text).unwrap();
            terminal.exp_string(&format!("{{\"text\":\"{text}\"")).unwrap();
        }
        terminal.exp_string("> ").unwrap();
        terminal.send_control('d').unwrap();
        let rest = terminal.exp_eof().unwrap();
        assert!(!rest.contains("error"), "{rest}");
    }
}

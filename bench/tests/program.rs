//! The program `bench`, run from outside, with a stand-in for Python.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use attend_data::Tokenizer;
use attend_device as device;
use attend_infer::search::SearchOptions;
use attend_infer::{Languages, ModelFolder};
use attend_model::{Preset, Transformer};
use tempfile::TempDir;

/// Writes a script that takes the place of Python: it copies the files that it is given into `folder`, writes its
/// arguments and the names of a model's files there, and prints `print`.
fn stand_in(folder: &TempDir, print: &str) -> PathBuf {
    let path = folder.path().join("python");
    let copied = folder.path().join("batches.json");
    let words = folder.path().join("words");
    let arguments = folder.path().join("arguments");
    let files = folder.path().join("files");
    // The first argument of Python is its script. The second is the batches to train on or, when decoding, a model
    // folder, which the words to translate follow.
    let script = format!(
        "#!/bin/sh\n[ -d \"$2\" ] && ls \"$2\" > '{}' && cp \"$3\" '{}' || cp \"$2\" '{}'\n\
         echo \"$@\" > '{}'\necho '{print}'\n",
        files.display(),
        words.display(),
        copied.display(),
        arguments.display()
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

fn bench(arguments: &[&str]) -> Output {
    // The device is named, so that the program does not report which device `auto` has taken.
    Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(arguments)
        .env("ATTEND_DEVICE", "cpu")
        .output()
        .unwrap()
}

fn bench_train(arguments: &[&str]) -> Output {
    let settings = [
        "train",
        "--size",
        "tiny",
        "--updates",
        "2",
        "--pairs",
        "2",
        "--batch-tokens",
        "200",
        "--workers",
        "1",
    ];
    bench(&[&settings, arguments].concat())
}

/// Returns the fields of the table's rows, without its head.
pub(crate) fn rows(output: &Output) -> Vec<Vec<String>> {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let fields = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    text.lines().skip(1).map(fields).collect()
}

#[test]
fn both_sides_run_in_turn_on_the_same_batches() {
    let folder = tempfile::tempdir().unwrap();
    let python = stand_in(
        &folder,
        r#"{"tokens_per_second": 100.0, "peak_bytes": 2147483648}"#,
    );
    let python = ["--python", python.to_str().unwrap()];
    let settings = ["--bf16", "--compile", "--device", "cpu", "--dtype", "bfloat16"];
    let rows = rows(&bench_train(&[&python[..], &settings].concat()));
    let names: Vec<&str> = rows.iter().map(|row| row[1].as_str()).collect();
    assert_eq!(names, ["1", "2", "median"]);
    for row in &rows {
        let number = |field: usize| row[field].parse::<f64>().unwrap();
        assert_eq!((number(4), number(5)), (100.0, 2.0));
        // Both numbers are rounded for the table.
        assert!(
            (number(6) - number(2) / 100.0).abs() <= 0.01 + 0.5 / 100.0,
            "{row:?}"
        );
    }
    let arguments = fs::read_to_string(folder.path().join("arguments")).unwrap();
    let expected = "--d-model 128 --d-ff 256 --heads 4 --layers 4 --threads 1 --dropout 0.1 --device cpu --bf16 --compile";
    assert!(arguments.trim_end().ends_with(expected), "{arguments}");

    let batches = fs::read_to_string(folder.path().join("batches.json")).unwrap();
    let batches: serde_json::Value = serde_json::from_str(&batches).unwrap();
    let list = batches["batches"].as_array().unwrap();
    assert_eq!(list.len(), 3 + 2);
    for batch in list {
        for side in ["source", "target"] {
            let rows = batch[side].as_array().unwrap();
            let longest = rows
                .iter()
                .map(|row| row.as_array().unwrap().len())
                .max()
                .unwrap();
            assert!(rows.len() * longest <= 200);
            assert!(
                rows.iter()
                    .all(|row| row.as_array().unwrap().last().unwrap() == 2)
            );
        }
    }
}

#[test]
fn without_a_peer_attend_is_measured_alone() {
    let rows = rows(&bench_train(&[]));
    assert_eq!(rows.len(), 3);
    assert!(
        rows.iter()
            .all(|row| row.len() == 4 && row[2].parse::<f64>().unwrap() > 0.0)
    );
}

#[test]
fn a_peer_that_fails_is_named_with_what_it_needs() {
    let folder = tempfile::tempdir().unwrap();
    let python = stand_in(&folder, "no package");
    let decode = "decode --size tiny --beam 1 --batch 64 --pairs 1 --length 1".split(' ');
    let decode: Vec<&str> = decode.collect();
    for (python, part) in [
        (python.to_str().unwrap(), "no package"),
        ("/missing/python", "/missing/python"),
    ] {
        let python = ["--python", python];
        for (output, packages) in [
            (bench_train(&python), "torch"),
            (bench(&[&decode[..], &python].concat()), "ctranslate2"),
        ] {
            assert_eq!(output.status.code(), Some(1));
            let complaints = String::from_utf8(output.stderr).unwrap();
            assert!(
                complaints.contains("error: ") && complaints.contains(part),
                "{complaints}"
            );
            let hint = format!("hint: name a Python that has {packages}: ");
            assert!(complaints.contains(&hint), "{complaints}");
        }
    }
}

/// The stand-in needs half a second forward and one backward, whatever the length.
#[test]
fn layers_are_measured_at_growing_lengths_beside_a_peer() {
    let folder = tempfile::tempdir().unwrap();
    let measured = r#"{"forward": 0.5, "backward": 1.0, "bytes": 2097152}"#;
    let python = stand_in(&folder, measured);
    let svg = folder.path().join("layers.svg");
    let settings = "layers --longest 32 --width 64 --width 128 --window 8 --workers 2".split(' ');
    let settings: Vec<&str> = settings.collect();
    let files = [
        "--python",
        python.to_str().unwrap(),
        "--svg",
        svg.to_str().unwrap(),
    ];
    let output = bench(&[&settings[..], &files].concat());
    let table = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{table}");
    let rows: Vec<Vec<&str>> = table
        .lines()
        .skip(1)
        .map(|line| line.split_whitespace().collect())
        .take_while(|row: &Vec<&str>| !row.is_empty())
        .collect();
    let cells: Vec<_> = rows.iter().map(|row| row[..3].join(" ")).collect();
    let expected = ["self-attention", "restricted", "recurrent", "convolution"]
        .map(|layer| ["64 16", "64 32", "128 16", "128 32"].map(|sizes| format!("{layer} {sizes}")));
    assert_eq!(cells, expected.as_flattened());
    for row in &rows {
        let number = |field: usize| row[field].parse::<f64>().unwrap();
        assert!(number(3) > 0.0 && number(4) > 0.0, "{row:?}");
        assert_eq!(row[6..9], ["500.000", "1000.000", "2.0"]);
        let ratio = 1_500.0 / (number(3) + number(4));
        assert!((number(9) / ratio - 1.0).abs() < 0.5, "{row:?}, not {ratio}");
    }
    // 32 positions of 128 numbers: n² d, r n d, n d² and 3 n d².
    let formulas: Vec<_> = rows
        .iter()
        .skip(3)
        .step_by(4)
        .map(|row| row[10..].join(" "))
        .collect();
    assert_eq!(
        formulas,
        ["1.31e5 1 1", "3.28e4 1 4", "5.24e5 32 32", "1.57e6 1 5"]
    );
    let picture = fs::read_to_string(svg).unwrap();
    for part in [
        "positions, at a width of 64",
        "at a width of 128",
        "recurrent, PyTorch",
    ] {
        assert!(picture.contains(part), "{picture}");
    }
    let arguments = fs::read_to_string(folder.path().join("arguments")).unwrap();
    assert!(
        arguments.trim_end().ends_with("convolution 32 128 8 2"),
        "{arguments}"
    );
}

#[test]
fn a_width_that_heads_do_not_divide_is_refused() {
    let output = bench(&["layers", "--width", "100"]);
    assert_eq!(output.status.code(), Some(2));
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert!(
        complaints.contains("a multiple of 64 from 64 to 16384"),
        "{complaints}"
    );
}

#[test]
fn batches_too_large_for_any_memory_are_refused() {
    let output = bench(&["train", "--batch-tokens", "1000000"]);
    assert_eq!(output.status.code(), Some(2));
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert!(complaints.contains("1000000 is not in 1..=65536"), "{complaints}");
}

#[test]
fn updates_that_only_warm_up_are_no_measurement() {
    let folder = tempfile::tempdir().unwrap();
    let batches = folder.path().join("batches.json");
    let batch = r#"{"source": [[5, 2]], "target": [[6, 2]]}"#;
    let json = format!(r#"{{"vocab_size": 10, "batches": [{batch}, {batch}, {batch}]}}"#);
    fs::write(&batches, json).unwrap();
    let output = bench(&["trainer", "tiny", batches.to_str().unwrap(), "1"]);
    assert_eq!(output.status.code(), Some(1));
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert!(
        complaints.starts_with("error: no update was measured"),
        "{complaints}"
    );
}

#[test]
fn a_large_corpus_is_prepared_and_drawn_from() {
    let temporary = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args(["prepare", "--pairs", "10000"])
        .env("TMPDIR", temporary.path())
        .output()
        .unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{complaints}");
    let text = String::from_utf8(output.stdout).unwrap();
    // Returns the numbers in a step's line, in their order.
    let numbers = |step: &str| -> Vec<f64> {
        let line = text.lines().find(|line| line.starts_with(step)).unwrap();
        let words = line.split_whitespace();
        words.filter_map(|word| word.parse().ok()).collect()
    };
    let [pairs, mebibytes] = numbers("text")[..] else {
        panic!("{text}")
    };
    assert_eq!(pairs, 10_000.0);
    // Each side has about 25 words of four or five letters, each with a space.
    let words = mebibytes * 2f64.powi(20) / 10_000.0 / 2.0 / 5.5;
    assert!((20.0..30.0).contains(&words), "{words} words in {text}");
    let [tokens, .., pairs_per_minute, _peak] = numbers("tokenizer")[..] else {
        panic!("{text}")
    };
    assert!(tokens > 1000.0 && pairs_per_minute > 0.0, "{text}");
    let [pairs, _bytes, seconds, pairs_per_minute, peak] = numbers("prepare")[..] else {
        panic!("{text}")
    };
    // Cleaning keeps all pairs: the text has none twice, and none that is too long or uneven.
    assert_eq!(pairs, 10_000.0, "{text}");
    // Both numbers are rounded.
    assert!(
        (pairs_per_minute * seconds / 60.0 - 10_000.0).abs() < 10_000.0 * 0.06 / seconds,
        "{text}"
    );
    let [batches, _, tokens_per_second, _, peak_in_the_end] = numbers("draw")[..] else {
        panic!("{text}")
    };
    // A batch has 25,000 tokens a side, and a sentence about 25 words.
    assert!(
        (10.0..30.0).contains(&batches) && tokens_per_second > 0.0,
        "{text}"
    );
    assert!(peak > 0.0 && peak_in_the_end >= peak, "{text}");
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[test]
fn both_sides_decode_the_same_text_with_the_same_model() {
    let folder = tempfile::tempdir().unwrap();
    let python = stand_in(
        &folder,
        r#"{"tokens_per_second": 100.0, "peak_bytes": 2147483648, "start_seconds": 0.25, "sentence_seconds": []}"#,
    );
    let settings = "decode --size tiny --beam 1 --batch 1 --pairs 1 --length 3 --device cpu --python";
    let mut arguments: Vec<&str> = settings.split(' ').collect();
    arguments.push(python.to_str().unwrap());
    let rows = rows(&bench(&arguments));
    let layouts: Vec<[&str; 3]> = rows
        .iter()
        .map(|row| [row[1].as_str(), row[4].as_str(), row[5].as_str()])
        .collect();
    let expected = ["float32", "int8"].map(|dtype| [[dtype, "1", "2"], [dtype, "2", "1"]]);
    assert_eq!(layouts, expected.concat());
    for row in &rows {
        assert_eq!([&row[0], &row[2], &row[3]], ["tiny", "1", "1"]);
        let number = |column: usize| row[column].parse::<f64>();
        assert!(number(7).unwrap() > 0.0 && number(9).unwrap() > 0.0);
        // With one worker, sentences come one at a time.
        match row[4].as_str() {
            "1" => assert!(number(10).unwrap() <= number(11).unwrap()),
            _ => assert_eq!(&row[10..12], ["-", "-"]),
        }
        assert_eq!(&row[13..18], ["100", "2.0", "0.25", "-", "-"]);
    }
    let arguments = fs::read_to_string(folder.path().join("arguments")).unwrap();
    let expected =
        "--dtype int8 --beam 1 --batch 1 --workers 2 --threads 1 --min-length 3 --max-length 3 --started ";
    assert!(arguments.contains(expected), "{arguments}");
    assert!(arguments.trim_end().ends_with("--device cpu"), "{arguments}");
}

/// Returns a tiny model with random weights.
pub(crate) fn model_of(tokenizer: Tokenizer) -> ModelFolder {
    let config = Preset::Tiny.config(tokenizer.vocab_size());
    ModelFolder {
        model: Transformer::new(&config, &device::auto().unwrap().device).unwrap(),
        config,
        source_tokenizer: tokenizer.clone(),
        target_tokenizer: tokenizer,
        shortlist: None,
        generation: SearchOptions::default(),
        languages: Languages::default(),
    }
}

#[test]
fn a_trained_model_translates_a_text_that_its_peer_gets_as_words() {
    let folder = tempfile::tempdir().unwrap();
    let python = stand_in(
        &folder,
        r#"{"tokens_per_second": 100.0, "peak_bytes": 0, "start_seconds": 1.0, "sentence_seconds": [0.1, 0.2]}"#,
    );
    let lines = ["an old man", "an old dog", "an old man"];
    let tokenizer = Tokenizer::train_bpe(lines.into_iter(), 270).unwrap();
    let text = "a man\nold dog\n";
    let words: String = text
        .lines()
        .map(|line| {
            let tokens = tokenizer.encode(line);
            let tokens: Vec<String> = tokens.iter().map(|&id| tokenizer.vocabulary_entry(id)).collect();
            tokens.join(" ") + "\n"
        })
        .collect();
    let [model_folder, input] = ["model", "input.txt"].map(|name| folder.path().join(name));
    fs::create_dir(&model_folder).unwrap();
    model_of(tokenizer).save(&model_folder).unwrap();
    fs::write(&input, text).unwrap();
    let paths = [
        "--model",
        model_folder.to_str().unwrap(),
        "--input",
        input.to_str().unwrap(),
        "--python",
        python.to_str().unwrap(),
    ];
    let settings = "decode --dtype float32 --beam 2 --batch 1 --pairs 1".split(' ');
    let settings: Vec<&str> = settings.collect();
    let rows = rows(&bench(&[&settings[..], &paths].concat()));
    assert_eq!(rows.len(), 2);
    assert!(
        rows.iter()
            .all(|row| row[0] == "given" && row[7].parse::<f64>().unwrap() > 0.0)
    );
    assert_eq!(fs::read_to_string(folder.path().join("words")).unwrap(), words);
    // A space within a line belongs to the word behind it.
    assert!(words.contains(" \u{120}"), "{words}");
    let files = fs::read_to_string(folder.path().join("files")).unwrap();
    let files: Vec<&str> = files.lines().collect();
    assert_eq!(
        files,
        [
            "config.json",
            "model.bin",
            "shared_vocabulary.json",
            "tokenizer.json"
        ]
    );
    // The preset has 256 positions, one of which is taken by `<s>`.
    let arguments = fs::read_to_string(folder.path().join("arguments")).unwrap();
    assert!(
        arguments.contains("--min-length 1 --max-length 255 "),
        "{arguments}"
    );
}

#[test]
fn what_is_found_reaches_the_peer_that_compares_it() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("model");
    fs::create_dir(&model).unwrap();
    let tokenizer = Tokenizer::train_whitespace(["one two three"].into_iter(), None).unwrap();
    model_of(tokenizer).save(&model).unwrap();
    let text = folder.path().join("text");
    fs::write(&text, "two three\n\none\n").unwrap();
    let python = stand_in(&folder, "what the peer says");
    let [model, text, python] = [&model, &text, &python].map(|path| path.to_str().unwrap());
    let output = bench(&["agree", "--model", model, "--input", text, "--python", python]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "what the peer says\n");

    let arguments = fs::read_to_string(folder.path().join("arguments")).unwrap();
    assert!(arguments.contains("ctranslate2_agreement.py "), "{arguments}");
    assert!(
        arguments.trim_end().ends_with("--length-penalty 0.6"),
        "{arguments}"
    );
    let found = fs::read_to_string(folder.path().join("words")).unwrap();
    let found: Vec<serde_json::Value> = found
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let field = |name: &str| found.iter().map(|found| found[name].clone()).collect::<Vec<_>>();
    assert_eq!(field("line"), [1, 3]);
    assert_eq!(
        field("source"),
        [serde_json::json!(["two", "three"]), serde_json::json!(["one"])]
    );
    assert_eq!(field("max_length"), [52, 51]);
    for found in &found {
        for (beam, most) in [("1", 1), ("4", 4)] {
            let hypotheses = found["hypotheses"][beam].as_array().unwrap();
            assert!((1..=most).contains(&hypotheses.len()));
            assert!(
                hypotheses
                    .iter()
                    .all(|hypothesis| !hypothesis["tokens"].as_array().unwrap().is_empty())
            );
        }
    }
}

#[test]
fn a_text_and_a_trained_model_go_together() {
    let output = bench(&["decode", "--model", "runs/phrasebook"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--input"));
}

#[test]
fn translations_of_a_trained_model_are_not_of_a_given_length() {
    let arguments = "decode --model runs/phrasebook --input input.txt --length 25".split(' ');
    let output = bench(&arguments.collect::<Vec<_>>());
    assert_eq!(output.status.code(), Some(2));
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(
        complaints.contains("cannot be used with") && complaints.contains("--length"),
        "{complaints}"
    );
}

#[test]
fn a_text_without_a_sentence_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let input = folder.path().join("input.txt");
    let input = input.to_str().unwrap();
    let options = ["--model", "runs/phrasebook", "--python", "/missing/python"];
    for text in ["", " \n\n"] {
        fs::write(input, text).unwrap();
        for subject in ["decode", "agree"] {
            let output = bench(&[&[subject, "--input", input], &options[..]].concat());
            assert_eq!(output.status.code(), Some(1));
            let complaints = String::from_utf8(output.stderr).unwrap();
            let expected = format!("error: {input} has no sentence to translate\nhint: name a text ");
            assert!(complaints.starts_with(&expected), "{complaints}");
        }
    }
}

#[test]
fn layers_copy_the_first_token_as_far_as_they_reach() {
    let options =
        "paths --layer self-attention --layer restricted --length 6 --layers 1 --window 2 --updates 150";
    let output = bench(&options.split(' ').collect::<Vec<_>>());
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Vec<&str>> = text
        .lines()
        .skip(2)
        .map(|line| line.split_whitespace().collect())
        .collect();
    let names: Vec<[&str; 4]> = rows.iter().map(|row| [row[0], row[1], row[2], row[3]]).collect();
    assert_eq!(
        names,
        [
            ["self-attention", "6", "1", "yes"],
            ["restricted", "6", "3", "no"]
        ]
    );
    let found = |row: usize| rows[row][4].trim_end_matches('%').parse::<f64>().unwrap();
    // One of eight signs is found by chance, and 512 sequences are tested.
    assert!(found(0) > 90.0 && found(1) < 25.0, "{text}");
}

#[test]
fn an_imported_model_translates_a_text_that_its_peer_translates_too() {
    let folder = TempDir::new().unwrap();
    let lines = ["the house is small", "a book"];
    let model = folder.path().join("model");
    fs::create_dir(&model).unwrap();
    model_of(Tokenizer::train_whitespace(lines.iter(), None).unwrap())
        .save(&model)
        .unwrap();
    let text = folder.path().join("text");
    fs::write(&text, lines.join("\n")).unwrap();
    // It takes a second for three tokens and their end, and for two.
    let print = r#"{"seconds": 1.0, "start_seconds": 0.5, "peak_bytes": 2147483648, "translations": ["a house a", "small book"]}"#;
    let python = stand_in(&folder, print);
    let paths = [&model, &text, &python, &model].map(|path| path.to_str().unwrap());
    let [model, text, python, firefox] = paths;
    let arguments = [
        "firefox",
        "--model",
        model,
        "--input",
        text,
        "--python",
        python,
        "--firefox",
        firefox,
        "--pairs",
        "1",
    ];
    let output = bench(&arguments);
    let rows = rows(&output);
    let settings: Vec<[&str; 4]> = rows
        .iter()
        .map(|row| [0, 1, 2, 3].map(|column| row[column].as_str()))
        .collect();
    assert_eq!(
        settings,
        [
            ["int8", "shortlist", "1", "all"],
            ["int8", "shortlist", "1", "one"],
            ["int8", "shortlist", "2", "all"],
            ["int8", "all", "1", "all"],
            ["float32", "shortlist", "1", "all"],
        ]
    );
    for row in &rows {
        let number = |column: usize| row[column].parse::<f64>().unwrap();
        assert_eq!(row[9..12], ["7", "2.00", "500"], "{row:?}");
        assert!(number(5) > 0.0 && number(7) > 0.0, "{row:?}");
        assert!((number(13) - number(5) / 7.0).abs() < 0.51, "{row:?}");
        // A model with random weights says something else.
        assert_eq!(row[14], "0.0%", "{row:?}");
    }
    let arguments = fs::read_to_string(folder.path().join("arguments")).unwrap();
    assert!(arguments.contains("fxtranslate_decode.py"), "{arguments}");
    assert!(arguments.contains("--threads 1 --started"), "{arguments}");
}

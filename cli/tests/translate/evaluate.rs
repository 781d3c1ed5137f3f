//! The subcommand `attend eval`, run from outside on a small model with random weights.

use attend_infer::metric::{BleuTokenizer, corpus_bleu, corpus_chrf};

use crate::common::{
    MAX_SOURCE_TOKENS, NOTHING, SENTENCES, Workspace, assert_error, assert_usage_error,
    model_folder_of_words, stdout,
};

#[test]
fn scores_are_those_of_the_translations() {
    let workspace = Workspace::new();
    let source = workspace.write("source.txt", SENTENCES.join("\n"));
    for flags in [
        ["--beam", "1"],
        ["--beam", "3"],
        ["--beam=3", "--length-penalty=3"],
        ["--sample", "--seed=4"],
    ] {
        let translated = workspace.translated(&flags, SENTENCES.join("\n").as_bytes());
        let hypotheses: Vec<&str> = translated.lines().collect();
        // The references share words with the hypotheses, so that no score is 0.
        let references = hypotheses.iter().map(|hypothesis| format!("1,5: {hypothesis}!"));
        let references: Vec<String> = references.collect();
        let reference = workspace.write("reference.txt", references.join("\n"));
        let chrf = corpus_chrf(&hypotheses, &references).unwrap();
        assert!(chrf.score > 1.0);
        for (arguments, tokenizer) in [
            (vec![], BleuTokenizer::Mteval13a),
            (vec!["--tokenize", "13a"], BleuTokenizer::Mteval13a),
            (vec!["--tokenize", "none"], BleuTokenizer::None),
        ] {
            let arguments = [&flags, arguments.as_slice()].concat();
            let bleu = corpus_bleu(&hypotheses, &references, tokenizer).unwrap();
            assert!(bleu.score > 1.0);
            let output = stdout(&workspace.evaluate(&source, &reference, &arguments));
            assert_eq!(output, format!("{bleu}\n{chrf}\n"));
        }
    }
}

#[test]
fn segmented_references_are_scored_as_plain_text() {
    let workspace = Workspace::new();
    let segmented = SENTENCES.map(|sentence| sentence.replace('t', "t@@ ").replace("@@  ", " "));
    let lines = segmented.iter().map(|line| line.trim_end_matches("@@ "));
    model_folder_of_words(lines).save(workspace.model()).unwrap();

    let source = workspace.write("source.txt", segmented.join("\n"));
    let translated = workspace.translated(&NOTHING, segmented.join("\n").as_bytes());
    assert!(
        !translated.contains("@@") && !translated.contains("<unk>"),
        "{translated}"
    );
    let plain: Vec<String> = translated
        .lines()
        .map(|line| format!("{line} one more"))
        .collect();
    // The references are segmented: each word is cut after its first "o", unless it ends there.
    let marked: Vec<String> = plain
        .iter()
        .map(|line| {
            let words = line.split(' ').map(|word| match word.split_once('o') {
                Some((start, end)) if !end.is_empty() => format!("{start}o@@ {end}"),
                _ => word.to_owned(),
            });
            words.collect::<Vec<_>>().join(" ")
        })
        .collect();
    assert_ne!(marked, plain);
    let arguments = ["--tokenize", "none"];
    let of_plain = workspace.write("plain.txt", plain.join("\n"));
    let of_marked = workspace.write("marked.txt", marked.join("\n"));
    let score = stdout(&workspace.evaluate(&source, &of_plain, &arguments));
    assert_eq!(
        stdout(&workspace.evaluate(&source, &of_marked, &arguments)),
        score
    );
    let hypotheses: Vec<&str> = translated.lines().collect();
    let bleu = corpus_bleu(&hypotheses, &plain, BleuTokenizer::None).unwrap();
    assert!(
        score.starts_with(&bleu.to_string()) && bleu.score > 1.0,
        "{score}"
    );
}

#[test]
fn files_that_cannot_be_scored_are_named() {
    let workspace = Workspace::new();
    let three = workspace.write("three.txt", "yes\nyes\nyes\n");
    let two = workspace.write("two.txt", "ja\nja\n");
    let empty = workspace.write("empty.txt", "");
    let missing = workspace.path("missing.txt");
    let latin1 = workspace.write("latin1.txt", b"yes\nM\xfcnchen\n");
    let long = workspace.write(
        "long.txt",
        format!("yes\n{}\n", "~".repeat(MAX_SOURCE_TOKENS + 1)),
    );
    for (source, reference, parts) in [
        (&three, &two, vec!["three.txt has 3 sentences", "two.txt has 2"]),
        (&two, &three, vec!["two.txt has 2 sentences", "three.txt has 3"]),
        (&empty, &empty, vec!["empty.txt is empty"]),
        (&missing, &two, vec!["missing.txt"]),
        (&two, &missing, vec!["missing.txt"]),
        (&two, &latin1, vec!["latin1.txt", "line 2", "UTF-8"]),
        (&long, &two, vec!["line 2", "100 tokens", "99"]),
    ] {
        assert_error(&workspace.evaluate(source, reference, &NOTHING), &parts);
    }
}

#[test]
fn unknown_settings_are_refused() {
    let workspace = Workspace::new();
    let lines = workspace.write("lines.txt", "yes\n");
    let unknown = workspace.evaluate(&lines, &lines, &["--tokenize", "zh"]);
    assert_usage_error(&unknown, "--tokenize");
    for (flags, part) in [
        (["--beam", "0"], "`beam_size` is 0"),
        (["--length-penalty", "NaN"], "`length_penalty` is NaN"),
        (["--min-length", "100"], "`min_length` is 100"),
    ] {
        assert_usage_error(&workspace.evaluate(&lines, &lines, &flags), part);
    }
    let unknown = workspace.evaluate(&lines, &lines, &["--device", "abacus"]);
    assert_error(&unknown, &["\"abacus\""]);
    std::fs::remove_file(workspace.model().join("config.json")).unwrap();
    assert_error(&workspace.evaluate(&lines, &lines, &NOTHING), &["config.json"]);
}

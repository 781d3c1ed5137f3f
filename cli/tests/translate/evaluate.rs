//! The subcommand `attend eval`, run from outside on a small model with random weights.

use attend_infer::metric::{BleuTokenizer, corpus_bleu, corpus_chrf};

use crate::common::{
    MAX_SOURCE_TOKENS, NOTHING, SENTENCES, Workspace, argument, assert_error, assert_usage_error, attend,
    model_folder_of_words, run, stdout,
};

const HYPOTHESES: &str = "The cat sat on the mat today.\n\
                          We go Home over the bridge, slowly.\n\
                          It rains in the mountains\n";
const BASELINE: &str = "A cat is on the mat.\nWe go to a house.\nRain falls in the mountains\n";
const REFERENCES: [&str; 2] = [
    "The cat sat on a mat today.\nWe go home over the bridge slowly.\nIt rains in the mountains.\n",
    "A cat was sitting on the mat today.\nSlowly we go home over the bridge.\nIn the mountains it rains.\n",
];

/// Runs `attend eval` with these flags on [`HYPOTHESES`], and on as many of [`REFERENCES`] as are asked for. The file
/// baseline.txt has [`BASELINE`].
fn evaluate_hypotheses(references: usize, flags: &[&str]) -> String {
    let workspace = Workspace::new();
    workspace.write("baseline.txt", BASELINE);
    let mut command = attend("eval");
    for (name, text) in ["a.txt", "b.txt"].iter().zip(REFERENCES).take(references) {
        workspace.write(name, text);
        command.arg(name);
    }
    command.current_dir(workspace.path("."));
    command.args(["--hypotheses", "-"]).args(flags);
    stdout(&run(command, HYPOTHESES.as_bytes())).replace(
        concat!("version:attend-", env!("CARGO_PKG_VERSION")),
        "version:2.6.0",
    )
}

/// The lines are those that `sacrebleu` 2.6.0 prints for the same files, with `-w 2 -f text`.
#[test]
fn given_translations_are_scored_as_sacrebleu_scores_them() {
    assert_eq!(
        evaluate_hypotheses(1, &["--metrics", "bleu", "chrf", "ter"]),
        "BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0 = 49.42 86.4/68.4/43.8/23.1 (BP = 1.000 \
         ratio = 1.000 hyp_len = 22 ref_len = 22)\n\
         chrF2|nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0 = 82.48\n\
         TER|nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:2.6.0 = 15.79\n"
    );
    let flags = [
        "--metrics=bleu",
        "--metrics=chrf",
        "--metrics=ter",
        "--tokenize=intl",
        "--lowercase",
        "--chrf-word-order=2",
        "--ter-normalized",
        "--ter-no-punct",
        "--ter-asian-support",
        "--ter-case-sensitive",
        "--confidence",
        "--resamples",
        "50",
    ];
    assert_eq!(
        evaluate_hypotheses(2, &flags),
        "BLEU|nrefs:2|bs:50|seed:12345|case:lc|eff:no|tok:intl|smooth:exp|version:2.6.0 = 78.28 (μ = 76.62 ± 7.63) \
         90.9/89.5/75.0/61.5 (BP = 1.000 ratio = 1.000 hyp_len = 22 ref_len = 22)\n\
         chrF2++|nrefs:2|bs:50|seed:12345|case:lc|eff:yes|nc:6|nw:2|space:no|version:2.6.0 = 87.17 (μ = 86.68 ± \
         6.45)\n\
         TER|nrefs:2|bs:50|seed:12345|case:mixed|tok:tercom|norm:yes|punct:no|asian:yes|version:2.6.0 = 10.26 (μ = \
         10.41 ± 4.29)\n"
    );
}

/// The numbers are those that `sacrebleu` 2.6.0 prints for the same files, with `--paired-bs --paired-bs-n 50 -w 2`.
#[test]
fn two_systems_are_compared_as_sacrebleu_compares_them() {
    let resampled = ["--baseline", "baseline.txt", "--resamples", "50"];
    let metrics = ["--metrics", "bleu", "chrf", "ter"];
    let compared = evaluate_hypotheses(2, &[&metrics[..], &resampled].concat());
    let lines: Vec<&str> = compared.lines().collect();
    assert!(
        lines[0].starts_with(
            "BLEU|nrefs:2|bs:50|seed:12345|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0 = 62.77 (μ = 61.78 ± \
             32.13) "
        ),
        "{compared}"
    );
    assert_eq!(
        lines[1],
        "BLEU of the baseline = 17.85 (μ = 17.66 ± 7.96), p = 0.0196"
    );
    assert!(lines[2].ends_with(" = 82.48 (μ = 82.16 ± 7.25)"), "{compared}");
    assert_eq!(
        lines[3],
        "chrF2 of the baseline = 36.40 (μ = 35.43 ± 21.35), p = 0.0196"
    );
    assert!(lines[4].ends_with(" = 15.38 (μ = 15.30 ± 2.16)"), "{compared}");
    assert_eq!(
        lines[5],
        "TER of the baseline = 61.54 (μ = 61.31 ± 9.05), p = 0.0196"
    );

    let json = evaluate_hypotheses(2, &[&["--metrics", "ter", "--json"], &resampled[..]].concat());
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    let number = |value: &serde_json::Value| format!("{:.2}", value.as_f64().unwrap());
    assert_eq!(json["name"], "TER");
    assert_eq!(
        json["signature"],
        "nrefs:2|bs:50|seed:12345|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:2.6.0"
    );
    assert_eq!(number(&json["score"]), "15.38");
    assert_eq!(number(&json["confidence_mean"]), "15.30");
    assert_eq!(number(&json["confidence_var"]), "2.16");
    assert_eq!(number(&json["baseline"]["score"]), "61.54");
    assert_eq!(number(&json["baseline"]["confidence_mean"]), "61.31");
    assert_eq!(number(&json["p_value"]), "0.02");
}

#[test]
fn scores_are_printed_as_json_too() {
    let json = evaluate_hypotheses(1, &["--json"]);
    let scores: Vec<serde_json::Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(scores.len(), 2);
    assert_eq!(scores[0]["name"], "BLEU");
    assert!((scores[0]["score"].as_f64().unwrap() - 49.42).abs() < 0.005);
    let verbose = scores[0]["verbose_score"].as_str().unwrap();
    assert!(
        verbose.starts_with("86.4/68.4/43.8/23.1 (BP = 1.000"),
        "{verbose}"
    );
    assert_eq!(scores[1]["name"], "chrF2");
    assert!(scores[1].get("confidence_mean").is_none() && scores[1].get("baseline").is_none());
}

#[test]
fn sentences_longer_than_the_positions_are_left_out() {
    let workspace = Workspace::new();
    let long = "~".repeat(MAX_SOURCE_TOKENS + 1);
    let source = format!("{}\n{long}\n{}\n{long}\n", SENTENCES[0], SENTENCES[1]);
    let reference = workspace.write("reference.txt", "one\ntwo\nthree\nfour\n");
    let baseline = workspace.write("baseline.txt", "three\nfour\none\ntwo\n");
    let written = workspace.path("translations.txt");
    let mut command = attend("eval");
    command.args([&workspace.model(), std::path::Path::new("-"), &reference]);
    command.args([
        "--baseline",
        argument(&baseline),
        "--resamples",
        "10",
        "--output",
        argument(&written),
    ]);
    let output = run(command, source.as_bytes());
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "left out 2 of 4 sentences of standard input, which are longer than the model's positions: lines 2, 4\n"
    );
    let translated = workspace.translated(&["--no-split"], SENTENCES[..2].join("\n").as_bytes());
    let [first, second] = translated.lines().collect::<Vec<_>>()[..] else {
        panic!("two lines: {translated}");
    };
    assert_eq!(
        std::fs::read_to_string(&written).unwrap(),
        format!("{first}\n\n{second}\n\n")
    );
    let bleu = corpus_bleu(&[first, second], &["one", "three"], BleuTokenizer::default()).unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    let lengths = format!("hyp_len = {} ref_len = 2)", bleu.hypothesis_length);
    assert!(printed.lines().next().unwrap().ends_with(&lengths), "{printed}");
    let of_baseline = corpus_chrf(&["three", "one"], &["one", "three"]).unwrap();
    assert!(
        printed.contains(&format!("chrF2 of the baseline = {:.2}", of_baseline.score)),
        "{printed}"
    );
}

#[test]
fn a_test_set_in_xml_has_the_references_of_its_translators() {
    let workspace = Workspace::new();
    let xml = format!(
        "<dataset><doc id=\"1\"><src><seg id=\"1\">{}</seg></src>\
         <ref translator=\"A\"><seg id=\"1\">a &lt; b</seg></ref>\
         <ref translator=\"B\"><seg id=\"1\">b &lt; c</seg></ref></doc></dataset>",
        SENTENCES[0]
    );
    let xml = workspace.write("test.xml", xml);
    let printed = stdout(&workspace.evaluate(&xml, &xml, &NOTHING));
    assert!(printed.starts_with("BLEU|nrefs:2|"), "{printed}");
    assert!(printed.contains("ref_len = 3)"), "{printed}");
}

#[test]
fn what_is_missing_on_the_command_line_is_named() {
    let workspace = Workspace::new();
    let lines = workspace.write("lines.txt", "yes\n");
    let mut command = attend("eval");
    command.arg(workspace.model()).arg(&lines);
    assert_usage_error(&run(command, b""), "<REFERENCE>");
    let mut command = attend("eval");
    command.arg("--hypotheses").arg(&lines);
    assert_usage_error(&run(command, b""), "<MODEL>");
    let two = workspace.write("two.txt", "yes\nno\n");
    let mut command = attend("eval");
    command.arg(&lines).arg("--hypotheses").arg(&two);
    assert_error(
        &run(command, b""),
        &["two.txt has 2 sentences", "lines.txt has 1"],
    );
    let flags = ["--baseline", argument(&two)];
    let output = workspace.evaluate(&lines, &lines, &flags);
    assert_error(&output, &["two.txt has 2 sentences", "lines.txt has 1"]);
    // It is read before anything is translated, even before the model is.
    std::fs::remove_file(workspace.model().join("config.json")).unwrap();
    let output = workspace.evaluate(&lines, &lines, &flags);
    assert_error(&output, &["two.txt has 2 sentences", "lines.txt has 1"]);
}

/// Each file is read once, so each can be standard input.
#[test]
fn any_one_of_the_files_may_be_standard_input() {
    let workspace = Workspace::new();
    let texts = [HYPOTHESES, BASELINE, REFERENCES[0], REFERENCES[1]];
    let names = ["a.txt", "b.txt", "c.txt", "d.txt"];
    let paths: Vec<String> = names
        .iter()
        .zip(texts)
        .map(|(name, text)| argument(&workspace.write(name, text)).to_owned())
        .collect();
    let evaluate = |paths: &[String], input: &str| {
        let mut command = attend("eval");
        command.args([
            "--hypotheses",
            &paths[0],
            "--baseline",
            &paths[1],
            &paths[2],
            &paths[3],
        ]);
        command.args(["--resamples", "10"]);
        run(command, input.as_bytes())
    };
    let expected = stdout(&evaluate(&paths, ""));
    for (index, text) in texts.iter().enumerate() {
        let mut paths = paths.clone();
        paths[index] = "-".to_owned();
        assert_eq!(stdout(&evaluate(&paths, text)), expected, "{}", names[index]);
    }
    let mut command = attend("eval");
    command.arg(workspace.model()).args([&paths[0], "-"]);
    assert!(stdout(&run(command, REFERENCES[0].as_bytes())).starts_with("BLEU|nrefs:1|"));
}

#[test]
fn sentences_that_are_too_long_are_named_with_file_and_line() {
    let workspace = Workspace::new();
    let long = "~".repeat(MAX_SOURCE_TOKENS + 1);
    let reference = workspace.write("reference.txt", "one\ntwo\n");
    let source = workspace.write("source.txt", format!("yes\n{long}\n"));
    let output = workspace.evaluate(&source, &reference, &NOTHING);
    let note = format!(
        "left out 1 of 2 sentences of {}, which are longer than the model's positions: line 2\n",
        source.display()
    );
    assert_eq!(String::from_utf8_lossy(&output.stderr), note);

    let source = workspace.write("source.txt", format!("{long}\n{long}\n"));
    let expected = ["source.txt, line 1: the sentence has at least", "at most 99"];
    assert_error(&workspace.evaluate(&source, &reference, &NOTHING), &expected);
    // In XML, the line of the file and not the number of the sentence.
    let xml = format!(
        "<dataset>\n<doc id=\"one\">\n<src>\n<seg id=\"1\">{long}</seg>\n</src>\n\
         <ref><seg id=\"1\">one</seg></ref>\n</doc>\n</dataset>\n"
    );
    let xml = workspace.write("set", xml);
    let expected = ["set, line 4: the sentence has at least"];
    assert_error(&workspace.evaluate(&xml, &xml, &NOTHING), &expected);
}

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
    // The space before the text is a token, too.
    let all_long = workspace.write("long.txt", "~".repeat(MAX_SOURCE_TOKENS));
    let one = workspace.write("one.txt", "ja\n");
    for (source, reference, parts) in [
        (&three, &two, vec!["three.txt has 3 sentences", "two.txt has 2"]),
        (&two, &three, vec!["two.txt has 2 sentences", "three.txt has 3"]),
        (&empty, &empty, vec!["empty.txt is empty"]),
        (&missing, &two, vec!["missing.txt"]),
        (&two, &missing, vec!["missing.txt"]),
        (&two, &latin1, vec!["latin1.txt", "line 2", "UTF-8"]),
        (&all_long, &one, vec!["line 1", "100 tokens", "99"]),
    ] {
        assert_error(&workspace.evaluate(source, reference, &NOTHING), &parts);
    }
}

#[test]
fn flags_that_would_do_nothing_are_refused() {
    let workspace = Workspace::new();
    let lines = workspace.write("lines.txt", "yes\n");
    let evaluate = |flags: &[&str]| {
        let mut command = attend("eval");
        command
            .arg(&lines)
            .args(["--hypotheses", argument(&lines)])
            .args(flags);
        run(command, b"")
    };
    assert_usage_error(&evaluate(&["--resamples", "5"]), "--confidence");
    assert_usage_error(&evaluate(&["--beam", "3"]), "--hypotheses");
    assert_usage_error(&evaluate(&["--sample", "--top-k", "3"]), "--hypotheses");
    assert_usage_error(&evaluate(&["--dtype", "int8"]), "--hypotheses");
    assert_usage_error(&evaluate(&["--ensemble", "other"]), "--hypotheses");
    assert_usage_error(&evaluate(&["--target-language", "deu"]), "--hypotheses");
    stdout(&evaluate(&["--resamples", "5", "--confidence"]));
}

#[test]
fn a_file_that_cannot_be_written_is_named_before_anything_is_translated() {
    let workspace = Workspace::new();
    let lines = workspace.write("lines.txt", "yes\n");
    let missing = workspace.path("missing/translations.txt");
    let output = workspace.evaluate(&lines, &lines, &["--output", argument(&missing)]);
    assert_error(&output, &["missing/translations.txt"]);
    assert!(output.stdout.is_empty());

    // Nothing is left behind by options that the model refuses.
    let unwritten = workspace.path("translations.txt");
    let flags = ["--output", argument(&unwritten), "--min-length", "100000"];
    assert_usage_error(&workspace.evaluate(&lines, &lines, &flags), "min");
    let part = workspace.path("translations.txt.part");
    assert!(!unwritten.exists() && !part.exists());
}

#[test]
fn words_of_japanese_take_a_feature_and_a_dictionary() {
    let workspace = Workspace::new();
    let lines = workspace.write("lines.txt", "今日は学校へ行きます。\n");
    // There is no model: that the tokenizer can be used is checked before one is loaded.
    let evaluate = |dictionary: &str, metric: &str| {
        let mut command = attend("eval");
        command
            .env("ATTEND_MECAB_DICTIONARY", workspace.path(dictionary))
            .args([workspace.path("no-model"), lines.clone(), lines.clone()])
            .args(["--tokenize", "ja-mecab", "--metrics", metric]);
        run(command, b"")
    };
    if cfg!(feature = "ja-mecab") {
        let complaints = assert_error(
            &evaluate("missing", "bleu"),
            &["ja-mecab", "missing: No such file"],
        );
        assert!(complaints.contains("apt install mecab-ipadic"), "{complaints}");
        std::fs::create_dir(workspace.path("other")).unwrap();
        for name in ["Noun.csv", "matrix.def", "char.def", "unk.def"] {
            workspace.write(&format!("other/{name}"), "");
        }
        assert_error(&evaluate("other", "bleu"), &["other: it is not IPADIC"]);
    } else {
        let complaints = assert_error(&evaluate("missing", "bleu"), &["ja-mecab is not built in"]);
        assert!(complaints.contains("--features ja-mecab"), "{complaints}");
    }
    // No other metric needs the tokenizer.
    assert_error(&evaluate("missing", "chrf"), &["no-model"]);
}

#[test]
fn unknown_settings_are_refused() {
    let workspace = Workspace::new();
    let lines = workspace.write("lines.txt", "yes\n");
    for flags in [
        ["--tokenize", "ja"],
        ["--metrics", "comet"],
        ["--resamples", "0"],
        ["--chrf-word-order", "11"],
    ] {
        assert_usage_error(&workspace.evaluate(&lines, &lines, &flags), flags[0]);
    }
    for (flags, part) in [
        (["--beam", "0"], "--beam is 0"),
        (["--length-penalty", "NaN"], "--length-penalty is NaN"),
        (["--min-length", "100"], "--min-length is 100"),
    ] {
        assert_usage_error(&workspace.evaluate(&lines, &lines, &flags), part);
    }
    let unknown = workspace.evaluate(&lines, &lines, &["--device", "abacus"]);
    assert_error(&unknown, &["\"abacus\""]);
    std::fs::remove_file(workspace.model().join("config.json")).unwrap();
    assert_error(&workspace.evaluate(&lines, &lines, &NOTHING), &["config.json"]);
}

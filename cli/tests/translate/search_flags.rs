//! The flags that `attend translate` has for the search, run from outside on a small model with random weights.

use std::collections::HashSet;
use std::fs;

use attend_infer::search::{LengthNormalization, Sampling, SearchOptions, Stopping, Unknown};
use attend_infer::{Language, TranslateOptions};

use crate::common::{
    MAX_SOURCE_TOKENS, NOTHING, SENTENCES, Workspace, argument, assert_error, each, model_folder,
    model_folder_of_words, searching, text, translator,
};

/// Each flag sets the search option of its name, whose effects have tests of their own.
#[test]
fn flags_are_options_of_the_search() {
    let workspace = Workspace::new();
    let default = SearchOptions::default();
    let drawn = |sampling| SearchOptions {
        sampling: Some(sampling),
        ..default.greedy()
    };
    let one = Sampling::default();
    let cases: [(&str, SearchOptions); 16] = [
        (
            "--beam 4 --coverage-penalty 0.4",
            SearchOptions {
                coverage_penalty: 0.4,
                ..default
            },
        ),
        (
            "--beam 4 --length-penalty 2",
            SearchOptions {
                length_penalty: 2.0,
                ..default
            },
        ),
        (
            "--beam 4 --length-normalization length --length-penalty 1",
            SearchOptions {
                length_normalization: LengthNormalization::Length,
                length_penalty: 1.0,
                ..default
            },
        ),
        (
            "--beam 4 --stopping ctranslate2",
            SearchOptions {
                stopping: Stopping::CTranslate2,
                ..default
            },
        ),
        (
            "--beam 4 --stopping transformers-early",
            SearchOptions {
                stopping: Stopping::TransformersEarly,
                ..default
            },
        ),
        (
            "--beam 4 --no-repeat-ngram 2",
            SearchOptions {
                no_repeat_ngram: 2,
                ..default
            },
        ),
        (
            "--no-repeat-ngram 1",
            SearchOptions {
                no_repeat_ngram: 1,
                ..default.greedy()
            },
        ),
        (
            "--repetition-penalty 1.7",
            SearchOptions {
                repetition_penalty: 1.7,
                ..default.greedy()
            },
        ),
        (
            "--min-length 20",
            SearchOptions {
                min_length: 20,
                ..default.greedy()
            },
        ),
        (
            "--max-length 4",
            SearchOptions {
                max_length: Some(4),
                ..default.greedy()
            },
        ),
        ("--sample", drawn(one)),
        ("--sample --seed 8", drawn(Sampling { seed: 8, ..one })),
        (
            "--sample --temperature 0.3",
            drawn(Sampling {
                temperature: 0.3,
                ..one
            }),
        ),
        (
            "--sample --top-k 3",
            drawn(Sampling {
                top_k: Some(3),
                ..one
            }),
        ),
        ("--sample --top-p 0.4", drawn(Sampling { top_p: 0.4, ..one })),
        (
            "--sample --top-p 0.9 --top-k 40 --temperature 0.8 --seed 3",
            drawn(Sampling {
                top_p: 0.9,
                top_k: Some(40),
                temperature: 0.8,
                seed: 3,
            }),
        ),
    ];
    let mut outputs = HashSet::new();
    let translator = translator(model_folder());
    for (flags, options) in cases {
        let best = translator
            .translate_best(&SENTENCES, &searching(options))
            .unwrap();
        let expected: String = best.iter().map(|best| format!("{best}\n")).collect();
        let flags: Vec<&str> = flags.split(' ').chain(["--batch-tokens", "300"]).collect();
        assert_eq!(
            workspace.translated(&flags, text().as_bytes()),
            expected,
            "{flags:?}"
        );
        outputs.insert(expected);
    }
    assert!(outputs.len() >= 13, "only {} of 15 differ", outputs.len());
}

/// In the shortlist, the first six tokens may translate any, and no token has a list. A translation also has tokens of
/// its source, since both sides share the vocabulary.
#[test]
fn a_search_chooses_among_the_tokens_of_a_shortlist_or_all() {
    let workspace = Workspace::new();
    let whole = workspace.translated(&NOTHING, text().as_bytes());
    let header = [0xf11a_48d5_0134_17f5_u64, 0, 6, 0, 1, 0, 0];
    let shortlist: Vec<u8> = header.into_iter().flat_map(u64::to_le_bytes).collect();
    fs::write(workspace.model().join("shortlist.bin"), shortlist).unwrap();
    let shortlisted = workspace.translated(&NOTHING, text().as_bytes());
    assert_ne!(shortlisted, whole);
    assert_eq!(workspace.translated(&["--all-tokens"], text().as_bytes()), whole);

    fs::write(workspace.model().join("shortlist.bin"), "none").unwrap();
    let output = workspace.translate(&NOTHING, text().as_bytes());
    assert_error(&output, &["no lexical shortlist: it has only 4 bytes"]);
}

#[test]
fn a_model_may_ask_for_sampling() {
    let workspace = Workspace::new();
    let settings = r#"{"beam_size": 2, "sampling": {"top_k": 5, "seed": 2}}"#;
    fs::write(workspace.model().join("generation.json"), settings).unwrap();
    let drawn = workspace.translated(&NOTHING, text().as_bytes());
    assert_eq!(workspace.translated(&["--sample"], text().as_bytes()), drawn);
    assert_eq!(
        workspace.translated(&["--sample", "--seed", "2"], text().as_bytes()),
        drawn
    );
    assert_ne!(
        workspace.translated(&["--sample", "--seed", "3"], text().as_bytes()),
        drawn
    );
    let beam = workspace.translated(&["--beam", "2"], text().as_bytes());
    assert_ne!(beam, drawn);

    // With --nbest, the samples of a line come in the order in which they are drawn.
    let json = workspace.translated(&["--sample", "--nbest", "9", "--json", "yes"], b"");
    let line: serde_json::Value = serde_json::from_str(&json).unwrap();
    let samples = line["translations"].as_array().unwrap();
    assert_eq!(samples.len(), 9);
    assert_eq!(
        samples[0]["text"].as_str().unwrap(),
        workspace
            .translated(&["--sample", "yes"], b"")
            .trim_end_matches('\n')
    );
}

#[test]
fn translations_start_with_their_prefix() {
    let workspace = Workspace::new();
    for flags in [
        ["--beam", "1"].as_slice(),
        &["--beam", "3"],
        &["--sample"],
        &["--stopping", "ctranslate2"],
    ] {
        let arguments = [flags, &["--prefix", "das alte Haus  "]].concat();
        let translated = workspace.translated(&arguments, text().as_bytes());
        assert!(
            translated.lines().all(|line| line.starts_with("das alte Haus")),
            "{translated}"
        );
    }
    let prefixes = workspace.write("prefixes.txt", "ein\n\nzwei Kinder\n");
    let from_file = ["--prefix-file", argument(&prefixes)];
    let translated = workspace.translated(&from_file, b"yes\nthe house\nthe house\n");
    let lines: Vec<&str> = translated.lines().collect();
    assert!(
        lines[0].starts_with("ein") && lines[2].starts_with("zwei Kinder"),
        "{translated}"
    );
    assert_eq!(
        lines[1],
        workspace.translated(&["the house"], b"").trim_end_matches('\n')
    );

    for (input, but, written) in [("yes\nyes\n", "fewer", 2), ("yes\nyes\nyes\nyes\n", "more", 3)] {
        let output = workspace.translate(&from_file, input.as_bytes());
        assert_eq!(output.status.code(), Some(1));
        // The lines that have a prefix are translated before the error.
        assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), written);
        let complaint = format!("prefixes.txt has 3 lines, but the input has {but}");
        assert!(
            String::from_utf8_lossy(&output.stderr).contains(&complaint),
            "{output:?}"
        );
    }
    // The space before the text is a token, too.
    let long = "~".repeat(MAX_SOURCE_TOKENS);
    let output = workspace.translate(&["--prefix", &long, "yes"], b"");
    assert_error(&output, &["line 1", "100 tokens", "at most 99"]);
    assert_eq!(
        workspace.translated(&["--prefix", "das\nHaus", "yes"], b""),
        workspace.translated(&["--prefix", "das Haus", "yes"], b"")
    );
    let output = workspace.translate(&["--prefix", "das Haus", "--ban", "Haus", "yes"], b"");
    assert_error(&output, &["line 1", "das Haus", "banned"]);
}

#[test]
fn words_are_banned_and_required() {
    let workspace = Workspace::new();
    let has_word = |line: &str, word: &str| {
        let mut words = line.split(|c: char| !c.is_alphanumeric());
        words.any(|other| other == word)
    };
    let required = ["--beam", "4", "--require", "Garten", "--require", "the old house"];
    let translated = workspace.translated(&required, text().as_bytes());
    for line in translated.lines() {
        assert!(has_word(line, "Garten"), "{line}");
        assert!(line.contains("the old house"), "{line}");
    }
    // The longest word that the model uses is banned.
    for beam in ["1", "4"] {
        let free = workspace.translated(&["--beam", beam], text().as_bytes());
        let words = free.split(|c: char| !c.is_alphanumeric());
        let word = words.max_by_key(|word| word.len()).unwrap();
        assert!(free.lines().any(|line| has_word(line, word)));
        let banned = ["--beam", beam, "--ban", word, "--ban", "house"];
        let translated = workspace.translated(&banned, text().as_bytes());
        assert!(
            !translated.lines().any(|line| has_word(line, word)),
            "{word}: {translated}"
        );
        assert_eq!(translated.lines().count(), SENTENCES.len());
    }
    let both = ["--beam", "4", "--require", "the old house", "--ban", "old", "yes"];
    assert_error(
        &workspace.translate(&both, b""),
        &["line 1", "the old house", "banned"],
    );
    let short = [
        "--beam",
        "4",
        "--require",
        "the old house",
        "--max-length",
        "2",
        "yes",
    ];
    assert_error(&workspace.translate(&short, b""), &["line 1", "at most 2"]);
}

/// The vocabulary holds the special tokens alone, so that a translation can only end.
#[test]
fn a_vocabulary_without_words_translates() {
    let workspace = Workspace::new();
    model_folder_of_words([""]).save(workspace.model()).unwrap();
    for flags in [["--beam", "1"], ["--beam", "4"], ["--sample", "--seed=1"]] {
        let arguments = [&flags, ["--min-length", "1"].as_slice(), &["yes"]].concat();
        assert_eq!(workspace.translated(&arguments, b""), "\n");
        let kept = [
            &flags,
            ["--min-length", "2", "--max-length", "2", "--unknown", "keep"].as_slice(),
            &["yes"],
        ];
        assert_eq!(workspace.translated(&kept.concat(), b""), "<unk> <unk>\n");
    }
    let output = workspace.translate(&["--prefix", "ja", "yes"], b"");
    assert_error(&output, &["line 1", "\"ja\"", "no such word"]);
}

/// The vocabulary holds one word, so that a model with random weights generates `<unk>` for most words.
#[test]
fn unknown_words_are_copied_from_where_they_come() {
    let translator = translator(model_folder_of_words(["yes"]));
    let sources = [
        "Xanthippe lacht .",
        "yes Quetzal",
        "good morning to all of Ouagadougou",
    ];
    let treating = |unknown, nbest| {
        searching(SearchOptions {
            beam_size: 3,
            nbest,
            unknown,
            min_length: 2,
            max_length: Some(4),
            ..SearchOptions::default()
        })
    };
    let kept = TranslateOptions {
        alignment: true,
        ..treating(Unknown::Keep, 3)
    };
    let kept = each(translator.translate(&sources, &kept));
    let copied = each(translator.translate(&sources, &treating(Unknown::Copy, 3)));
    let mut places = HashSet::new();
    for ((source, kept), copied) in sources.iter().zip(&kept).zip(&copied) {
        let words: Vec<&str> = source.split(' ').collect();
        for (kept, copied) in kept.iter().zip(copied) {
            let attention = &kept.alignment.as_ref().unwrap().attention;
            let expected = kept.text.split(' ').zip(attention).map(|(word, weights)| {
                let weights = &weights[..words.len()];
                let greatest = weights.iter().copied().fold(0.0, f32::max);
                let place = weights.iter().position(|&weight| weight == greatest).unwrap();
                match word {
                    "<unk>" => {
                        places.insert(place);
                        words[place]
                    }
                    known => known,
                }
            });
            assert_eq!(copied.text, expected.collect::<Vec<_>>().join(" "));
            assert_eq!(copied.alignment, None);
        }
    }
    assert!(places.len() > 1, "from more than one place: {places:?}");

    // In a text of several sentences, an unknown word is copied from its own sentence.
    let joined = ["Xanthippe lacht . Good morning to all of Ouagadougou"];
    let of_sentences = treating(Unknown::Copy, 1);
    let of_text = TranslateOptions {
        language: Some(Language::default()),
        ..of_sentences.clone()
    };
    let of_text = each(translator.translate(&joined, &of_text));
    let sentences = translator
        .translate_best(
            &["Xanthippe lacht .", "Good morning to all of Ouagadougou"],
            &of_sentences,
        )
        .unwrap();
    assert_eq!(of_text[0][0].text, sentences.join(" "));

    let workspace = Workspace::new();
    model_folder_of_words(["yes"]).save(workspace.model()).unwrap();
    let flags = ["--unknown=copy", "--beam=3", "--min-length=2", "--max-length=4"];
    let best: String = copied
        .iter()
        .map(|best_first| best_first[0].text.clone() + "\n")
        .collect();
    assert_eq!(workspace.translated(&flags, sources.join("\n").as_bytes()), best);
    for (flags, parts) in [
        (["--unknown=copy", "--prefix=Zzz", "yes"], ["Zzz", "no such word"]),
        (
            ["--unknown=copy", "--require=Zzz", "yes"],
            ["Zzz", "no such word"],
        ),
        (["--unknown=keep", "--prefix=Zzz", "yes"], ["Zzz", "no such word"]),
        (
            ["--unknown=keep", "--require=Zzz", "yes"],
            ["Zzz", "no such word"],
        ),
    ] {
        let flags = [&["--beam=3"], flags.as_slice()].concat();
        assert_error(&workspace.translate(&flags, b""), &parts);
    }
    // A vocabulary of subwords spells any word, so that no word is unknown.
    model_folder().save(workspace.model()).unwrap();
    assert_eq!(
        workspace.translated(&["--unknown", "copy"], text().as_bytes()),
        workspace.translated(&NOTHING, text().as_bytes())
    );
}

/// In segmented text, an unknown token is a piece of a word, but the whole word is copied.
#[test]
fn a_copied_word_is_whole() {
    let options = searching(SearchOptions {
        unknown: Unknown::Copy,
        min_length: 1,
        max_length: Some(1),
        ..SearchOptions::default()
    });
    // The vocabulary holds no word, so that every token is unknown.
    let translator = translator(model_folder_of_words([""]));
    let copied = translator.translate_best(&["Xan@@ thip@@ pe"], &options).unwrap();
    assert_eq!(copied, ["Xanthippe"]);
    let unfinished = translator.translate_best(&["Xan@@"], &options).unwrap();
    assert_eq!(unfinished, ["Xan"]);
}

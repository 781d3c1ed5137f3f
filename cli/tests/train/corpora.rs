//! Recipes and their text: several corpora, tokenizers, cleaning, and text that is segmented already.

use std::fs;
use std::path::Path;

use attend_data::TokenizerKind;
use attend_device::select;
use attend_infer::ModelFolder;
use attend_infer::metric::{BleuTokenizer, corpus_bleu};
use attend_train::Recipe;

use crate::common::translator;

use super::common::{SMALL_RECIPE, Workspace, copy_and_reverse, counts, small_workspace, stderr};

const TRAIN: &str = r#"train = { source = "train.src", target = "train.tgt" }"#;

/// Returns [`SMALL_RECIPE`] with a list of training corpora and with more settings in its section `[data]`.
fn recipe_of(corpora: &[&str], settings: &str) -> String {
    let list = format!("train = [\n  {},\n]\n{settings}", corpora.join(",\n  "));
    assert!(SMALL_RECIPE.contains(TRAIN));
    SMALL_RECIPE.replace(TRAIN, &list)
}

#[test]
fn the_recipes_of_the_project_load_and_are_written_as_they_were_read() {
    let configs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
    let folder = Workspace::new();
    let mut count = 0;
    for entry in fs::read_dir(configs).unwrap() {
        let recipe = Recipe::load(entry.unwrap().path(), &[]).unwrap();
        folder.write("saved.toml", recipe.to_toml());
        assert_eq!(Recipe::load(folder.path("saved.toml"), &[]).unwrap(), recipe);
        count += 1;
    }
    assert!(count >= 5, "{count} recipes");
}

#[test]
fn data_keys_have_their_defaults_and_can_be_overridden() {
    let workspace = small_workspace();
    let load = |overrides: &[&str]| {
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_owned()).collect();
        Recipe::load(workspace.path("small.toml"), &overrides)
            .unwrap()
            .data
    };
    let data = load(&[]);
    assert_eq!(data.tokenizer, Some(TokenizerKind::Bpe));
    assert_eq!((data.bleu, data.bpe_dropout), (BleuTokenizer::Mteval13a, 0.0));
    assert!(data.clean.duplicates && data.clean.copies && data.clean.source_scripts.is_empty());
    assert_eq!((data.clean.max_repeats, data.train[0].weight), (100, None));
    let data = load(&[
        "data.train.weight=2",
        "data.clean.max_repeats=0",
        "data.clean.target_scripts=[\"Greek\"]",
        "data.bpe_dropout=0.1",
        "data.bleu=none",
    ]);
    assert_eq!(
        (data.train[0].weight, data.clean.max_repeats, data.bleu),
        (Some(2.0), 0, BleuTokenizer::None)
    );
    assert_eq!((data.clean.target_scripts.len(), data.bpe_dropout), (1, 0.1));
}

#[test]
fn several_corpora_are_cleaned_one_by_one_and_trained_on() {
    let workspace = small_workspace();
    let pairs = copy_and_reverse(60);
    let lines: String = pairs
        .iter()
        .map(|(source, target)| format!("{source}\t{target}\n"))
        .collect();
    let noise = "copy a\t\nsame\tsame\ncopy a\tαβγ\n";
    workspace.write(
        "crawl.tsv",
        format!("{lines}{noise}{}", lines.lines().next().unwrap()),
    );
    let recipe = recipe_of(
        &[
            r#"{ source = "train.src", target = "train.tgt" }"#,
            r#"{ tsv = "crawl.tsv", weight = 0.5 }"#,
        ],
        "clean = { target_scripts = [\"Latin\"] }",
    );
    workspace.write("small.toml", recipe);
    let output = workspace.train(&["small.toml"]);
    let message = stderr(&output);
    assert!(output.status.success(), "{message}");
    let expected = [
        ("pairs read", [300, 64, 364]),
        ("- empty", [0, 1, 1]),
        ("- source equals target", [0, 1, 1]),
        ("- wrong script", [0, 1, 1]),
        ("- duplicate in corpus", [0, 1, 1]),
        ("- repeated side", [0, 0, 0]),
        ("- too long", [0, 0, 0]),
        ("- uneven lengths", [0, 0, 0]),
        ("pairs kept", [300, 60, 360]),
    ];
    for (title, row) in expected {
        assert_eq!(counts(&message, title), row, "{title} in:\n{message}");
    }
    assert!(message.contains("  train  crawl  all\n"), "{message}");
    // The run can be resumed, since the saved recipe is equal. The table is read from the prepared corpus and is equal,
    // too.
    let resumed = workspace.train(&["small.toml", "--resume"]);
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    let table = |message: &str| -> Vec<String> {
        let lines = message.lines().skip_while(|line| !line.ends_with("  all"));
        lines.take(1 + expected.len()).map(str::to_owned).collect()
    };
    assert_eq!(table(&stderr(&resumed)), table(&message));
    assert_eq!(fs::read_dir(workspace.path("prepared")).unwrap().count(), 2);
}

#[test]
fn bad_settings_are_named_with_their_place() {
    let workspace = small_workspace();
    let refused = |recipe: String, parts: &[&str]| {
        workspace.write("bad.toml", recipe);
        let output = workspace.train(&["bad.toml"]);
        let message = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{message}");
        for part in parts {
            assert!(message.contains(part), "{part:?} is not in:\n{message}");
        }
        assert!(!workspace.path("runs").exists(), "a folder was left behind");
    };
    let good = r#"{ tsv = "a.tsv" }"#;
    let lists: [(&str, &[&str]); 4] = [
        (
            r#"{ sorce = "x", target = "y" }"#,
            &["bad.toml, line 7", "`sorce`", "did you mean `source`?"],
        ),
        (
            r#"{ source = "x" }"#,
            &["data.train needs source and target, or tsv"],
        ),
        (
            r#"{ tsv = "x", weight = 0 }"#,
            &["data.train has a weight that is no number above 0"],
        ),
        (r#"{ tsv = "x", weight = nan }"#, &["data.train has a weight"]),
    ];
    for (bad, parts) in lists {
        refused(recipe_of(&[good, bad], ""), parts);
    }
    refused(
        SMALL_RECIPE.replace(TRAIN, "train = []"),
        &["needs train and valid files"],
    );
    refused(
        SMALL_RECIPE.replace(TRAIN, "train = 5"),
        &["bad.toml, line 5", "a table of corpus files"],
    );
    refused(
        SMALL_RECIPE.replace(r#"target = "valid.tgt""#, r#"target = "valid.tgt", weight = 2"#),
        &["data.valid has a weight, which only training corpora have"],
    );
    let settings: [(&str, &[&str]); 9] = [
        ("tokenizer = \"words\"", &["bad.toml, line 6", "`words`"]),
        (
            "tokenizer = \"sentencepiece\"",
            &[
                "line 6",
                "data.tokenizer must be \"bpe\"",
                "a SentencePiece tokenizer is not learnt",
            ],
        ),
        ("bleu = \"14a\"", &["bad.toml, line 6", "`14a`"]),
        (
            "bpe_dropout = 1.5",
            &["line 6", "data.bpe_dropout must lie in [0, 1]"],
        ),
        ("capitals = 1.5", &["line 6", "data.capitals must lie in [0, 1]"]),
        ("normalization = [\"nfd\"]", &["line 6", "nfd", "nfkc"]),
        (
            "bpe_dropout = 0.1\ntokenizer = \"unigram\"",
            &["line 6", "needs data.tokenizer = \"bpe\", not \"unigram\""],
        ),
        (
            "clean = { source_scripts = [\"Latn\"] }",
            &["bad.toml, line 6", "no script is called \"Latn\""],
        ),
        (
            "clean = { copys = true }",
            &["bad.toml, line 6", "did you mean `copies`?"],
        ),
    ];
    for (setting, parts) in settings {
        refused(SMALL_RECIPE.replace(TRAIN, &format!("{TRAIN}\n{setting}")), parts);
    }
    // That a vocabulary is too small is known only once it is made.
    let output = workspace.train(&[
        "small.toml",
        "--set",
        "data.tokenizer=whitespace",
        "--set",
        "data.vocab_size=4",
    ]);
    assert!(
        stderr(&output).contains("vocabulary of 4 tokens"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_weight_too_small_for_its_corpus_is_refused() {
    let workspace = small_workspace();
    let message = workspace.failure(&["small.toml", "--set", "data.train.weight=0.001"]);
    for part in ["none of the 300 pairs of the corpus train", "0.001", "hint: "] {
        assert!(message.contains(part), "{part:?} is not in:\n{message}");
    }
}

#[cfg(not(feature = "ja-mecab"))]
#[test]
fn a_tokenizer_of_bleu_that_is_not_built_in_is_refused_at_once() {
    let workspace = small_workspace();
    let message = workspace.failure(&["small.toml", "--set", "data.bleu=ja-mecab"]);
    for part in ["ja-mecab is not built in", "--features ja-mecab"] {
        assert!(message.contains(part), "{part:?} is not in:\n{message}");
    }
}

#[test]
fn cleaning_that_leaves_nothing_says_so() {
    let workspace = small_workspace();
    let output = workspace.train(&["small.toml", "--set", "data.clean.source_scripts=[\"Greek\"]"]);
    let message = stderr(&output);
    assert!(message.contains("dropped all 300 training pairs"), "{message}");
    assert!(message.contains("data.clean"), "{message}");
}

#[test]
fn unigram_pieces_are_trained_on() {
    let workspace = small_workspace();
    workspace.train_well(&["small.toml", "--set", "data.tokenizer=unigram"]);
    let json = fs::read_to_string(workspace.path("runs/small/tokenizer.json")).unwrap();
    assert!(json.contains("\"type\": \"Unigram\""));
}

#[test]
fn segmented_text_is_scored_without_its_marks() {
    let workspace = Workspace::new();
    // "copy a b c" becomes "co@@ py a@@ b@@ c", in which the last letter alone ends a word.
    let segmented: Vec<(String, String)> = copy_and_reverse(1_000)
        .into_iter()
        .map(|(source, target)| {
            let source = source
                .replace("copy", "co@@ py")
                .replace("reverse", "re@@ ver@@ se");
            (source, target.replace(' ', "@@ "))
        })
        .collect();
    workspace.write_pairs("train", &segmented[..900]);
    workspace.write_pairs("valid", &segmented[900..950]);
    workspace.write_pairs("test", &segmented[950..]);
    let recipe = SMALL_RECIPE
        .replace("vocab_size = 300", "tokenizer = \"whitespace\"\nbleu = \"none\"")
        .replace("updates = 20", "updates = 100")
        .replace(
            "warmup = 10\nvalidate_every = 10",
            "warmup = 20\nvalidate_every = 100",
        );
    workspace.write("words.toml", recipe);
    let stdout = workspace.train_well(&["words.toml"]);
    assert!(stdout.contains("tok:none"), "{stdout}");

    let folder = workspace.path("runs/words");
    let model = ModelFolder::load(&folder, &select("flex").unwrap().device).unwrap();
    assert_eq!(model.source_tokenizer.kind(), TokenizerKind::Whitespace);
    // The vocabulary holds twelve letters with and without a mark, the pieces of two commands, and four special tokens.
    assert_eq!(model.source_tokenizer.vocab_size(), 24 + 5 + 4);
    let sources: Vec<&str> = segmented[950..]
        .iter()
        .map(|(source, _)| source.as_str())
        .collect();
    let references: Vec<String> = segmented[950..]
        .iter()
        .map(|(_, target)| target.replace("@@ ", ""))
        .collect();
    let translator = translator(model);
    let options = translator.model().options();
    let hypotheses = translator.translate_best(&sources, &options).unwrap();
    assert!(hypotheses.iter().all(|hypothesis| !hypothesis.contains("@@")));
    let bleu = corpus_bleu(&hypotheses, &references, BleuTokenizer::None).unwrap();
    assert!(stdout.contains(&bleu.to_string()), "{bleu} is not in:\n{stdout}");
    // Each plain reference is one word, so that BLEU counts one word a sentence.
    assert_eq!(bleu.reference_length, 50);
}

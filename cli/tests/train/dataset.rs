//! What a run does with its text: BPE-dropout, prepared corpora, and the text that subwords are learnt from.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use attend_data::{Tokenizer, TokenizerKind};
use attend_phrasebook::{Pair, Phrasebook};
use attend_train::{Corpora, Recipe};

use super::common::{SMALL_RECIPE, Workspace, counts, set, small_workspace, stderr};

#[test]
fn a_run_with_bpe_dropout_resumes_as_if_it_had_not_stopped() {
    let workspace = small_workspace();
    let train = |run: &str, more: &[&str]| {
        let settings = set(&["data.bpe_dropout=0.3", "training.log_every=1"]);
        workspace.train_well(&[&["small.toml", "--output", run], &settings[..], more].concat());
        workspace.losses(run)
    };
    let whole = train("whole", &[]);
    train("parts", &["--set", "training.updates=10"]);
    assert_eq!(train("parts", &["--resume"]), whole);
    assert_eq!(workspace.weights("parts"), workspace.weights("whole"));
    // Without it, the first batch already is another one.
    workspace.train_well(&["small.toml", "--output", "plain", "--set", "training.log_every=1"]);
    assert_ne!(workspace.losses("plain")[0], whole[0]);
}

/// The folders of prepared corpora in a workspace.
fn prepared(workspace: &Workspace) -> Vec<PathBuf> {
    let entries = fs::read_dir(workspace.path("prepared")).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn runs_share_a_prepared_corpus() {
    let workspace = small_workspace();
    workspace.train_well(&["small.toml", "--output", "one"]);
    let folders = prepared(&workspace);
    assert_eq!(folders.len(), 1);
    let written = |folder: &Path| {
        fs::metadata(folder.join("00000.shard"))
            .unwrap()
            .modified()
            .unwrap()
    };
    let before = written(&folders[0]);
    workspace.train_well(&["small.toml", "--output", "two", "--set", "training.updates=5"]);
    assert_eq!(prepared(&workspace), folders);
    assert_eq!(written(&folders[0]), before);
    workspace.train_well(&["small.toml", "--output", "three", "--set", "data.max_length=20"]);
    assert_eq!(prepared(&workspace).len(), 2);
}

#[test]
fn two_runs_at_once_share_it_too() {
    let workspace = small_workspace();
    let runs = ["one", "two"];
    thread::scope(|scope| {
        for run in runs {
            let workspace = &workspace;
            scope.spawn(move || workspace.train_well(&["small.toml", "--output", run]));
        }
    });
    assert_eq!(workspace.losses("one"), workspace.losses("two"));
    assert_eq!(prepared(&workspace).len(), 1);
}

#[test]
fn a_damaged_shard_stops_the_run_and_names_the_way_on() {
    let workspace = small_workspace();
    workspace.train_well(&["small.toml", "--output", "one"]);
    let folder = prepared(&workspace).remove(0);
    let shard = folder.join("00000.shard");
    let mut bytes = fs::read(&shard).unwrap();
    bytes[100] ^= 1;
    fs::write(&shard, bytes).unwrap();
    for arguments in [["--output", "two"].as_slice(), &["--output", "one", "--resume"]] {
        // Named, so that no line tells what `auto` took.
        let output = workspace.train(&[&["small.toml", "--device", "cpu"], arguments].concat());
        assert_eq!(output.status.code(), Some(1));
        let message = stderr(&output);
        let lines: Vec<&str> = message.lines().collect();
        assert_eq!(lines.len(), 2, "{message}");
        assert!(
            lines[0].starts_with("error: ") && lines[0].contains("00000.shard"),
            "{message}"
        );
        assert!(
            lines[1].starts_with("hint: remove the folder prepared/"),
            "{message}"
        );
    }
    assert!(!workspace.path("two").exists());

    fs::remove_dir_all(folder).unwrap();
    workspace.train_well(&["small.toml", "--output", "two"]);
    assert_eq!(workspace.losses("one"), workspace.losses("two"));
}

#[test]
fn a_run_trains_on_normalised_text_and_on_capitals() {
    let workspace = small_workspace();
    let settings = set(&["data.capitals=0.5", "data.normalization=[\"nfc\", \"quotes\"]"]);
    let train = |run: &str, more: &[&str]| {
        workspace.train(&[&["small.toml", "--output", run], &settings[..], more].concat())
    };
    let message = stderr(&train("run", &[]));
    // Half of the 300 pairs.
    assert_eq!(counts(&message, "pairs read"), [300, 150, 450], "{message}");
    assert!(message.contains("train in capitals"), "{message}");
    let resumed = train("run", &["--resume", "--set", "training.updates=25"]);
    assert!(resumed.status.success(), "{}", stderr(&resumed));
    let refused = train("run", &["--resume", "--set", "data.capitals=0.4"]);
    assert!(stderr(&refused).contains("data.capitals"), "{}", stderr(&refused));

    let tokenizer = Tokenizer::load(workspace.path("run/tokenizer.json")).unwrap();
    assert_eq!(tokenizer.decode(&tokenizer.encode("“e\u{301}”")), "\"é\"");
    // Capital letters were learnt from: the word has fewer tokens than letters.
    assert!(tokenizer.encode("REVERSE").len() < "REVERSE".len());
}

/// The text that a tokenizer is learnt from is normalised, and lines that are surely too long are left out.
#[test]
fn subwords_are_learnt_from_text_as_it_is_encoded() {
    let workspace = small_workspace();
    let accents = (
        "cafe\u{301} cafe\u{301}".to_owned(),
        "cafe\u{301} cafe\u{301} x".to_owned(),
    );
    let junk = ("zq".repeat(500_000), "junk".to_owned());
    workspace.write_pairs("train", &[accents, junk]);
    let overrides = ["data.normalization=[\"nfc\"]".to_owned()];
    let recipe = Recipe::load(workspace.path("small.toml"), &overrides).unwrap();
    let mut settings = recipe.data;
    for corpus in settings
        .train
        .iter_mut()
        .chain(&mut settings.valid)
        .chain(&mut settings.test)
    {
        for path in [&mut corpus.source, &mut corpus.target] {
            *path = path.take().map(|path| workspace.path(path.to_str().unwrap()));
        }
    }
    let tokenizer = Corpora::load(&settings)
        .unwrap()
        .train_tokenizer(&settings)
        .unwrap();
    for text in ["café", "cafe\u{301}"] {
        assert_eq!(tokenizer.encode(text), tokenizer.encode("café"));
        assert_eq!(tokenizer.encode(text).len(), 1);
    }
    assert_eq!(tokenizer.encode_within("zq", false).len(), 2);
}

#[test]
fn subwords_are_learnt_from_no_more_pairs_than_the_recipe_says() {
    let workspace = small_workspace();
    workspace.write(
        "embedded.toml",
        "data = { embedded = \"phrasebook\" }\nmodel = { preset = \"tiny\" }\n\
         training = { updates = 1, learning_rate = 0.001 }\n",
    );
    let learn = |pairs: &str, kind: &str| {
        let overrides = [pairs, kind, "data.vocab_size=500"].map(str::to_owned);
        let recipe = Recipe::load(workspace.path("embedded.toml"), &overrides);
        let settings = recipe.unwrap().data;
        let corpora = Corpora::load(&settings).unwrap();
        corpora.train_tokenizer(&settings).unwrap()
    };
    let expected = |pairs: &[&Pair], kind: TokenizerKind| {
        let lines = pairs.iter().flat_map(|pair| [&pair.english, &pair.german]);
        Tokenizer::train(kind, lines, Some(500)).unwrap()
    };
    let train = Phrasebook::generate().train;
    let all: Vec<&Pair> = train.iter().collect();
    assert_eq!(
        learn("data.vocab_pairs=500000", "data.tokenizer=bpe"),
        expected(&all, TokenizerKind::Bpe)
    );
    // Of two parts of the same size, the last pair stands for each.
    let two = [all[all.len().div_ceil(2) - 1], all[all.len() - 1]];
    for kind in [TokenizerKind::Bpe, TokenizerKind::Unigram] {
        let learnt = learn("data.vocab_pairs=2", &format!("data.tokenizer={kind}"));
        assert_eq!(learnt, expected(&two, kind), "{kind}");
    }
    // A word that is not in the sample would be lost, so words come from all pairs.
    assert_eq!(
        learn("data.vocab_pairs=2", "data.tokenizer=whitespace"),
        expected(&all, TokenizerKind::Whitespace)
    );

    workspace.write("small.toml", SMALL_RECIPE);
    let output = workspace.train(&["small.toml", "--set", "data.vocab_pairs=0"]);
    assert!(
        stderr(&output).contains("data.vocab_pairs is 0"),
        "{}",
        stderr(&output)
    );
}

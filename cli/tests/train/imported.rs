//! Runs that start from translators of other toolkits, whose sides have tokenizers of their own.

use std::fs;
use std::path::Path;

use attend_infer::{LexicalShortlist, ModelFolder};
use attend_model::TransformerConfig;
use safetensors::SafeTensors;
use serde_json::Value;

use crate::common::{attend, cpu, model_folder_of_pieces, run, stdout};

use super::common::{Workspace, set};

/// Models of `formats/tests/make_fixtures.py`: of Hugging Face, with one vocabulary and with two, and of Firefox, whose
/// decoder has recurrent units. Padding is never predicted, and the decoder reads it first.
const FOREIGN: [&str; 3] = ["marian_mt", "marian_mt_two_vocabularies", "firefox"];

const PAIRS: [(&str, &str); 8] = [
    ("The red tent is new.", "Das rote Zelt ist neu."),
    ("A bird sits on the wall.", "Ein Vogel sitzt auf der Mauer."),
    ("We bake bread on Monday.", "Wir backen am Montag Brot."),
    ("The old man sings.", "Der alte Mann singt."),
    ("My boat is not green.", "Mein Boot ist nicht blau."),
    ("They went to the lake.", "Sie gingen an den See."),
    ("Nobody knows the town.", "Niemand kennt die Stadt."),
    ("The rain stops at night.", "Der Regen endet in der Nacht."),
];

/// All pairs are one batch.
const RECIPE: &str = r#"
seed = 5
init = "model"

[data]
train = { source = "train.src", target = "train.tgt" }
valid = { source = "train.src", target = "train.tgt" }

[training]
updates = 20
batch_tokens = 10000
learning_rate = 0.02
schedule = "constant"
warmup = 1
validate_every = 10
log_every = 1
metric = "loss"
"#;

/// Returns a workspace with [`RECIPE`] as `recipe.toml`, and with its pairs. Every second source begins with the token
/// of a language, if the model has it.
fn workspace() -> Workspace {
    let workspace = Workspace::new();
    let pair = |(number, (source, target)): (usize, &(&str, &str))| {
        let language = if number % 2 == 0 { ">>deu<< " } else { "" };
        (format!("{language}{source}"), (*target).to_owned())
    };
    let pairs: Vec<(String, String)> = PAIRS.iter().enumerate().map(pair).collect();
    workspace.write_pairs("train", &pairs);
    workspace.write("recipe.toml", RECIPE);
    workspace
}

/// Returns a [`workspace`] with a fixture as the model.
fn workspace_of(name: &str) -> Workspace {
    let workspace = workspace();
    let foreign = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../formats/tests/fixtures")
        .join(name);
    attend_formats::import(&foreign, workspace.path("model"), &cpu(), |_| ()).expect(name);
    workspace
}

/// Returns the mean of -log p of the target tokens, as `attend score` has the probabilities.
fn cross_entropy(workspace: &Workspace) -> f64 {
    let mut command = attend("score");
    command.args(["model", "train.src", "train.tgt"].map(|name| workspace.path(name)));
    command.arg("--json");
    let (mut sum, mut tokens) = (0.0, 0);
    for line in stdout(&run(command, b"")).lines() {
        let score: Value = serde_json::from_str(line).unwrap();
        sum -= score["log_probability"].as_f64().unwrap();
        tokens += score["tokens"].as_array().unwrap().len();
    }
    sum / tokens as f64
}

/// Asserts that the loss of the first update, without label smoothing and dropout, is the model's cross-entropy.
fn assert_first_loss(workspace: &Workspace) {
    let settings = [
        "model.dropout=0.0",
        "training.label_smoothing=0.0",
        "training.updates=1",
    ];
    let arguments = ["recipe.toml", "--output", "first", "--workers", "1"];
    workspace.train_well(&[&arguments[..], &set(&settings)].concat());
    let (_, loss) = workspace.losses("first")[0];
    let expected = cross_entropy(workspace);
    assert!(
        (loss - expected).abs() < 1e-4 * expected,
        "the loss is {loss}, not {expected}"
    );
}

/// Asserts that a run has the files of the model that it started from.
fn assert_same_files(workspace: &Workspace, run: &str) {
    let file = |folder: &str, name: &str| fs::read(workspace.path(folder).join(name)).ok();
    assert!(file(run, "source.spm").is_some());
    for name in [
        "source.spm",
        "target.spm",
        "vocab.json",
        "target_vocab.json",
        "tokenizer.json",
        "shortlist.bin",
        "config.json",
        "languages.json",
    ] {
        assert!(file(run, name) == file("model", name), "{name} changed");
    }
}

/// Returns the numbers that a model adds to its logits.
fn output_bias(folder: &Path) -> Vec<f32> {
    let file = fs::read(folder.join("model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&file).unwrap();
    let bias = tensors.tensor("output_bias").unwrap();
    let numbers = bias.data().chunks_exact(4);
    numbers
        .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()))
        .collect()
}

#[test]
fn the_first_loss_is_the_cross_entropy_of_the_model() {
    for name in FOREIGN {
        assert_first_loss(&workspace_of(name));
    }
}

#[test]
fn a_translator_of_another_toolkit_learns_on_and_keeps_its_files() {
    for name in FOREIGN {
        let workspace = workspace_of(name);
        // Each of them changes weights in its own way, and that of padding is infinite.
        let settings = [
            "training.updates=40",
            "training.optimizer=adamw",
            "training.weight_decay=0.01",
            "training.ema=0.9",
        ];
        workspace.train_well(&[&["recipe.toml", "--output", "run"], &set(&settings)[..]].concat());
        let losses = workspace.losses("run");
        let [(_, first), .., (_, last)] = losses[..] else {
            panic!("{losses:?}");
        };
        assert!(last < first - 0.3, "{name}: from {first} to {last}");
        assert_same_files(&workspace, "run");
        // No other weight may be infinite.
        let folder = ModelFolder::load(workspace.path("run"), &cpu()).expect(name);
        let [before, after] = ["model", "run"].map(|run| output_bias(&workspace.path(run)));
        for (token, (before, after)) in before.iter().zip(&after).enumerate() {
            let is_padding = token == folder.config.pad_id;
            assert_eq!(*after == f32::NEG_INFINITY, is_padding, "{name}: token {token}");
            let is_same = before.to_bits() == after.to_bits();
            assert_eq!(is_same, is_padding, "{name}: token {token}");
        }
    }
}

#[test]
fn a_run_goes_on_without_the_model_that_it_started_from() {
    for name in FOREIGN {
        let workspace = workspace_of(name);
        workspace.train_well(&["recipe.toml", "--output", "whole"]);
        workspace.train_well(&["recipe.toml", "--output", "parts", "--set", "training.updates=10"]);
        fs::rename(workspace.path("model"), workspace.path("moved")).unwrap();
        let resume = ["recipe.toml", "--output", "parts", "--resume"];
        workspace.train_well(&resume);
        let weights = |run: &str| fs::read(workspace.path(run).join("model.safetensors")).unwrap();
        assert!(weights("whole") == weights("parts"), "{name}: the weights differ");

        for file in ["source.spm", "target.spm", "vocab.json", "target_vocab.json"] {
            let path = workspace.path("parts").join(file);
            let Ok(content) = fs::read(&path) else {
                continue;
            };
            // A field that no reader knows, or white space.
            let more: &[u8] = if file.ends_with("spm") {
                &[0xa0, 0x06, 1]
            } else {
                b"\n"
            };
            fs::write(&path, [&content, more].concat()).unwrap();
            let message = workspace.failure(&resume);
            let expected = "a tokenizer in parts changed since the run in parts began";
            assert!(message.contains(expected), "{file}: {message}");
            fs::write(&path, content).unwrap();
        }
        workspace.train_well(&["parts/recipe.toml", "--output", "parts", "--resume"]);
    }
}

#[test]
fn sources_without_an_end_and_the_shortlist_stay() {
    let workspace = workspace();
    let folder = model_folder_of_pieces(true);
    let vocabulary = folder.config.target_vocabulary();
    // All tokens of the target may translate any token, and no source token has a list.
    let shortlist = [0xf11a_48d5_0134_17f5, 1, vocabulary as u64, 2, 1, 0, 0];
    let shortlist: Vec<u8> = shortlist.into_iter().flat_map(u64::to_le_bytes).collect();
    let folder = ModelFolder {
        config: TransformerConfig {
            source_eos: false,
            ..folder.config
        },
        shortlist: Some(LexicalShortlist::parse(shortlist, Path::new("lex.bin"), vocabulary).unwrap()),
        ..folder
    };
    fs::create_dir(workspace.path("model")).unwrap();
    folder.save(workspace.path("model")).unwrap();
    assert_first_loss(&workspace);

    workspace.train_well(&["recipe.toml", "--output", "run", "--set", "training.updates=10"]);
    assert_same_files(&workspace, "run");
    fs::remove_dir_all(workspace.path("model")).unwrap();
    workspace.train_well(&["recipe.toml", "--output", "run", "--resume"]);
    let run = ModelFolder::load(workspace.path("run"), &cpu()).unwrap();
    assert_eq!(run.shortlist, folder.shortlist);
    assert!(!run.config.source_eos);
}

#[test]
fn tokenizers_are_the_models_and_have_no_dropout() {
    let workspace = workspace_of("marian_mt");
    for (setting, reason) in [
        (
            "data.bpe_dropout=0.1",
            "data.bpe_dropout needs data.tokenizer = \"bpe\", not \"sentencepiece\"",
        ),
        (
            "data.normalization=[\"nfkc\"]",
            "the recipe asks for data.normalization = [\"nfkc\"], but the model in model has ",
        ),
        (
            "data.tokenizer=unigram",
            "the recipe asks for data.tokenizer = \"unigram\", but the model in model has \"sentencepiece\"",
        ),
        (
            "data.vocab_size=300",
            "the recipe asks for data.vocab_size = 300, but the model in model has 58",
        ),
    ] {
        let message = workspace.failure(&["recipe.toml", "--set", setting]);
        assert!(message.contains(reason), "{setting}: {message}");
        assert!(!workspace.path("runs").exists(), "a folder was left behind");
    }
    let dry_run = [
        "recipe.toml",
        "--dry-run",
        "--set",
        "data.tokenizer=sentencepiece",
    ];
    let text = workspace.train_well(&dry_run);
    let shown = PAIRS.iter().filter(|(source, _)| text.contains(source));
    assert_eq!(shown.count(), 5, "{text}");
}

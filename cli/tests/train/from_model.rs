//! Runs that start from a model folder: `--from`, and the key `init` of a recipe.

use std::collections::HashMap;
use std::fs;

use attend_data::Tokenizer;
use attend_model::PoolingKind;
use attend_train::{Recipe, Record};
use burn::tensor::f16;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::common::{label_model_folder, tokenizer};

use super::common::{SMALL_RECIPE, Workspace, copy_and_reverse, records, set, small_workspace, stderr};

/// Returns a workspace as [`small_workspace`] does, with a trained model in `first`, and with `next.toml`: a recipe for
/// the same files that leaves shape and vocabulary to the model that a run starts from.
fn workspace_with_model() -> Workspace {
    let workspace = small_workspace();
    workspace.train_well(&["small.toml", "--output", "first"]);
    let (data, rest) = SMALL_RECIPE.split_once("vocab_size = 300\n").expect("a size");
    let (_, training) = rest.split_once("max_length = 64\n").expect("a shape");
    workspace.write("next.toml", format!("{data}{training}"));
    workspace
}

/// Settings with which a run hardly moves the weights that it starts from.
const STAY: [&str; 2] = ["training.updates=1", "training.learning_rate=1e-12"];

fn assert_near(weights: &[f32], expected: &[f32]) {
    assert_eq!(weights.len(), expected.len());
    let apart = weights
        .iter()
        .zip(expected)
        .map(|(one, other)| (one - other).abs());
    let apart = apart.fold(0.0, f32::max);
    assert!(apart < 1e-6, "the weights are {apart} apart");
}

#[test]
fn a_run_starts_with_the_weights_the_shape_and_the_tokenizer_of_the_model() {
    let workspace = workspace_with_model();
    let expected = workspace.weights("first");
    let file = |run: &str, name: &str| fs::read_to_string(workspace.path(run).join(name)).unwrap();
    let flag = ["next.toml", "--from", "first"];
    for (output, workers, arguments) in [
        ("flag", "1", flag.as_slice()),
        ("workers", "3", &flag),
        ("key", "1", &["next.toml", "--set", "init=first"]),
    ] {
        let run = ["--output", output, "--workers", workers];
        workspace.train_well(&[arguments, &run, &set(&STAY)].concat());
        assert_near(&workspace.weights(output), &expected);
        for name in ["config.json", "tokenizer.json"] {
            assert_eq!(file(output, name), file("first", name), "{name} of {output}");
        }
    }
    // The three runs are one and the same, except for the sums that workers round differently.
    assert_eq!(file("flag", "recipe.toml"), file("key", "recipe.toml"));
    assert!(file("flag", "recipe.toml").contains("init = \"first\"\n"));
    let model_card = workspace.model_card("flag");
    assert!(
        model_card.contains("started from the weights and the tokenizer of `first`."),
        "{model_card}"
    );
    assert!(
        model_card.contains("attend train next.toml --from first --set"),
        "{model_card}"
    );
    assert!(!workspace.model_card("first").contains("started from"));
}

#[test]
fn a_model_learns_on_from_where_it_was() {
    let workspace = workspace_with_model();
    workspace.train_well(&[
        "small.toml",
        "--output",
        "longer",
        "--set",
        "training.updates=150",
    ]);
    let loss = |output: &str, start: &[&str]| {
        let settings = set(&["training.updates=50", "training.validate_every=50", "seed=3"]);
        workspace.train_well(&[start, &["--output", output], &settings].concat());
        let validations = records(&workspace.path(output)).into_iter();
        let mut losses = validations.filter_map(|record| match record {
            Record::Validation { scores, .. } => Some(scores.loss),
            Record::Update { .. } => None,
        });
        losses.next_back().expect("the run validated")
    };
    let on = loss("on", &["next.toml", "--from", "longer"]);
    let nothing = loss("nothing", &["small.toml"]);
    assert!(
        on < nothing - 0.3,
        "{on} after learning on, {nothing} from nothing"
    );
}

#[test]
fn settings_that_are_no_part_of_the_weights_may_change() {
    let workspace = workspace_with_model();
    let expected = workspace.weights("first");
    let changed = ["model.dropout=0.4", "model.max_length=50", "training.ema=0.9"];
    let arguments = ["next.toml", "--from", "first", "--output", "changed"];
    workspace.train_well(&[&arguments[..], &set(&STAY), &set(&changed)].concat());
    // The moving average starts from the model's weights as well.
    assert_near(&workspace.weights("changed"), &expected);
    let config = fs::read_to_string(workspace.path("changed").join("config.json")).unwrap();
    assert!(
        config.contains("\"dropout\": 0.4") && config.contains("\"max_length\": 50"),
        "{config}"
    );
    let recipe = Recipe::load(workspace.path("changed/recipe.toml"), &[]).unwrap();
    assert_eq!(recipe.transformer_config(300, 0).d_model, 32);
}

#[test]
fn another_shape_or_vocabulary_is_refused_with_both_values() {
    let workspace = workspace_with_model();
    workspace.train_well(&[
        "small.toml",
        "--output",
        "learned",
        "--set",
        "model.positions=learned",
    ]);
    for (model, setting, asked, found) in [
        ("first", "model.d_model=64", "model.d_model = 64", "32".to_owned()),
        (
            "first",
            "model.norm=pre",
            "model.norm = \"pre\"",
            "\"post\"".to_owned(),
        ),
        ("first", "model.n_heads=2", "model.n_heads = 2", "4".to_owned()),
        (
            "first",
            "model.encoder_layer=recurrent",
            "model.encoder_layer = \"recurrent\"",
            "\"self-attention\"".to_owned(),
        ),
        (
            "first",
            "model.preset=tiny",
            "d_ff = 256 by model.preset = \"tiny\"",
            "64".to_owned(),
        ),
        (
            "first",
            "data.vocab_size=300",
            "data.vocab_size = 300",
            "281".to_owned(),
        ),
        (
            "first",
            "data.tokenizer=unigram",
            "data.tokenizer = \"unigram\"",
            "\"bpe\"".to_owned(),
        ),
        (
            "learned",
            "model.max_length=50",
            "model.max_length = 50",
            "64".to_owned(),
        ),
    ] {
        let message = workspace.failure(&["next.toml", "--from", model, "--set", setting]);
        let expected = format!("the recipe asks for {asked}, but the model in {model} has {found}\n");
        assert!(message.contains(&expected), "{setting}: {message}");
        assert!(
            message.contains("hint: leave this key, or the preset that sets it, out"),
            "{message}"
        );
        assert!(!workspace.path("runs").exists(), "a folder was left behind");
    }
    // The same values may be asked for. The corpus gave fewer subwords than the 300 of its recipe.
    workspace.train_well(&["small.toml", "--from", "first", "--set", "data.vocab_size=281"]);
}

#[test]
fn a_folder_without_a_usable_model_is_refused() {
    let workspace = workspace_with_model();
    let refused = |setting: &str, parts: &[&str]| {
        let message = workspace.failure(&["next.toml", "--set", setting]);
        for part in parts {
            assert!(message.contains(part), "no {part:?} in: {message}");
        }
        assert!(!workspace.path("runs").exists(), "a folder was left behind");
    };
    let here = workspace.path("").canonicalize().unwrap();
    let relative_to = format!("nowhere (in {}) is no model folder", here.display());
    refused("init=nowhere", &[&relative_to, "hint: train a model first"]);
    let classifier = workspace.path("classifier");
    fs::create_dir(&classifier).unwrap();
    label_model_folder(tokenizer(), Some(PoolingKind::Mean))
        .save(&classifier)
        .unwrap();
    refused(
        "init=classifier",
        &[
            "was trained for the task \"classify\", not for \"translate\"",
            "hint: a run starts from a model of its own task",
        ],
    );
    refused("init=", &["init must be the path of a model folder"]);
    copy_in_half_precision(&workspace, |number| if number > 0.5 { f32::NAN } else { number });
    refused("init=half", &["model.safetensors", "not finite"]);
}

#[test]
fn weights_in_half_precision_are_a_start_as_well() {
    let workspace = workspace_with_model();
    copy_in_half_precision(&workspace, |number| number);
    let arguments = ["next.toml", "--from", "half", "--output", "run"];
    workspace.train_well(&[&arguments[..], &set(&STAY)].concat());
    let rounded = workspace
        .weights("first")
        .into_iter()
        .map(|number| f16::from_f32(number).to_f32());
    assert_near(&workspace.weights("run"), &rounded.collect::<Vec<f32>>());
}

/// Copies the model in `first` to `half`, with each weight changed and rounded to 16 bits.
fn copy_in_half_precision(workspace: &Workspace, change: impl Fn(f32) -> f32) {
    fs::create_dir(workspace.path("half")).unwrap();
    for name in ["config.json", "tokenizer.json", "generation.json"] {
        fs::copy(
            workspace.path("first").join(name),
            workspace.path("half").join(name),
        )
        .unwrap();
    }
    let bytes = fs::read(workspace.path("first/model.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let halves: HashMap<String, (Vec<usize>, Vec<u8>)> = tensors
        .iter()
        .map(|(name, tensor)| {
            let numbers = tensor.data().chunks_exact(4);
            let numbers = numbers.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
            let halves = numbers.flat_map(|number| f16::from_f32(change(number)).to_le_bytes());
            (name.to_owned(), (tensor.shape().to_vec(), halves.collect()))
        })
        .collect();
    let views = halves
        .iter()
        .map(|(name, (shape, bytes))| (name, TensorView::new(Dtype::F16, shape.clone(), bytes).unwrap()));
    workspace.write(
        "half/model.safetensors",
        safetensors::serialize(views, None).unwrap(),
    );
}

#[test]
fn a_run_goes_on_when_the_model_that_it_started_from_is_gone() {
    let workspace = workspace_with_model();
    let start = ["next.toml", "--from", "first"];
    workspace.train_well(&[&start[..], &["--output", "whole"]].concat());
    workspace.train_well(&[&start[..], &["--output", "parts", "--set", "training.updates=10"]].concat());
    // A run that is killed before its first validation has learnt nothing yet, and still knows where it began.
    let endless = [
        "--output",
        "killed",
        "--set",
        "training.updates=1000000",
        "--set",
        "training.validate_every=1000000",
    ];
    let mut child = workspace
        .command(&[&start[..], &endless].concat())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    workspace.wait_for("killed/recipe.toml");
    child.kill().unwrap();
    child.wait().unwrap();

    // The saved recipe has no keys that came after it was first written, or else no earlier run could be resumed.
    let saved = fs::read_to_string(workspace.path("parts/recipe.toml")).unwrap();
    for key in ["encoder_layer =", "decoder_layer =", "convolution_width ="] {
        assert!(!saved.contains(key), "{saved}");
    }

    fs::remove_dir_all(workspace.path("first")).unwrap();
    let weights = |run: &str| fs::read(workspace.path(run).join("model.safetensors")).unwrap();
    workspace.train_well(&[&start[..], &["--output", "parts", "--resume"]].concat());
    assert!(weights("whole") == weights("parts"), "the weights differ");
    // The saved recipe has all settings, those of the model included.
    workspace.train_well(&["parts/recipe.toml", "--output", "parts", "--resume"]);
    let validate = [
        "--output",
        "killed",
        "--resume",
        "--set",
        "training.validate_every=1000000",
    ];
    workspace.train_well(&[&start[..], &validate].concat());
    workspace.train_well(&["whole/recipe.toml", "--output", "whole", "--resume"]);
    assert_eq!(workspace.losses("whole"), workspace.losses("killed"));

    let changed = workspace.failure(&["next.toml", "--from", "other", "--output", "parts", "--resume"]);
    assert!(changed.contains("init is \"other\", was \"first\""), "{changed}");
    let other = ["--output", "parts", "--resume", "--set", "model.d_ff=128"];
    let changed = workspace.failure(&[&start[..], &other].concat());
    assert!(changed.contains("model.d_ff is 128, was 64"), "{changed}");
    // Without any checkpoint, the run must not go on from other weights.
    for checkpoint in ["00000010", "00000020"] {
        fs::remove_dir_all(workspace.path("parts/checkpoints").join(checkpoint)).unwrap();
    }
    let lost = workspace.failure(&[&start[..], &["--output", "parts", "--resume"]].concat());
    assert!(lost.contains("holds no checkpoint"), "{lost}");
}

/// A process that is killed when it begins leaves the weights that it was to start from.
#[test]
fn a_run_that_did_not_begin_starts_from_what_the_next_command_names() {
    let workspace = workspace_with_model();
    workspace.train_well(&[
        "next.toml",
        "--from",
        "first",
        "--output",
        "begun",
        "--set",
        "training.updates=1",
    ]);
    fs::create_dir_all(workspace.path("killed/checkpoints")).unwrap();
    fs::rename(
        workspace.path("begun/checkpoints/00000000"),
        workspace.path("killed/checkpoints/00000000"),
    )
    .unwrap();
    workspace.train_well(&["small.toml", "--output", "killed", "--resume"]);
    workspace.train_well(&["small.toml", "--output", "new"]);
    assert_eq!(workspace.losses("killed"), workspace.losses("new"));
}

#[test]
fn the_languages_of_a_run_may_change_when_it_is_resumed() {
    let workspace = small_workspace();
    let language = |name: &str| format!("data.source_language={name}");
    let run = [
        "small.toml",
        "--output",
        "run",
        "--set",
        "training.metric=loss",
        "--set",
    ];
    workspace.train_well(&[&run[..], &[&language("en"), "--set", "training.updates=10"]].concat());
    workspace.train_well(&[&run[..], &[&language("de"), "--resume"]].concat());
    let languages = fs::read_to_string(workspace.path("run/languages.json")).unwrap();
    assert!(languages.contains("\"de\""), "{languages}");
}

#[test]
fn the_normalizer_is_the_models() {
    let workspace = workspace_with_model();
    let with_steps = |steps: &str| format!("data.normalization={steps}");
    let nfc = with_steps("[\"nfc\"]");
    workspace.train_well(&["small.toml", "--output", "nfc", "--set", &nfc]);
    let tokenizer = |run: &str| fs::read_to_string(workspace.path(run).join("tokenizer.json")).unwrap();
    assert!(tokenizer("nfc").contains("\"NFC\"") && !tokenizer("first").contains("\"NFC\""));
    // Left out, or the same.
    for (output, settings) in [("left-out", &STAY[..]), ("equal", &[STAY[0], STAY[1], &nfc])] {
        let run = ["next.toml", "--from", "nfc", "--output", output];
        workspace.train_well(&[&run[..], &set(settings)].concat());
        assert_eq!(tokenizer(output), tokenizer("nfc"), "{output}");
    }
    for (model, asked, found) in [
        ("nfc", "[\"nfkc\"]", "another normalizer"),
        ("first", "[\"nfc\"]", "no normalizer"),
    ] {
        let message = workspace.failure(&["next.toml", "--from", model, "--set", &with_steps(asked)]);
        let expected = format!(
            "the recipe asks for data.normalization = {asked}, but the model in {model} has {found}\n"
        );
        assert!(message.contains(&expected), "{message}");
    }
}

#[test]
fn bpe_dropout_takes_a_model_with_bpe() {
    let workspace = workspace_with_model();
    workspace.train_well(&[
        "small.toml",
        "--output",
        "unigram",
        "--set",
        "data.tokenizer=unigram",
    ]);
    let dropout = ["--set", "data.bpe_dropout=0.1"];
    workspace.train_well(&[&["next.toml", "--from", "first", "--output", "run"], &dropout[..]].concat());
    let message = workspace.failure(&[&["next.toml", "--from", "unigram"], &dropout[..]].concat());
    let expected = "data.bpe_dropout needs data.tokenizer = \"bpe\", not \"unigram\"";
    assert!(message.contains(expected), "{message}");
}

#[test]
fn a_run_goes_on_from_a_network_with_the_options_of_other_toolkits() {
    let workspace = workspace_with_model();
    let options = set(&[
        "model.activation=swish",
        "model.decoder_layer=ssru",
        "model.positions=marian",
        "model.norm_epsilon=1e-6",
        "model.output_bias=true",
        "model.tie_embeddings=decoder",
    ]);
    workspace.train_well(&[&["small.toml", "--output", "other"], &options[..]].concat());
    let file = |run: &str, name: &str| fs::read_to_string(workspace.path(run).join(name)).unwrap();
    let config = file("other", "config.json");
    assert!(config.contains("\"decoder_layer\": \"ssru\""), "{config}");
    let arguments = ["next.toml", "--from", "other", "--output", "run"];
    workspace.train_well(&[&arguments, &set(&STAY)[..]].concat());
    assert_eq!(file("run", "config.json"), config);
    assert_near(&workspace.weights("run"), &workspace.weights("other"));
    let message = workspace.failure(&["small.toml", "--from", "other"]);
    assert!(message.contains("\"swish\""), "{message}");

    // Only a model from elsewhere has a vocabulary of the target's own.
    for setting in [
        "model.target_vocab_size=300",
        "model.decoder_start_id=0",
        "model.source_eos=false",
    ] {
        let message = workspace.failure(&["small.toml", "--set", setting]);
        let reason = "is for a run that starts from a model of another toolkit, which init names";
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn words_outside_the_models_vocabulary_are_cut_or_unknown() {
    let workspace = workspace_with_model();
    let words = [
        "--set",
        "data.tokenizer=whitespace",
        "--set",
        "data.vocab_size=100000",
    ];
    workspace.train_well(&[&["small.toml", "--output", "words"], &words[..]].concat());
    let pairs: Vec<(String, String)> = copy_and_reverse(330)
        .into_iter()
        .map(|(source, target)| (format!("{source} ключ"), format!("{target} ключ")))
        .collect();
    workspace.write_pairs("train", &pairs[..300]);
    workspace.write_pairs("valid", &pairs[300..]);
    let encode = |model: &str| {
        let tokenizer = Tokenizer::load(workspace.path(model).join("tokenizer.json")).unwrap();
        (tokenizer.encode("ключ"), tokenizer.unk_id())
    };
    let (subwords, _) = encode("first");
    assert!(subwords.len() > 1, "{subwords:?}");
    let (word, unk) = encode("words");
    assert_eq!(word, [unk.expect("a vocabulary of words has <unk>")]);
    for model in ["first", "words"] {
        let tokenizer = |run: &str| fs::read(workspace.path(run).join("tokenizer.json")).unwrap();
        workspace.train_well(&["next.toml", "--from", model, "--output", "run"]);
        assert!(
            tokenizer("run") == tokenizer(model),
            "the vocabulary of {model} changed"
        );
        fs::remove_dir_all(workspace.path("run")).unwrap();
    }
}

#[test]
fn a_dry_run_has_the_shape_and_the_tokenizer_of_the_model() {
    let workspace = workspace_with_model();
    let output = workspace.train(&["next.toml", "--from", "first", "--dry-run"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let note = "starting from the weights and the tokenizer of first\n";
    assert!(stderr(&output).contains(note), "{}", stderr(&output));
    let unigram = ["--set", "data.tokenizer=unigram"];
    workspace.train_well(&[&["small.toml", "--output", "unigram"], &unigram[..]].concat());
    let tables = |arguments: &[&str]| {
        let text = workspace.train_well(&[arguments, &["--dry-run"]].concat());
        let (tables, _) = text.split_once("\nexpected").expect("the times follow");
        assert!(
            tables.contains("weights\n") && tables.contains("source tokens"),
            "{tables}"
        );
        tables.to_owned()
    };
    let expected = tables(&[&["small.toml"], &unigram[..]].concat());
    assert_eq!(tables(&["next.toml", "--from", "unigram"]), expected);
    assert_ne!(tables(&["next.toml", "--from", "first"]), expected);
    // Without the model's shape, the recipe has none.
    let message = workspace.failure(&["next.toml", "--dry-run"]);
    assert!(
        message.contains("next.toml: model.preset is missing"),
        "{message}"
    );
    let recipe = fs::read_to_string(workspace.path("next.toml")).unwrap();
    workspace.write("part.toml", format!("{recipe}[model]\nd_model = 64\n"));
    let message = workspace.failure(&["part.toml"]);
    let line = recipe.lines().count() + 1;
    let expected = format!("part.toml, line {line}: model.preset is missing");
    assert!(message.contains(&expected), "{message}");
}

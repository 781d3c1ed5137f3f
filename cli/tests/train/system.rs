//! Trains on small tasks, from files to translations.

use attend_device::auto;
use attend_infer::ModelFolder;

use crate::common::translator;

use super::common::{Workspace, copy_and_reverse};

const COPY_AND_REVERSE: &str = r#"
[data]
train = { source = "train.src", target = "train.tgt" }
valid = { source = "valid.src", target = "valid.tgt" }
vocab_size = 300

[model]
preset = "tiny"
d_model = 64
d_ff = 128
encoder_layers = 2
decoder_layers = 2
dropout = 0.0
norm = "pre"
max_length = 64

[training]
updates = 1500
batch_tokens = 1024
learning_rate = 0.003
schedule = "cosine"
warmup = 200
label_smoothing = 0.0
validate_every = 300
"#;

#[test]
fn a_tiny_model_learns_to_copy_and_reverse() {
    let workspace = Workspace::new();
    let pairs = copy_and_reverse(12_500);
    let (train, held_out) = pairs.split_at(12_000);
    workspace.write_pairs("train", train);
    workspace.write_pairs("valid", &held_out[..100]);
    workspace.write("copy.toml", COPY_AND_REVERSE);
    workspace.train_well(&["copy.toml", "--output", "run"]);

    let model_folder = ModelFolder::load(workspace.path("run"), &auto().unwrap().device).unwrap();
    let (sources, references): (Vec<_>, Vec<_>) = held_out[100..].iter().cloned().unzip();
    let translator = translator(model_folder);
    let options = translator.model().options();
    let hypotheses = translator.translate_best(&sources, &options).unwrap();
    let exact = hypotheses.iter().zip(&references).filter(|(a, b)| a == b).count();
    assert!(
        exact * 100 >= 99 * references.len(),
        "{exact} of {} are exact",
        references.len()
    );
}

/// The loss of untrained weights is about ln(vocabulary). In 120 updates, it must fall by a quarter. They are within
/// the warm-up, which a cosine must be longer than; until its end all schedules are the same.
#[test]
fn the_phrasebook_recipe_lowers_its_loss_from_the_start() {
    let workspace = Workspace::new();
    let recipe = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/phrasebook.toml");
    workspace.train_well(&[
        recipe,
        "--output",
        "run",
        "--set",
        "training.updates=120",
        "--set",
        "training.schedule=constant",
        "--set",
        "training.validate_every=120",
        "--set",
        "training.log_every=10",
    ]);
    let losses = workspace.losses("run");
    let (_, first) = losses[0];
    let (_, last) = losses[losses.len() - 1];
    assert!(last < 0.75 * first, "the loss went from {first} to {last}");
}

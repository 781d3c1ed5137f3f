//! A run can be repeated exactly, and resumes where it stopped.

use std::fs;

use attend_device::auto;
use attend_infer::ModelFolder;
use attend_infer::metric::{BleuTokenizer, corpus_bleu};
use attend_infer::search::SearchOptions;
use attend_train::Record;

use crate::common::{searching, translator};

use super::common::{copy_and_reverse, records, set, small_workspace, stderr};

#[test]
fn a_resumed_run_equals_an_uninterrupted_one() {
    let workspace = small_workspace();
    workspace.train_well(&["small.toml", "--output", "whole"]);
    workspace.train_well(&["small.toml", "--output", "parts", "--set", "training.updates=10"]);
    workspace.train_well(&["small.toml", "--output", "parts", "--resume"]);

    let losses = workspace.losses("whole");
    let updates: Vec<usize> = losses.iter().map(|(update, _)| *update).collect();
    assert_eq!(updates, [5, 10, 15, 20]);
    assert_eq!(losses, workspace.losses("parts"));
    let weights =
        |run: &str| fs::read(workspace.path(run).join("model.safetensors")).expect("the model was saved");
    assert!(weights("whole") == weights("parts"), "the weights differ");
}

#[test]
fn a_run_of_each_kind_of_layer_resumes_exactly_and_saves_what_it_trained() {
    let workspace = small_workspace();
    for (run, settings) in [
        (
            "restricted",
            set(&[
                "model.encoder_layer=restricted",
                "model.decoder_layer=restricted",
                "model.attention_window=2",
            ]),
        ),
        ("recurrent", set(&["model.encoder_layer=recurrent"])),
        (
            "convolution",
            set(&["model.encoder_layer=convolution", "model.convolution_width=5"]),
        ),
    ] {
        let parts = format!("{run}-parts");
        let train = |folder: &str, more: &[&str]| {
            let output = ["small.toml", "--output", folder];
            workspace.train_well(&[&output, settings.as_slice(), more].concat());
        };
        train(run, &[]);
        train(&parts, &["--set", "training.updates=10"]);
        train(&parts, &["--resume"]);
        let file = |run: &str, name: &str| fs::read(workspace.path(run).join(name)).expect("it was saved");
        assert!(
            file(run, "model.safetensors") == file(&parts, "model.safetensors"),
            "the weights of {run} differ"
        );
        let config = String::from_utf8(file(run, "config.json")).expect("JSON");
        assert!(
            config.contains(&format!("\"encoder_layer\": \"{run}\"")),
            "{config}"
        );
        ModelFolder::load(workspace.path(run), &auto().expect("a device").device).expect("a model folder");
    }
}

/// BURN_DEVICE sets Burn's default device, which may be one that the machine lacks.
#[test]
fn a_run_resumes_on_its_device_whatever_burns_default_is() {
    let workspace = small_workspace();
    workspace.train_well(&["small.toml", "--output", "run", "--set", "training.updates=10"]);
    let mut resume = workspace.command(&["small.toml", "--output", "run", "--resume"]);
    resume.env("BURN_DEVICE", "abacus").env("ATTEND_DEVICE", "cpu");
    let output = resume.output().expect("the program starts");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(workspace.losses("run").len(), 4);
}

#[test]
fn the_seed_decides_the_run() {
    let workspace = small_workspace();
    workspace.train_well(&["small.toml", "--output", "one"]);
    workspace.train_well(&["small.toml", "--output", "two"]);
    workspace.train_well(&["small.toml", "--output", "other", "--set", "seed=8"]);
    assert_eq!(workspace.losses("one"), workspace.losses("two"));
    assert_ne!(workspace.losses("one"), workspace.losses("other"));
}

#[test]
fn records_after_the_checkpoint_are_dropped_on_resume() {
    let workspace = small_workspace();
    workspace.train_well(&["small.toml", "--output", "run", "--set", "training.updates=10"]);
    // The record is left as by a run that was stopped after update 15, past the checkpoint at update 10, while it wrote
    // a line.
    let path = workspace.path("run").join("metrics.jsonl");
    let text = fs::read_to_string(&path).expect("the run wrote its metrics");
    let later = text
        .lines()
        .next()
        .expect("there is a record")
        .replace("\"update\":5", "\"update\":15");
    fs::write(&path, format!("{text}{later}\n{}", &later[..20])).expect("the folder is writable");

    workspace.train_well(&["small.toml", "--output", "run", "--resume"]);
    let updates: Vec<usize> = workspace
        .losses("run")
        .iter()
        .map(|(update, _)| *update)
        .collect();
    assert_eq!(updates, [5, 10, 15, 20]);
}

/// The scores in `metrics.jsonl` are those of the weights that are kept, which are averaged if the run asks for it. The
/// model folder must therefore give the same BLEU.
#[test]
fn the_saved_model_translates_as_the_trained_one() {
    let workspace = small_workspace();
    let validations = |run: &str, settings: &[&str]| {
        let length = set(&["training.updates=150", "training.validate_every=50"]);
        workspace.train_well(&[&["small.toml", "--output", run], settings, &length].concat());
        let records = records(&workspace.path(run)).into_iter();
        let scores = records.filter_map(|record| match record {
            Record::Validation { scores, .. } => Some((scores.loss, scores.bleu.expect("a BLEU"))),
            Record::Update { .. } => None,
        });
        scores.collect::<Vec<_>>()
    };
    let plain = validations("plain", &[]);
    let averaged = validations("averaged", &["--set", "training.ema=0.8"]);
    assert_eq!((plain.len(), averaged.len()), (3, 3));
    // Both runs train the same weights, so that their scores differ only because one averages them.
    assert!(plain.iter().zip(&averaged).all(|(one, other)| one.0 != other.0));

    let (sources, references): (Vec<_>, Vec<_>) = copy_and_reverse(330).split_off(300).into_iter().unzip();
    for (run, validations) in [("plain", plain), ("averaged", averaged)] {
        let scores = validations.into_iter().map(|(_, bleu)| bleu);
        let best = scores.max_by(f64::total_cmp).expect("the run validated");
        let model_folder = ModelFolder::load(workspace.path(run), &auto().unwrap().device).unwrap();
        let greedy = searching(SearchOptions::default().greedy());
        let hypotheses = translator(model_folder)
            .translate_best(&sources, &greedy)
            .unwrap();
        let bleu = corpus_bleu(&hypotheses, &references, BleuTokenizer::default()).unwrap();
        assert!(best > 1.0, "the model {run} learnt nothing to compare");
        assert_eq!(bleu.score, best, "{run}");
    }
}

//! A run repeats, and goes on where it stopped.

mod common;

use std::fs;

use attend_infer::metric::{BleuTokenizer, corpus_bleu};
use attend_infer::search::SearchOptions;
use attend_infer::{ModelFolder, Translator, device};
use attend_train::report::Record;
use common::{copy_and_reverse, records, small_workspace};

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
    // As if the run had been stopped after update 15, past the checkpoint at 10, in the middle of a line.
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

/// The BLEU in `metrics.jsonl` was computed from the weights in memory; the folder on disk must give the same.
#[test]
fn the_saved_model_translates_as_the_trained_one() {
    let workspace = small_workspace();
    workspace.train_well(&[
        "small.toml",
        "--output",
        "run",
        "--set",
        "training.updates=150",
        "--set",
        "training.validate_every=50",
    ]);
    let validations = records(&workspace.path("run"))
        .into_iter()
        .filter_map(|record| match record {
            Record::Validation { bleu, .. } => Some(bleu),
            Record::Update { .. } => None,
        });
    let best = validations.max_by(f64::total_cmp).expect("the run validated");

    let bundle = ModelFolder::load(workspace.path("run"), &device::auto().unwrap().device).unwrap();
    let greedy = SearchOptions::default().greedy();
    let translator = Translator::new(bundle).with_search(greedy).unwrap();
    let (sources, references): (Vec<_>, Vec<_>) = copy_and_reverse(330).split_off(300).into_iter().unzip();
    let hypotheses = translator.translate_best(&sources).unwrap();
    let bleu = corpus_bleu(&hypotheses, &references, BleuTokenizer::default()).unwrap();
    assert!(best > 1.0, "the model learnt nothing to compare");
    assert_eq!(bleu.score, best);
}

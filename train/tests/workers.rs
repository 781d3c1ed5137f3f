//! How many threads share a batch, and into how many batches an update is divided, changes no update.

mod common;

use attend_train::Recipe;
use attend_train::dataset::{Corpora, Dataset};
use common::{set, small_workspace};

#[test]
fn any_number_of_workers_takes_the_same_updates() {
    let workspace = small_workspace();
    let run = |workers: &str| {
        workspace.train_well(&[
            "small.toml",
            "--output",
            workers,
            "--workers",
            workers,
            // Each worker draws its own dropout.
            "--set",
            "model.dropout=0.0",
            "--set",
            "training.log_every=1",
        ]);
        workspace.losses(workers)
    };
    let alone = run("1");
    for workers in ["2", "3"] {
        for ((update, loss), (_, expected)) in run(workers).into_iter().zip(&alone) {
            assert!(
                (loss / expected - 1.0).abs() < 1e-5,
                "update {update} of {workers} workers: {loss}, not {expected}"
            );
        }
    }
}

/// With all pairs in each update, it does not matter how many batches they come in.
#[test]
fn accumulated_batches_take_the_same_updates_as_one() {
    let workspace = small_workspace();
    let paths = [("source", "train.src"), ("target", "train.tgt")]
        .map(|(side, file)| format!("data.train.{side}={}", workspace.path(file).display()));
    let mut recipe = Recipe::load(&workspace.path("small.toml"), &paths).unwrap();
    recipe.data.valid = recipe.data.train.first().cloned();
    recipe.data.test = None;
    let corpora = Corpora::load(&recipe.data).unwrap();
    let tokenizer = corpora.train_tokenizer(&recipe.data).unwrap();
    let prepared = workspace.path("prepared");
    let examples = Dataset::encode(&corpora, &tokenizer, &recipe, &prepared, |_| {})
        .unwrap()
        .train;
    let batches = examples.plan(recipe.training.batch_tokens, recipe.seed, 0).len();
    assert!(batches > 5);

    let run = |name: &str, settings: [&str; 1]| {
        let arguments = set(&["model.dropout=0.0", "training.log_every=1", settings[0]]);
        workspace.train_well(&[&["small.toml", "--output", name], &arguments[..]].concat());
        workspace.losses(name)
    };
    let one = run("one", ["training.batch_tokens=1000000"]);
    let many = run("many", [&format!("training.accumulate={batches}")]);
    assert_eq!(one.len(), 20);
    for ((update, loss), (_, expected)) in many.into_iter().zip(&one) {
        assert!(
            (loss / expected - 1.0).abs() < 1e-5,
            "update {update} of {batches} batches: {loss}, not {expected}"
        );
    }
}

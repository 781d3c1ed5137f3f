//! How many threads share a batch, and into how many batches an update is divided, changes no update.

use attend_train::{Corpora, Dataset, Recipe, Record};

use super::common::{Workspace, records, set, small_workspace};

/// Losses and norms of the gradients, with their updates. The norms tell a sum of gradients from their mean, the losses
/// alone would not: Adam's steps do not depend on the gradients' scale.
fn measures(workspace: &Workspace, run: &str) -> Vec<(usize, f64, f64)> {
    let records = records(&workspace.path(run)).into_iter();
    let updates = records.filter_map(|record| match record {
        Record::Update {
            update,
            loss,
            gradient_norm,
            ..
        } => Some((update, loss, gradient_norm)),
        Record::Validation { .. } => None,
    });
    updates.collect()
}

fn assert_same_updates(found: &[(usize, f64, f64)], expected: &[(usize, f64, f64)], how: &str) {
    assert_eq!(found.len(), 20);
    for (&(update, loss, norm), &(expected_update, expected_loss, expected_norm)) in
        found.iter().zip(expected)
    {
        assert_eq!(update, expected_update);
        for (value, expected) in [(loss, expected_loss), (norm, expected_norm)] {
            assert!(
                (value / expected - 1.0).abs() < 1e-5,
                "update {update} of {how}: {value}, not {expected}"
            );
        }
    }
}

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
        measures(&workspace, workers)
    };
    let alone = run("1");
    for workers in ["2", "3"] {
        assert_same_updates(&run(workers), &alone, &format!("{workers} workers"));
    }
}

/// With all pairs in each update, it does not matter how many batches they come in.
#[test]
fn accumulated_batches_take_the_same_updates_as_one() {
    let workspace = small_workspace();
    let paths = [("source", "train.src"), ("target", "train.tgt")]
        .map(|(side, file)| format!("data.train.{side}={}", workspace.path(file).display()));
    let mut recipe = Recipe::load(workspace.path("small.toml"), &paths).unwrap();
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
        measures(&workspace, name)
    };
    let one = run("one", ["training.batch_tokens=1000000"]);
    let many = run("many", [&format!("training.accumulate={batches}")]);
    assert_same_updates(&many, &one, &format!("{batches} batches"));
}

//! Updates do not depend on how many threads share a batch, nor on how many batches an update is divided into.

use attend_data::{Batches, Position};
use attend_train::{Corpora, Dataset, Recipe, Record};

use super::common::{Workspace, records, set, small_workspace};

/// Returns the updates of a run with their losses and gradient norms. The norms distinguish a sum of gradients from
/// their mean. Losses do not, since Adam's steps do not depend on the scale of gradients.
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
            // Dropout is off, since each worker draws its own.
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

/// If every update has all pairs, it does not matter how many batches hold them.
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
    let examples = Dataset::encode(&corpora, &tokenizer.into(), &recipe, &prepared, |_| {})
        .unwrap()
        .train;
    let batches = Batches::starting_at(
        examples,
        recipe.training.batch_tokens,
        recipe.seed,
        Position::default(),
    );
    let batches = batches.plan().len();
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

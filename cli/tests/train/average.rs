//! A run that asks for an average writes a model whose weights are the average of those that the run has without it.

use std::fs;

use super::common::{Workspace, set, small_workspace};

/// Trains into the folder `run` and returns the weights of the model. The loss falls, so the last weights are the best.
fn train(workspace: &Workspace, run: &str, updates: usize, settings: &[&str]) -> Vec<f32> {
    let updates = format!("training.updates={updates}");
    let settings = [
        settings,
        &[&updates, "training.metric=loss", "training.validate_every=5"],
    ]
    .concat();
    workspace.train_well(&[&["small.toml", "--output", run], &set(&settings)[..]].concat());
    workspace.weights(run)
}

fn assert_mean(average: &[f32], of: &[Vec<f32>]) {
    assert!(average.len() > 1_000);
    for (index, weight) in average.iter().enumerate() {
        let mean = of.iter().map(|weights| f64::from(weights[index])).sum::<f64>() / of.len() as f64;
        assert!((f64::from(*weight) - mean).abs() < 1e-6, "{weight}, not {mean}");
    }
    assert!(average != of[of.len() - 1]);
}

#[test]
fn the_last_checkpoints_are_averaged() {
    let workspace = small_workspace();
    let single: Vec<Vec<f32>> = [10, 15, 20, 18]
        .map(|updates| train(&workspace, &format!("to-{updates}"), updates, &[]))
        .into();
    let average = train(&workspace, "average", 20, &["training.average_last=3"]);
    assert_mean(&average, &single[..3]);
    let model_card = workspace.model_card("average");
    assert!(
        model_card.contains("the average of the weights after updates 10, 15, 20"),
        "{model_card}"
    );
    // The oldest averaged checkpoint keeps only its weights and their checksum.
    let files = fs::read_dir(workspace.path("average/checkpoints/00000010")).unwrap();
    let mut files: Vec<_> = files.map(|entry| entry.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["checksums.toml", "model.bpk"]);

    let every = ["training.average_last=2", "training.checkpoint_every=9"];
    let average = train(&workspace, "every-9", 20, &every);
    let nine = train(&workspace, "to-9", 9, &[]);
    assert_mean(&average, &[nine, single[3].clone()]);
}

#[test]
fn the_best_checkpoints_are_averaged() {
    let workspace = small_workspace();
    let single: Vec<Vec<f32>> = [15, 20]
        .map(|updates| train(&workspace, &format!("to-{updates}"), updates, &[]))
        .into();
    let average = train(&workspace, "average", 20, &["training.average_best=2"]);
    assert_mean(&average, &single);
    let model_card = workspace.model_card("average");
    assert!(
        model_card.contains("the average of the weights after updates 15, 20"),
        "{model_card}"
    );
}

#[test]
fn the_moving_average_follows_the_weights() {
    let workspace = small_workspace();
    let each = "training.validate_every=1";
    let first = train(&workspace, "average-1", 1, &["training.ema=0.2", each]);
    let second = train(&workspace, "average-2", 2, &["training.ema=0.2", each]);
    let weights = train(&workspace, "to-2", 2, &[each]);
    // At the second update, the rising decay (1 + 2) / (10 + 2) is above 0.2, so that 0.2 is used as asked for.
    for ((second, first), weight) in second.iter().zip(&first).zip(&weights) {
        assert!((second - (0.2 * first + 0.8 * weight)).abs() < 1e-6);
    }
    assert!(second != weights);
    let model_card = workspace.model_card("average-2");
    assert!(
        model_card.contains("the exponential moving average, decay 0.2,"),
        "{model_card}"
    );
}

//! The limits at which a run ends, and the weights that it keeps.

use std::time::Instant;

use attend_train::Record;

use super::common::{copy_and_reverse, records, set, small_workspace, stderr};

/// Returns the updates at which a run was validated, with the score of each.
fn validations(run: &std::path::Path, score: impl Fn(&Record) -> Option<f64>) -> Vec<(usize, f64)> {
    let records = records(run);
    let update = |record: &Record| match record {
        Record::Update { update, .. } | Record::Validation { update, .. } => *update,
    };
    records
        .iter()
        .filter_map(|record| Some((update(record), score(record)?)))
        .collect()
}

fn loss(record: &Record) -> Option<f64> {
    match record {
        Record::Validation { scores, .. } => Some(scores.loss),
        Record::Update { .. } => None,
    }
}

#[test]
fn the_first_limit_ends_the_run() {
    let workspace = small_workspace();
    let last_update = |settings: &[&str]| {
        let run = settings.join("-");
        let arguments = [&["small.toml", "--output", &run], &set(settings)[..]].concat();
        workspace.train_well(&arguments);
        let last = *workspace
            .losses(&run)
            .last()
            .expect("the run recorded its updates");
        (last.0, run)
    };
    let (both, _) = last_update(&["training.updates=13", "training.epochs=100"]);
    assert_eq!(both, 13);

    // The run ends after one epoch, so that its next update would begin the second one.
    let (epoch, _) = last_update(&["training.updates=1000", "training.epochs=1"]);
    let (_, run) = last_update(&["training.updates=60", "training.log_every=1"]);
    let epochs: Vec<u64> = records(&workspace.path(&run))
        .iter()
        .filter_map(|record| match record {
            Record::Update { epoch, .. } => Some(*epoch),
            Record::Validation { .. } => None,
        })
        .collect();
    assert_eq!(epoch, epochs.iter().filter(|epoch| **epoch == 0).count());

    let start = Instant::now();
    let (in_time, run) = last_update(&[
        "training.updates=100000000",
        "training.minutes=0.02",
        "training.checkpoint_every=3",
        "training.validate_every=100000000",
    ]);
    assert!((1.2..15.0).contains(&start.elapsed().as_secs_f64()));
    assert!(in_time > 1);
    let model_card = workspace.model_card(&run);
    assert!(
        model_card.contains(&format!("{in_time} updates in 0.0 minutes")),
        "{model_card}"
    );
}

#[test]
fn patience_ends_a_run_that_no_longer_improves() {
    let workspace = small_workspace();
    // With this learning rate, the loss soon rises.
    let settings = set(&[
        "training.updates=400",
        "training.learning_rate=0.3",
        "training.validate_every=2",
        "training.metric=loss",
        "training.patience=3",
    ]);
    workspace.train_well(&[&["small.toml", "--output", "run"], &settings[..]].concat());
    let losses = validations(&workspace.path("run"), loss);
    assert!(losses.len() < 200);
    let best = losses.iter().map(|(_, loss)| *loss).fold(f64::INFINITY, f64::min);
    let (before, after) = losses.split_at(losses.len() - 3);
    assert_eq!(before.last().expect("a validation came before").1, best);
    assert!(after.iter().all(|(_, loss)| *loss >= best));
    let model_card = workspace.model_card("run");
    let expected = format!("after update {}, the best", before.last().unwrap().0);
    assert!(
        model_card.contains(&expected),
        "{expected:?} is not in:\n{model_card}"
    );
}

/// Where no target has four words, BLEU is 0 whatever the weights, and patience would end the run at once.
#[test]
fn a_score_that_cannot_move_neither_chooses_nor_ends_a_run() {
    let workspace = small_workspace();
    let pairs = copy_and_reverse(360);
    let is_short = |target: &str| target.split(' ').count() < 4;
    let (short, long): (Vec<_>, Vec<_>) = pairs.into_iter().partition(|(_, target)| is_short(target));
    workspace.write_pairs("valid", &short[..20]);
    let settings = set(&[
        "training.updates=40",
        "training.validate_every=5",
        "training.patience=2",
    ]);
    let arguments = |output| [&["small.toml", "--output", output], &settings[..]].concat();
    let output = workspace.train(&arguments("short"));
    let messages = stderr(&output);
    assert!(output.status.success(), "{messages}");
    assert!(
        messages.contains("so chrF chooses the best weights in place of BLEU"),
        "{messages}"
    );
    let bleu = |record: &Record| match record {
        Record::Validation { scores, .. } => scores.bleu,
        Record::Update { .. } => None,
    };
    let scores = validations(&workspace.path("short"), bleu);
    assert!(scores.len() > 3, "{scores:?}");
    let model_card = workspace.model_card("short");
    assert!(
        model_card.contains("the best on the validation pairs: chrF"),
        "{model_card}"
    );

    // A recipe that fits its text is followed without a word.
    workspace.write_pairs("valid", &long[..20]);
    let output = workspace.train(&arguments("long"));
    assert!(output.status.success() && !stderr(&output).contains("in place of BLEU"));
    let model_card = workspace.model_card("long");
    assert!(
        model_card.contains("the best on the validation pairs: BLEU"),
        "{model_card}"
    );
}

#[test]
fn each_metric_keeps_its_best() {
    let workspace = small_workspace();
    for metric in ["bleu", "chrf", "perplexity", "loss"] {
        let metric_is = format!("training.metric={metric}");
        let settings = set(&[
            "training.updates=60",
            "training.learning_rate=0.03",
            "training.validate_every=5",
            &metric_is,
        ]);
        workspace.train_well(&[&["small.toml", "--output", metric], &settings[..]].concat());
        // The scores have signs by which the highest is the best.
        let scores = validations(&workspace.path(metric), |record| match record {
            Record::Validation { scores, .. } => match metric {
                "bleu" => scores.bleu,
                "chrf" => scores.chrf,
                "perplexity" => scores.perplexity.map(|perplexity| -perplexity),
                _ => Some(-scores.loss),
            },
            Record::Update { .. } => None,
        });
        let (best, _) = scores
            .iter()
            .max_by(|one, other| one.1.total_cmp(&other.1))
            .expect("the run validated");
        let model_card = workspace.model_card(metric);
        assert!(
            model_card.contains(&format!("after update {best}, the best")),
            "{metric} {best}:\n{model_card}"
        );
    }
}

/// Perplexity is computed from the cross-entropy without smoothing, so without smoothing it is the exponential of the
/// validation loss.
#[test]
fn perplexity_is_the_exponential_of_the_loss() {
    let workspace = small_workspace();
    let settings = set(&["training.label_smoothing=0.0"]);
    workspace.train_well(&[&["small.toml", "--output", "run"], &settings[..]].concat());
    let ratios = validations(&workspace.path("run"), |record| match record {
        Record::Validation { scores, .. } => Some(scores.perplexity? / scores.loss.exp()),
        Record::Update { .. } => None,
    });
    assert_eq!(ratios.len(), 2);
    assert!(
        ratios.iter().all(|(_, ratio)| (ratio - 1.0).abs() < 1e-9),
        "{ratios:?}"
    );
}

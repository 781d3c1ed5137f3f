//! Tests of how a run counts its updates, and of the checkpoints and averages that it keeps.

use std::fs;
use std::slice;

use super::*;
use crate::average::tests::weights;
use crate::checkpoint::CHECKPOINTS;
use crate::dataset::{Corpora, Dataset};
use crate::loss_scale::LossScale;
use crate::metric::Metric;
use crate::schedule::ScheduleKind;
use crate::step::tests::gradients;
use crate::task::TranslationTask;
use attend_data::{ParallelText, SentencePair, Tokenizer};
use attend_infer::TokenFiles;

const RECIPE: &str = r#"
    [data]
    embedded = "phrasebook"
    [model]
    preset = "tiny"
    d_model = 16
    encoder_layers = 1
    decoder_layers = 1
    dropout = 0.0
    [training]
    updates = 10
    learning_rate = 0.1
    warmup = 1
    ema = 0.9
"#;

fn trainer() -> Trainer<TranslationTask> {
    trainer_by(toml::from_str(RECIPE).unwrap())
}

fn trainer_by(recipe: Recipe) -> Trainer<TranslationTask> {
    let pair = SentencePair {
        source: "one two".to_owned(),
        target: "eins zwei".to_owned(),
    };
    let text = ParallelText::Memory {
        name: "one pair".to_owned(),
        pairs: vec![pair.clone()],
    };
    let corpora = Corpora {
        train: vec![(text, 1.0)],
        valid: vec![pair.clone()],
        test: vec![pair],
    };
    let tokenizer = Tokenizer::train_bpe(["one two", "eins zwei"].into_iter(), 300).unwrap();
    let tokens = TokenFiles::from(tokenizer);
    let prepared = tempfile::tempdir().unwrap();
    let dataset = Dataset::encode(&corpora, &tokens.tokenizer, &recipe, prepared.path(), |_| {}).unwrap();
    let task = TranslationTask::new(tokens, dataset);
    let (metric, _) = task.metric(&recipe).unwrap();
    let workers = Workers::start(1, 1).unwrap();
    let device = Device::default();
    Trainer::new(
        recipe,
        task,
        metric,
        PathBuf::new(),
        slice::from_ref(&device),
        workers,
    )
    .unwrap()
}

/// Takes the next update with the gradients of one example, times a factor.
fn apply(trainer: &mut Trainer<TranslationTask>, factor: f64) -> Option<Measurements> {
    trainer.state.update += 1;
    let gradients = gradients(&trainer.step, factor);
    let measured = trainer.step.apply(trainer.state.update, gradients, 3);
    trainer.count(measured)
}

#[test]
fn an_update_that_is_not_finite_is_skipped_and_leaves_no_trace() {
    let mut trainer = trainer();
    let both = |trainer: &Trainer<TranslationTask>| {
        let state = &trainer.step.state;
        let average = state.moving_average.as_ref().expect("one is asked for");
        [weights(&state.model), weights(average)]
    };
    let before = both(&trainer);
    let mut no_loss = gradients(&trainer.step, 1.0);
    no_loss.loss = no_loss.loss * f32::NAN;
    trainer.state.update = 1;
    let measured = trainer.step.apply(1, no_loss, 3);
    assert!(trainer.count(measured).is_none());
    assert!(apply(&mut trainer, f64::INFINITY).is_none());
    assert!(apply(&mut trainer, f64::NAN).is_none());
    assert!(both(&trainer) == before);
    assert_eq!((trainer.state.skipped, trainer.skipped_in_a_row), (3, 3));
    assert_eq!(trainer.state.span, Measurements::default());
    // The gradients may come from weights that a step has ruined.
    assert!(!trainer.is_sound());

    assert!(apply(&mut trainer, 1.0).is_some());
    assert_eq!((trainer.state.skipped, trainer.skipped_in_a_row), (3, 0));
    assert!(trainer.is_sound());
    let after = both(&trainer);
    assert!(after[0] != before[0] && after[1] != before[1]);
}

/// Adam corrects its moments by the number of the steps that it took.
#[test]
fn a_run_that_skipped_updates_goes_on_as_if_it_had_not_stopped() {
    let mut whole = trainer();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join(CHECKPOINTS)).unwrap();
    for factor in [f64::NAN, 1.0, f64::INFINITY] {
        apply(&mut whole, factor);
    }
    assert_eq!(whole.state.skipped, 2);
    let checkpoints = Checkpoints::of(folder.path());
    checkpoints.save(&whole.step.state, &whole.state).unwrap();
    let mut resumed = trainer();
    let loaded = checkpoints
        .load(&resumed.step.state)
        .unwrap()
        .expect("a checkpoint");
    (resumed.step.state, resumed.state) = (loaded.step, loaded.run);
    for trainer in [&mut whole, &mut resumed] {
        apply(trainer, -1.0).expect("finite gradients");
    }
    assert!(weights(&resumed.step.state.model) == weights(&whole.step.state.model));
}

#[test]
fn a_run_ends_when_no_smaller_loss_scale_can_help_and_keeps_no_checkpoint_of_ruined_weights() {
    // 65,536 can be halved 16 times; then come updates with the smallest scale.
    for (loss_scale, skipped) in [(None, 10), (Some(LossScale::default()), 17)] {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(CHECKPOINTS)).unwrap();
        let mut recipe: Recipe = toml::from_str(RECIPE).unwrap();
        recipe.training.updates = Some(100);
        recipe.training.checkpoint_every = Some(1);
        // Update 2 makes the weights so large that no later loss is finite.
        recipe.training.schedule = ScheduleKind::Constant;
        recipe.training.learning_rate = 1e30;
        let mut trainer = trainer_by(recipe);
        trainer.folder = folder.path().to_owned();
        trainer.step.state.loss_scale = loss_scale;
        trainer.state.update = 1;
        let checkpoints = Checkpoints::of(folder.path());
        checkpoints.save(&trainer.step.state, &trainer.state).unwrap();

        let error = trainer.run(&mut |_| {}, &|| false).unwrap_err();
        let TrainError::NotFinite { updates, update } = error else {
            panic!("{error}");
        };
        assert_eq!((updates, update), (skipped, 2 + skipped));
        let left = fs::read_dir(folder.path().join(CHECKPOINTS)).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["00000001"]);
    }
}

#[test]
fn of_averaged_validations_the_best_stay() {
    for (metric, scores) in [
        (Metric::Bleu, [10.0, 30.0, 20.0, 5.0, 25.0]),
        (Metric::Loss, [3.0, 1.0, 2.0, 5.0, 1.5]),
    ] {
        let mut state = TrainingState::default();
        let mut averaged = Vec::new();
        for (update, score) in (1..).zip(scores) {
            state.update = update;
            state.average_also(Some(score), 2, metric);
            let updates = state.averaged.iter().map(|averaged| averaged.update);
            averaged.push(updates.collect::<Vec<_>>());
        }
        let expected: [&[usize]; 5] = [&[1], &[1, 2], &[2, 3], &[2, 3], &[2, 5]];
        assert_eq!(averaged, expected, "{metric}");
    }
}

#[test]
fn a_tie_is_the_best_and_no_plateau_while_the_loss_falls() {
    let mut state = TrainingState::default();
    // Each validation: chrF, loss, whether its weights are the best, and the validations since the best.
    for (chrf, loss, is_best, since_best) in [
        (90.0, 3.0, true, 0),
        (100.0, 2.0, true, 0),
        (100.0, 1.5, true, 0),
        (99.0, 1.4, false, 1),
        (100.0, 1.2, true, 1),
        (100.0, 1.3, false, 2),
        // Lower than the one before, but not than the lowest.
        (100.0, 1.25, false, 3),
        (100.0, 1.1, true, 3),
        (100.0, 1.1, false, 4),
    ] {
        state.update += 1;
        let scores = Scores {
            loss,
            chrf: Some(chrf),
            ..Scores::default()
        };
        assert_eq!(state.count_validation(Metric::Chrf, &scores, Vec::new()), is_best);
        assert_eq!(
            state.validations_since_best, since_best,
            "update {}",
            state.update
        );
        let best = state.best.as_ref().expect("one is the best");
        assert_eq!(best.update == state.update, is_best);
    }
}

/// A run may have begun in a version that chose by BLEU where it cannot tell weights apart.
#[test]
fn scores_of_another_metric_are_forgotten() {
    let state = || TrainingState {
        validations_since_best: 4,
        best: Some(Best {
            update: 5,
            score: 0.0,
            averaged: Vec::new(),
            lowest_loss: None,
        }),
        averaged: vec![Averaged {
            update: 5,
            score: Some(0.0),
        }],
        ..TrainingState::default()
    };
    let scores = Scores {
        loss: 3.0,
        bleu: Some(0.0),
        ..Scores::default()
    };
    let mut resumed = state().with_scores_of(Metric::Loss, Metric::Bleu);
    assert_eq!(
        (resumed.validations_since_best, resumed.averaged[0].score),
        (0, None)
    );
    // The lower, the better: a BLEU of 0 would stay the best for ever.
    assert!(resumed.count_validation(Metric::Loss, &scores, Vec::new()));
    assert_eq!(resumed.best.as_ref().unwrap().score, 3.0);

    for kept in [
        state().with_scores_of(Metric::Bleu, Metric::Bleu),
        resumed.clone().with_scores_of(Metric::Loss, Metric::Bleu),
    ] {
        assert!(kept.best.is_some());
    }
    let changed = resumed.with_scores_of(Metric::Chrf, Metric::Chrf);
    assert!(changed.best.is_none());
    let kept = state().with_scores_of(Metric::Bleu, Metric::Bleu);
    assert_eq!(
        (kept.validations_since_best, kept.averaged[0].score),
        (4, Some(0.0))
    );
    assert!(
        toml::to_string(&kept).unwrap().contains("metric = \"bleu\""),
        "the state of a checkpoint names its metric"
    );
}

/// Runs of versions that did not store the loss can be resumed.
#[test]
fn a_best_validation_without_its_loss_can_be_read() {
    let best: Best = serde_json::from_str(r#"{"update": 5, "score": 1.5, "averaged": []}"#).unwrap();
    assert_eq!(best.lowest_loss, None);
    let mut state = TrainingState {
        best: Some(best),
        ..TrainingState::default()
    };
    let scores = Scores {
        loss: 2.0,
        bleu: Some(1.5),
        ..Scores::default()
    };
    assert!(state.count_validation(Metric::Bleu, &scores, Vec::new()));
    assert_eq!(state.best.unwrap().lowest_loss, Some(2.0));
}

//! What an update does to the weights, and what a run keeps of them.

use std::fs;
use std::slice;

use burn::module::{ModuleVisitor, Param};
use burn::optim::GradientsParams;

use super::*;
use crate::average::tests::weights;
use crate::checkpoint::CHECKPOINTS;
use crate::dataset::Corpora;
use crate::validation::Metric;
use attend_data::{ParallelText, SentencePair};

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

fn trainer() -> Trainer {
    trainer_on(&Device::default())
}

fn trainer_on(device: &Device) -> Trainer {
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
    let recipe: Recipe = toml::from_str(RECIPE).unwrap();
    let tokenizer = Tokenizer::train_bpe(["one two", "eins zwei"].into_iter(), 300).unwrap();
    let prepared = tempfile::tempdir().unwrap();
    let dataset = Dataset::encode(&corpora, &tokenizer, &recipe, prepared.path(), |_| {}).unwrap();
    let workers = Workers::start(1, 1).unwrap();
    Trainer::new(
        recipe,
        tokenizer,
        dataset,
        PathBuf::new(),
        slice::from_ref(device),
        workers,
    )
    .unwrap()
}

/// The gradients of the one example, times a factor.
fn gradients(trainer: &Trainer, factor: f64) -> Gradients {
    struct Scale(GradientsParams, f64);
    impl ModuleVisitor for Scale {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.0.remove::<D>(param.id) {
                self.0.register(param.id, gradient * self.1);
            }
        }
    }
    let model = &trainer.now.model;
    let loss = trainer.loss(model, &[trainer.dataset.train.get(0)], &trainer.devices[0]);
    let Gradients { loss, gradients } = Gradients::of(loss, model);
    let mut scale = Scale(gradients, factor);
    model.visit(&mut scale);
    Gradients {
        loss,
        gradients: scale.0,
    }
}

#[test]
fn an_update_that_is_not_finite_is_skipped_and_leaves_no_trace() {
    let mut trainer = trainer();
    let both = |trainer: &Trainer| {
        let average = trainer.now.moving_average.as_ref().expect("one is asked for");
        [weights(&trainer.now.model), weights(average)]
    };
    let before = both(&trainer);
    trainer.now.state.update = 1;
    let mut no_loss = gradients(&trainer, 1.0);
    no_loss.loss = no_loss.loss * f32::NAN;
    assert!(trainer.step(no_loss, 3).is_none());
    assert!(trainer.step(gradients(&trainer, f64::INFINITY), 3).is_none());
    assert!(trainer.step(gradients(&trainer, f64::NAN), 3).is_none());
    assert!(both(&trainer) == before);
    assert_eq!((trainer.now.state.skipped, trainer.skipped_in_a_row), (3, 3));
    assert_eq!(trainer.now.state.span, Span::default());

    assert!(trainer.step(gradients(&trainer, 1.0), 3).is_some());
    assert_eq!((trainer.now.state.skipped, trainer.skipped_in_a_row), (3, 0));
    let after = both(&trainer);
    assert!(after[0] != before[0] && after[1] != before[1]);
}

/// Adam corrects its moments by the number of the steps that it took.
#[test]
fn a_run_that_skipped_updates_goes_on_as_if_it_had_not_stopped() {
    let mut whole = trainer();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join(CHECKPOINTS)).unwrap();
    for (update, factor) in [(1, f64::NAN), (2, 1.0), (3, f64::INFINITY)] {
        whole.now.state.update = update;
        whole.step(gradients(&whole, factor), 3);
    }
    assert_eq!(whole.now.state.skipped, 2);
    let checkpoints = Checkpoints::of(folder.path());
    checkpoints.save(&whole.now).unwrap();
    let mut resumed = trainer();
    resumed.now = checkpoints.load(&resumed.now).unwrap().expect("a checkpoint").0;
    for trainer in [&mut whole, &mut resumed] {
        trainer.now.state.update = 4;
        trainer
            .step(gradients(trainer, -1.0), 3)
            .expect("finite gradients");
    }
    assert!(weights(&resumed.now.model) == weights(&whole.now.model));
}

/// All gradients in one list.
fn numbers(trainer: &Trainer, gradients: &GradientsParams) -> Vec<f64> {
    struct Numbers<'a>(&'a GradientsParams, Vec<f64>);
    impl ModuleVisitor for Numbers<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.0.get::<D>(param.id) {
                let values = gradient.into_data().try_to_vec::<f32>().unwrap();
                self.1.extend(values.into_iter().map(f64::from));
            }
        }
    }
    let mut numbers = Numbers(gradients, Vec::new());
    trainer.now.model.visit(&mut numbers);
    numbers.1
}

#[test]
fn gradients_are_clipped_to_their_global_norm() {
    let trainer = trainer();
    let gradients = gradients(&trainer, 1.0);
    let squares = numbers(&trainer, &gradients.gradients)
        .into_iter()
        .map(|number| number * number);
    let expected = squares.sum::<f64>().sqrt();
    assert!(expected > 0.1);
    let (_, norm) = loss_and_norm(&trainer.now.model, &gradients);
    assert!((norm / expected - 1.0).abs() < 1e-5, "{norm}, not {expected}");

    for (max_norm, factor) in [(0.5 * norm, 0.5), (2.0 * norm, 1.0), (0.0, 1.0)] {
        assert!((clip_factor(norm, max_norm) - factor).abs() < 1e-9);
    }
}

/// Adam's steps depend on the ratio of the gradients to those before, so one a thousand times as large must show.
#[test]
fn an_update_clips_its_gradients_and_tells_their_norm_before() {
    let mut clipped = trainer();
    let mut plain = trainer();
    clipped.now.state.update = 1;
    plain.now = clipped.now.clone();
    let before = weights(&plain.now.model);
    let [one, large] = [1.0, 1_000.0].map(|factor| gradients(&clipped, factor));
    let twice = [1.0, 1.0].map(|factor| gradients(&plain, factor));
    let squares = numbers(&clipped, &one.gradients)
        .into_iter()
        .map(|number| number * number);
    let norm = squares.sum::<f64>().sqrt();
    // Nothing but rounding is clipped of the first.
    clipped.recipe.training.clip_norm = norm;
    plain.recipe.training.clip_norm = 0.0;

    for ((gradients, expected), factor) in [one, large].into_iter().zip(twice).zip([1.0, 1_000.0]) {
        plain.step(expected, 3).expect("finite gradients");
        let update = clipped.step(gradients, 3).expect("finite gradients");
        assert!(
            (update.gradient_norm / (factor * norm) - 1.0).abs() < 1e-5,
            "{}, not {factor} times {norm}",
            update.gradient_norm
        );
    }
    let [clipped, plain] = [clipped, plain].map(|trainer| weights(&trainer.now.model));
    assert!(plain != before);
    for (weight, expected) in clipped.iter().zip(&plain) {
        assert!((weight - expected).abs() < 1e-6, "{weight}, not {expected}");
    }
}

/// As if the gradients had been too large for 16-bit floats.
#[test]
fn a_loss_scale_changes_no_step() {
    let mut plain = trainer();
    let mut scaled = trainer();
    plain.now.state.update = 1;
    scaled.now = plain.now.clone();
    let before = weights(&plain.now.model);
    scaled.now.state.loss_scale = Some(LossScale::default());
    let factor = scaled.loss_factor();
    let times_factor = |trainer: &Trainer| {
        let mut gradients = gradients(trainer, factor);
        gradients.loss = gradients.loss * factor;
        gradients
    };
    let expected = plain.step(gradients(&plain, 1.0), 3).expect("finite gradients");
    let update = scaled.step(times_factor(&scaled), 3).expect("finite gradients");
    assert_eq!(update, expected);
    assert!(weights(&scaled.now.model) == weights(&plain.now.model));
    assert!(weights(&plain.now.model) != before);

    // What is too large lowers the scale, and may come from weights that the step has ruined.
    assert!(scaled.is_sound());
    assert!(scaled.step(gradients(&scaled, f64::INFINITY), 3).is_none());
    assert_eq!(scaled.loss_factor(), factor / 2.0);
    assert_eq!((scaled.now.state.skipped, scaled.skipped_in_a_row), (1, 1));
    assert!(!scaled.is_sound());
}

#[test]
fn a_run_ends_when_no_smaller_loss_scale_can_help_and_keeps_no_checkpoint_of_ruined_weights() {
    // 65,536 can be halved 16 times; then come updates with the smallest scale.
    for (loss_scale, skipped) in [(None, 10), (Some(LossScale::default()), 17)] {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join(CHECKPOINTS)).unwrap();
        let mut trainer = trainer();
        trainer.folder = folder.path().to_owned();
        trainer.recipe.training.updates = Some(100);
        trainer.recipe.training.checkpoint_every = Some(1);
        trainer.now.state.loss_scale = loss_scale;
        trainer.now.state.update = 1;
        Checkpoints::of(folder.path()).save(&trainer.now).unwrap();

        // The step of update 2 oversteps what a number can hold.
        trainer.schedule = Schedule::Constant {
            peak: 1e30,
            warmup: 1,
        };
        let error = trainer.run(Interrupt::listen().unwrap()).unwrap_err();
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
        let mut trainer = trainer();
        trainer.recipe.training.metric = metric;
        let mut averaged = Vec::new();
        for (update, score) in (1..).zip(scores) {
            trainer.now.state.update = update;
            trainer.average_also(Some(score), 2);
            let updates = trainer.now.state.averaged.iter().map(|averaged| averaged.update);
            averaged.push(updates.collect::<Vec<_>>());
        }
        let expected: [&[usize]; 5] = [&[1], &[1, 2], &[2, 3], &[2, 3], &[2, 5]];
        assert_eq!(averaged, expected, "{metric}");
    }
}

/// A remote device tells how often it is waited for.
#[cfg(all(feature = "remote", feature = "flex"))]
#[test]
fn an_update_reads_once() {
    use burn::server::telemetry::{TelemetryEvent, TelemetryProbe};
    use burn::server::{RemoteServer, WebSocketTransport};

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let name = format!("remote:ws://{}", listener.local_addr().unwrap());
    let (probe, mut events) = TelemetryProbe::channel(1 << 20);
    let server = RemoteServer::new([Device::flex()]).with_telemetry(probe);
    std::thread::spawn(move || server.serve(WebSocketTransport::from_listener(listener)));

    let mut trainer = trainer_on(&attend_infer::device::select(&name).unwrap().device);
    let batch = [vec![trainer.dataset.train.get(0)]];
    // Weights are drawn when they are first used.
    trainer.update_on(&batch).expect("finite gradients");
    events.drain_into(&mut Vec::new());
    trainer.update_on(&batch).expect("finite gradients");
    let mut sink = Vec::new();
    events.drain_into(&mut sink);
    let count = |kind: fn(&TelemetryEvent) -> bool| sink.iter().filter(|event| kind(event)).count();
    // With Burn's fusion, which the features of cards turn on, a graph is many operations.
    let computes = |event: &TelemetryEvent| {
        matches!(
            event,
            TelemetryEvent::Op { .. } | TelemetryEvent::GraphExecuted { .. }
        )
    };
    assert!(count(computes) > 0, "the server computes");
    let waits =
        |event: &TelemetryEvent| matches!(event, TelemetryEvent::Read { .. } | TelemetryEvent::Sync { .. });
    assert_eq!(count(waits), 1);
}

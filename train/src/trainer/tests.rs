//! What an update does to the weights.

use std::slice;

use burn::module::{ModuleVisitor, Param};
use burn::optim::GradientsParams;

use super::*;
use crate::dataset::{Corpora, TrainingText};
use attend_data::corpus::SentencePair;
use attend_data::parallel_text::ParallelText;

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
    let corpora = Corpora {
        train: vec![TrainingText {
            name: "one pair".to_owned(),
            text: ParallelText::Pairs(vec![pair.clone()]),
            weight: 1.0,
        }],
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
    let model = &trainer.now.model;
    let loss = trainer.loss(model, &[trainer.dataset.train.get(0)], &trainer.devices[0]);
    let Gradients { loss, gradients } = Gradients::of(loss, model);
    Gradients {
        loss,
        gradients: scale(model, gradients, factor),
    }
}

fn weights(model: &Transformer) -> Vec<u8> {
    model.clone().into_record().into_bytes().unwrap().to_vec()
}

#[test]
fn an_update_that_is_not_finite_is_skipped_and_leaves_no_trace() {
    let mut trainer = trainer();
    let bytes = |trainer: &Trainer| {
        let average = trainer.now.moving_average.as_ref().expect("one is asked for");
        [weights(&trainer.now.model), weights(average)]
    };
    let before = bytes(&trainer);
    trainer.now.state.update = 1;
    let mut no_loss = gradients(&trainer, 1.0);
    no_loss.loss = no_loss.loss * f32::NAN;
    assert!(trainer.step(no_loss, 3).is_none());
    assert!(trainer.step(gradients(&trainer, f64::INFINITY), 3).is_none());
    assert!(trainer.step(gradients(&trainer, f64::NAN), 3).is_none());
    assert!(bytes(&trainer) == before);
    assert_eq!((trainer.now.state.skipped, trainer.skipped_in_a_row), (3, 3));
    assert_eq!(trainer.now.state.span, Span::default());

    assert!(trainer.step(gradients(&trainer, 1.0), 3).is_some());
    assert_eq!((trainer.now.state.skipped, trainer.skipped_in_a_row), (3, 0));
    let after = bytes(&trainer);
    assert!(after[0] != before[0] && after[1] != before[1]);
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
    let model = &trainer.now.model;
    let fresh = || gradients(&trainer, 1.0);
    let before = numbers(&trainer, &fresh().gradients);
    let norm = before.iter().map(|number| number * number).sum::<f64>().sqrt();
    assert!(norm > 0.1);

    for (max_norm, factor) in [(0.5 * norm, 0.5), (2.0 * norm, 1.0), (0.0, 1.0)] {
        let (_, norm_before) = loss_and_norm(model, &fresh());
        let clipped = scale(model, fresh().gradients, clip_factor(norm_before, max_norm));
        assert!(
            (norm_before / norm - 1.0).abs() < 1e-5,
            "{norm_before}, not {norm}"
        );
        for (after, before) in numbers(&trainer, &clipped).iter().zip(&before) {
            assert!(
                (after - factor * before).abs() < 1e-6 * norm,
                "{after}, not {factor} of {before}"
            );
        }
    }
}

/// As if the gradients had been too large for 16-bit floats.
#[test]
fn a_loss_scale_changes_no_step() {
    let mut plain = trainer();
    let mut scaled = trainer();
    scaled.now = plain.now.clone();
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

    // What is too large lowers the scale and is no step of a run gone astray.
    assert!(scaled.step(gradients(&scaled, f64::INFINITY), 3).is_none());
    assert_eq!(scaled.loss_factor(), factor / 2.0);
    assert_eq!((scaled.now.state.skipped, scaled.skipped_in_a_row), (1, 0));
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
    assert!(
        count(|event| matches!(event, TelemetryEvent::Op { .. })) > 100,
        "the server computes"
    );
    let waits =
        |event: &TelemetryEvent| matches!(event, TelemetryEvent::Read { .. } | TelemetryEvent::Sync { .. });
    assert_eq!(count(waits), 1);
}

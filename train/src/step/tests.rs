//! What a step does to the weights.

use std::slice;

use burn::module::{ModuleVisitor, Param};
use burn::optim::GradientsParams;

use super::*;
use crate::average::tests::weights;
use attend_model::{Preset, TransformerConfig};

const SETTINGS: &str = "updates = 10\nlearning_rate = 0.1\nwarmup = 1\nema = 0.9";
const BEGIN: u32 = 1;

fn step() -> TrainingStep {
    step_on(&Device::default())
}

fn step_on(device: &Device) -> TrainingStep {
    let settings = toml::from_str(SETTINGS).unwrap();
    let config = TransformerConfig {
        d_model: 16,
        encoder_layers: 1,
        decoder_layers: 1,
        dropout: 0.0,
        ..Preset::Tiny.config(300)
    };
    let workers = Workers::start(1, 1).unwrap();
    let objective = Translation {
        config,
        bos_id: BEGIN,
    };
    TrainingStep::new(&settings, objective, 1, slice::from_ref(device), workers).unwrap()
}

fn example() -> Example {
    Example {
        source: vec![101, 102, 2],
        target: vec![103, 104, 2],
    }
}

/// Returns the gradients of one example's loss, times a factor.
pub(crate) fn gradients(step: &TrainingStep, factor: f64) -> Gradients {
    struct Scale(GradientsParams, f64);
    impl ModuleVisitor for Scale {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = self.0.remove::<D>(param.id) {
                self.0.register(param.id, gradient * self.1);
            }
        }
    }
    let model = &step.state.model;
    let loss = step.loss(model, &step.devices[0], &[example()]);
    let Gradients { loss, gradients } = Gradients::of(loss, model);
    let mut scale = Scale(gradients, factor);
    model.visit(&mut scale);
    Gradients {
        loss,
        gradients: scale.0,
    }
}

/// Returns all gradients in one list.
fn numbers(step: &TrainingStep, gradients: &GradientsParams) -> Vec<f64> {
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
    step.state.model.visit(&mut numbers);
    numbers.1
}

#[test]
fn gradients_are_clipped_to_their_global_norm() {
    let step = step();
    let gradients = gradients(&step, 1.0);
    let squares = numbers(&step, &gradients.gradients)
        .into_iter()
        .map(|number| number * number);
    let expected = squares.sum::<f64>().sqrt();
    assert!(expected > 0.1);
    let (_, norm) = loss_and_norm(&step.state.model, &gradients);
    assert!((norm / expected - 1.0).abs() < 1e-5, "{norm}, not {expected}");

    for (max_norm, factor) in [(0.5 * norm, 0.5), (2.0 * norm, 1.0), (0.0, 1.0)] {
        assert!((clip_factor(norm, max_norm) - factor).abs() < 1e-9);
    }
}

/// The second gradients are a thousand times the first. Adam's second step depends on their ratio, so it would differ if
/// they were not clipped.
#[test]
fn a_step_clips_its_gradients_and_measures_their_norm_before() {
    let mut clipped = step();
    let mut plain = step();
    plain.state = clipped.state.clone();
    let before = weights(&plain.state.model);
    let [one, large] = [1.0, 1_000.0].map(|factor| gradients(&clipped, factor));
    let twice = [1.0, 1.0].map(|factor| gradients(&plain, factor));
    let squares = numbers(&clipped, &one.gradients)
        .into_iter()
        .map(|number| number * number);
    let norm = squares.sum::<f64>().sqrt();
    // The first gradients have exactly this norm, so clipping leaves them as they are but for rounding.
    clipped.settings.clip_norm = norm;
    plain.settings.clip_norm = 0.0;

    for ((gradients, expected), factor) in [one, large].into_iter().zip(twice).zip([1.0, 1_000.0]) {
        plain.apply(1, expected, 3).expect("finite gradients");
        let measured = clipped.apply(1, gradients, 3).expect("finite gradients");
        assert!(
            (measured.gradient_norm / (factor * norm) - 1.0).abs() < 1e-5,
            "{}, not {factor} times {norm}",
            measured.gradient_norm
        );
    }
    let [clipped, plain] = [clipped, plain].map(|step| weights(&step.state.model));
    assert!(plain != before);
    for (weight, expected) in clipped.iter().zip(&plain) {
        assert!((weight - expected).abs() < 1e-6, "{weight}, not {expected}");
    }
}

/// The factor is a power of two, so multiplying and dividing by it rounds nothing.
#[test]
fn a_loss_scale_changes_no_step() {
    let mut plain = step();
    let mut scaled = step();
    scaled.state = plain.state.clone();
    let before = weights(&plain.state.model);
    scaled.state.loss_scale = Some(LossScale::default());
    let factor = scaled.loss_factor();
    let times_factor = |step: &TrainingStep| {
        let mut gradients = gradients(step, factor);
        gradients.loss = gradients.loss * factor;
        gradients
    };
    let expected = plain
        .apply(1, gradients(&plain, 1.0), 3)
        .expect("finite gradients");
    let measured = scaled
        .apply(1, times_factor(&scaled), 3)
        .expect("finite gradients");
    assert_eq!(measured, expected);
    assert!(weights(&scaled.state.model) == weights(&plain.state.model));
    assert!(weights(&plain.state.model) != before);

    // Infinite gradients lower the scale, as an overflow in float16 would.
    assert!(scaled.apply(1, gradients(&scaled, f64::INFINITY), 3).is_none());
    assert_eq!(scaled.loss_factor(), factor / 2.0);
}

#[test]
fn no_network_is_trained_in_integers() {
    let settings = TrainingSettings {
        dtype: Precision::Int8,
        ..toml::from_str(SETTINGS).unwrap()
    };
    let workers = Workers::start(1, 1).unwrap();
    let objective = Translation {
        config: Preset::Tiny.config(300),
        bos_id: BEGIN,
    };
    let result = TrainingStep::new(&settings, objective, 1, &[Device::default()], workers);
    let error = result.err().expect("it is refused");
    assert_eq!(error.to_string(), "not all of the devices compute in int8");
}

/// A remote device tells how often it is waited for.
#[cfg(all(feature = "remote", feature = "flex"))]
#[test]
fn a_step_reads_once() {
    use burn::server::telemetry::{TelemetryEvent, TelemetryProbe};
    use burn::server::{RemoteServer, WebSocketTransport};

    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let name = format!("remote:ws://{}", listener.local_addr().unwrap());
    let (probe, mut events) = TelemetryProbe::channel(1 << 20);
    let server = RemoteServer::new([Device::flex()]).with_telemetry(probe);
    std::thread::spawn(move || server.serve(WebSocketTransport::from_listener(listener)));

    let mut step = step_on(&attend_device::select(&name).unwrap().device);
    let batch = [vec![example()]];
    // Weights are drawn when they are first used.
    step.take(1, &batch).expect("finite gradients");
    events.drain_into(&mut Vec::new());
    step.take(2, &batch).expect("finite gradients");
    let mut sink = Vec::new();
    events.drain_into(&mut sink);
    let count = |kind: fn(&TelemetryEvent) -> bool| sink.iter().filter(|event| kind(event)).count();
    // With Burn's fusion, which the features of GPUs turn on, a graph is many operations.
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

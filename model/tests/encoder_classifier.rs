//! An encoder that labels texts or tokens: padding, pooling and the loss.

use attend_model::{
    EncoderClassifier, EncoderClassifierConfig, Pooling, PoolingKind, Precision, TransformerConfig,
};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Int, Tensor};

use crate::common::{SOURCES, Spread, TARGETS, assert_close, batch, model, variants};

const LABELS: usize = 5;
const KINDS: [Option<PoolingKind>; 4] = [
    None,
    Some(PoolingKind::First),
    Some(PoolingKind::Mean),
    Some(PoolingKind::Attention),
];

fn network(encoder: TransformerConfig, pooling: Option<PoolingKind>, device: &Device) -> EncoderClassifier {
    let config = EncoderClassifierConfig {
        encoder,
        pooling,
        labels: LABELS,
    };
    EncoderClassifier::new(&config, device)
        .unwrap()
        .map(&mut Spread(0.0))
}

/// The labels of [`SOURCES`], padded with numbers below 0: one for each text with pooling, and else one for each token
/// but the first and the last.
fn labels(pooling: Option<PoolingKind>, device: &Device) -> Tensor<2, Int> {
    match pooling {
        Some(_) => Tensor::from_ints([[1], [4], [0]], device),
        None => Tensor::from_ints([[-1, 2, 0, -1, -1, -1], [-1, 4, 1, 2, 3, -1], [-1; 6]], device),
    }
}

#[test]
fn padding_and_company_change_no_logit() {
    let device = Device::default();
    for config in variants() {
        for pooling in KINDS {
            let network = network(config.clone(), pooling, &device);
            let together = network.forward(batch(&SOURCES, &device));
            for (row, source) in SOURCES.into_iter().enumerate() {
                let alone = network.forward(batch(&[source], &device));
                let outputs = pooling.map_or(source.len(), |_| 1);
                assert_close(together.clone().slice([row..row + 1, 0..outputs]), alone);
            }
        }
    }
}

#[test]
fn packed_weights_give_the_same_logits_and_pooling_weights() {
    let device = Device::default();
    for pooling in KINDS {
        let network = network(variants().swap_remove(0), pooling, &device);
        let (logits, weights) = network.forward_with_weights(batch(&SOURCES, &device));
        let packed = network.pack(Precision::Float32);
        let (of_packed, weights_of_packed) = packed.forward_with_weights(batch(&SOURCES, &device));
        assert_close(of_packed, logits);
        assert_eq!(weights.is_some(), pooling == Some(PoolingKind::Attention));
        if let (Some(weights), Some(of_packed)) = (weights, weights_of_packed) {
            assert_close(of_packed, weights);
        }
    }
}

/// [`Spread`] gives both networks the same embedding and the same encoder, which are their first weights.
#[test]
fn attention_weights_are_those_of_a_translator_with_the_same_encoder() {
    let device = Device::default();
    let config = variants().swap_remove(0);
    let translator = model(&config, &device);
    let expected = translator.attention_weights(batch(&SOURCES, &device), batch(&TARGETS, &device));
    let network = network(config, None, &device);
    let of_packed = network
        .clone()
        .pack(Precision::Float32)
        .attention_weights(batch(&SOURCES, &device));
    let weights = network.attention_weights(batch(&SOURCES, &device));
    assert_eq!(weights.len(), 3);
    for ((weights, of_packed), expected) in weights.into_iter().zip(of_packed).zip(expected.encoder) {
        assert_close(weights, expected.clone());
        assert_close(of_packed, expected);
    }
}

/// Two sequences of the vectors (2, 0), (0, 4) and, as padding in the second, (9, 9).
#[test]
fn each_pooling_is_the_weighted_mean_that_it_is_named_after() {
    let device = Device::default();
    let vectors = [[2.0, 0.0], [0.0, 4.0], [9.0, 9.0]];
    let x = Tensor::<3>::from_floats([vectors, vectors], &device);
    let hidden = Tensor::<2, Int>::from_ints([[0, 0, 0], [0, 0, 1]], &device).equal_elem(1);
    let pooled = |kind| {
        // The query is (1, 1) in place of the initial zeros: the scores are 2/√2, 4/√2 and 18/√2.
        let pooling = Pooling::new(kind, 2, &device).map(&mut Ones);
        pooling.forward(x.clone(), hidden.clone())
    };
    let (first, _) = pooled(PoolingKind::First);
    assert_close(first, Tensor::from_floats([[[2.0, 0.0]], [[2.0, 0.0]]], &device));
    let (mean, _) = pooled(PoolingKind::Mean);
    let third = 1.0 / 3.0;
    assert_close(
        mean,
        Tensor::from_floats([[[11.0 * third, 13.0 * third]], [[1.0, 2.0]]], &device),
    );
    let (by_attention, weights) = pooled(PoolingKind::Attention);
    let [small, large] = [2.0f32, 4.0].map(|score| (score / 2f32.sqrt()).exp());
    let (small, large) = (small / (small + large), large / (small + large));
    let second = by_attention.slice([1..2, 0..1]);
    assert_close(
        second,
        Tensor::from_floats([[[2.0 * small, 4.0 * large]]], &device),
    );
    let weights = weights.expect("attention has weights");
    assert_close(
        weights.clone().slice([1..2, 0..3]),
        Tensor::from_floats([[small, large, 0.0]], &device),
    );
    assert_close(weights.sum_dim(1), Tensor::ones([2, 1], &device));
}

/// Sets each weight to 1.
struct Ones;

impl ModuleMapper for Ones {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| tensor.ones_like())
    }
}

#[test]
fn the_loss_is_the_smoothed_cross_entropy_of_the_labels_alone() {
    let device = Device::default();
    for pooling in KINDS {
        let network = network(variants().swap_remove(0), pooling, &device);
        let logits = network.forward(batch(&SOURCES, &device));
        let [_, columns, _] = logits.dims();
        let logits: Vec<f64> = logits.into_data().iter::<f64>().collect();
        let labels = labels(pooling, &device);
        let expected: f64 = labels
            .clone()
            .into_data()
            .iter::<i64>()
            .zip(logits.chunks(LABELS))
            .filter(|(label, _)| *label >= 0)
            .map(|(label, logits)| {
                let log_sum = logits.iter().map(|logit| logit.exp()).sum::<f64>().ln();
                let of_label = log_sum - logits[label as usize];
                let mean = logits.iter().map(|logit| log_sum - logit).sum::<f64>() / LABELS as f64;
                0.9 * of_label + 0.1 * mean
            })
            .sum();
        assert_eq!(labels.dims()[1], columns);
        let loss: f64 = network.loss(batch(&SOURCES, &device), labels, 0.1).into_scalar();
        assert!(
            (loss - expected).abs() < 1e-4,
            "{pooling:?}: {loss}, not {expected}"
        );
    }
}

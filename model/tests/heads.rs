//! Networks without one of their heads.

use std::ops::Range;

use attend_model::{
    AttentionKind, EncoderClassifier, EncoderClassifierConfig, Head, Transformer, TransformerConfig,
};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Tensor};

use crate::common::{SOURCES, Spread, TARGETS, assert_close, batch, model, variants};

/// Sets columns of a value projection's weight and bias to 0, so that one head's values are 0, and its output too.
struct WithoutValues {
    attention: String,
    columns: Range<usize>,
    path: Vec<String>,
}

impl ModuleMapper for WithoutValues {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let prefix = format!("{}.value.", self.attention);
        if !self.path.join(".").starts_with(&prefix) {
            return param;
        }
        param.map(|tensor| {
            let mut ranges = tensor.dims().map(|length| 0..length);
            ranges[D - 1] = self.columns.clone();
            tensor.slice_fill(ranges, 0.0)
        })
    }
}

fn logits(network: &Transformer) -> Tensor<3> {
    let device = Device::default();
    network.forward(batch(&SOURCES, &device), batch(&TARGETS, &device))
}

fn difference(a: Tensor<3>, b: Tensor<3>) -> f64 {
    (a - b).abs().max().into_scalar()
}

#[test]
fn a_network_without_a_head_is_one_whose_head_has_no_values() {
    let device = Device::default();
    for config in variants() {
        let TransformerConfig { n_heads, d_model, .. } = config;
        let width = d_model / n_heads;
        let network = model(&config, &device);
        let whole = logits(&network);
        for (kind, layer, attention) in [
            (AttentionKind::Encoder, 2, "encoder.layers.2.self_attention"),
            (AttentionKind::Decoder, 0, "decoder.layers.0.self_attention"),
            (AttentionKind::Cross, 1, "decoder.layers.1.cross_attention"),
        ] {
            for head in [0, n_heads - 1] {
                let masked = network.clone().without_head(Head { kind, layer, head }, n_heads);
                let masked = logits(&masked);
                let by_hand = network.clone().map(&mut WithoutValues {
                    attention: attention.to_owned(),
                    columns: head * width..(head + 1) * width,
                    path: Vec::new(),
                });
                assert_close(masked.clone(), logits(&by_hand));
                assert!(difference(masked, whole.clone()) > 1e-3);
            }
        }
    }
}

#[test]
fn a_tagger_without_a_head_is_one_whose_head_has_no_values() {
    let device = Device::default();
    let encoder = variants().swap_remove(0);
    let TransformerConfig { n_heads, d_model, .. } = encoder;
    let width = d_model / n_heads;
    let config = EncoderClassifierConfig {
        encoder,
        pooling: None,
        labels: 4,
    };
    let network = EncoderClassifier::new(&config, &device)
        .unwrap()
        .map(&mut Spread(0.0));
    let logits = |network: &EncoderClassifier| network.forward(batch(&SOURCES, &device));
    for head in [0, n_heads - 1] {
        let kind = AttentionKind::Encoder;
        let masked = network
            .clone()
            .without_head(Head { kind, layer: 1, head }, n_heads);
        let by_hand = network.clone().map(&mut WithoutValues {
            attention: "encoder.layers.1.self_attention".to_owned(),
            columns: head * width..(head + 1) * width,
            path: Vec::new(),
        });
        assert_close(logits(&masked), logits(&by_hand));
        assert!(difference(logits(&masked), logits(&network)) > 1e-3);
    }
}

#[test]
fn a_head_that_does_not_exist_changes_nothing() {
    let config = &variants()[0];
    let network = model(config, &Device::default());
    let whole = logits(&network);
    for (layer, head) in [(3, 0), (0, config.n_heads)] {
        let kind = AttentionKind::Encoder;
        let same = network
            .clone()
            .without_head(Head { kind, layer, head }, config.n_heads);
        assert_eq!(difference(logits(&same), whole.clone()), 0.0);
    }
}

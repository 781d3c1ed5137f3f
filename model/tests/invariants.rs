//! What must hold for any weights: padding and company change no result, nobody looks ahead, and a file of weights
//! brings back the same network.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};

use attend_model::{
    Convolution, Decoder, Encoder, LayerKind, Memory, MultiHeadAttention, NormPlacement, PositionKind,
    Preset, Recurrent, ReturnedAttention, SequenceLayer, TiedEmbeddings, Transformer, TransformerConfig,
    Window, padding_mask, sinusoids,
};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Tensor, TensorData};
use burn_store::{BurnToPyTorchAdapter, ModuleSnapshot, PyTorchToBurnAdapter, SafetensorsStore};
use safetensors::SafeTensors;

use crate::common::{
    PAD, SOURCES, TARGETS, all_networks, assert_close, batch, bound, model, of_other_toolkits, relatives,
    variants,
};

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().try_into_vec().unwrap()
}

/// The largest weight of each projection, by its name.
struct LargestWeights(BTreeMap<String, f32>, Vec<String>);

impl ModuleVisitor for LargestWeights {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.1.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.1.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let largest: f32 = param.val().abs().max().into_scalar();
        self.0.insert(self.1.join("."), largest);
    }
}

/// Xavier's bounds: of one layer of three times the outputs for queries, keys and values, of each layer for the others.
#[test]
fn projections_start_within_their_bounds() {
    let config = TransformerConfig {
        d_model: 64,
        ..Preset::Tiny.config(11)
    };
    let heads = MultiHeadAttention::new(&config, Window::ALL, &Device::default());
    let mut weights = LargestWeights(BTreeMap::new(), Vec::new());
    heads.visit(&mut weights);
    for (name, outputs) in [
        ("query", 3 * 64),
        ("key", 3 * 64),
        ("value", 3 * 64),
        ("output", 64),
    ] {
        let bound = (6.0 / (64 + outputs) as f32).sqrt();
        let largest = weights.0[&format!("{name}.weight")];
        assert!(
            largest <= bound && largest > 0.98 * bound,
            "{name}: {largest}, not {bound}"
        );
        assert_eq!(weights.0[&format!("{name}.bias")], 0.0);
    }
}

#[test]
fn padding_and_company_change_no_logit() {
    let device = Device::default();
    for config in all_networks() {
        let model = model(&config, &device);
        let together = model.forward(batch(&SOURCES, &device), batch(&TARGETS, &device));
        for (row, (source, target)) in SOURCES.into_iter().zip(TARGETS).enumerate() {
            let alone = model.forward(batch(&[source], &device), batch(&[target], &device));
            assert_close(together.clone().slice([row..row + 1, 0..target.len()]), alone);
        }
    }
}

#[test]
fn a_target_token_changes_its_own_and_later_logits_only() {
    let device = Device::default();
    for config in variants().into_iter().chain(of_other_toolkits()) {
        let model = model(&config, &device);
        let source = batch(&SOURCES[..1], &device);
        let logits = |target: &[i32]| model.forward(source.clone(), batch(&[target], &device));
        let before = logits(TARGETS[0]);
        for position in 0..5 {
            let mut target = TARGETS[0].to_vec();
            target[position] = 9;
            let change = (logits(&target) - before.clone()).abs().max_dim(2);
            let change = values(change);
            assert!(change[..position].iter().all(|&change| change == 0.0));
            assert!(change[position..].iter().all(|&change| change > 1e-3));
        }
    }
}

#[test]
fn a_source_token_changes_every_logit() {
    let device = Device::default();
    for config in all_networks() {
        let model = model(&config, &device);
        let target = batch(&TARGETS[..1], &device);
        let logits = |source: &[i32]| model.forward(batch(&[source], &device), target.clone());
        let before = logits(SOURCES[0]);
        for position in 0..4 {
            let mut source = SOURCES[0].to_vec();
            source[position] = 9;
            let change = (logits(&source) - before.clone()).abs().max_dim(2);
            assert!(values(change).iter().all(|&change| change > 1e-4));
        }
    }
}

/// Asserts that in `[batch, n_heads, queries, keys]`, exactly the keys that `hidden(row, query, key)` names have
/// no weight, and that each query's weights sum to 1.
fn check_weights(weights: &Tensor<4>, shape: [usize; 4], hidden: impl Fn(usize, usize, usize) -> bool) {
    assert_eq!(weights.dims(), shape);
    let [_, n_heads, queries, keys] = shape;
    for (index, weights) in values(weights.clone()).chunks(keys).enumerate() {
        let (row, query) = (index / queries / n_heads, index % queries);
        assert!((weights.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        for (key, &weight) in weights.iter().enumerate() {
            assert_eq!(
                weight == 0.0,
                hidden(row, query, key),
                "{row} {query} {key}: {weight}"
            );
        }
    }
}

#[test]
fn attention_weights_are_probabilities_of_visible_keys() {
    let device = Device::default();
    for config in variants() {
        let model = model(&config, &device);
        let weights = model.attention_weights(batch(&SOURCES, &device), batch(&TARGETS, &device));
        assert_eq!(weights.encoder.len(), 3);
        assert_eq!((weights.decoder.len(), weights.cross.len()), (2, 2));
        let source_padding = |row: usize, _: usize, key: usize| key >= SOURCES[row].len();
        for layer in &weights.encoder {
            check_weights(layer, [3, 4, 6, 6], source_padding);
        }
        for layer in &weights.decoder {
            check_weights(layer, [3, 4, 5, 5], |_, query, key| key > query);
        }
        for layer in &weights.cross {
            check_weights(layer, [3, 4, 5, 6], source_padding);
        }
    }
}

#[test]
fn a_decoder_without_self_attention_has_no_weights_of_it() {
    let device = Device::default();
    let model = model(&of_other_toolkits()[0], &device);
    let weights = model.attention_weights(batch(&SOURCES, &device), batch(&TARGETS, &device));
    assert_eq!((weights.encoder.len(), weights.cross.len()), (3, 2));
    assert!(weights.decoder.is_empty());
}

/// Attention that returns its weights is another chain of operations than the kernel, so the outputs may differ by
/// rounding.
#[test]
fn returning_weights_changes_no_output() {
    let device = Device::default();
    let x = sinusoids(6, 16);
    let x = Tensor::<3>::from_data(TensorData::new(x, [1, 6, 16]), &device);
    let hidden = padding_mask(batch(&[SOURCES[1]], &device), PAD);
    // The first two relatives are attention.
    for config in variants().into_iter().chain(relatives().into_iter().take(2)) {
        let encoder = Encoder::new(&config, &device);
        let encode = |returned| encoder.forward(x.clone(), hidden.clone(), returned);
        let (states, weights) = encode(ReturnedAttention::None);
        assert!(weights.is_empty());
        let (same, weights) = encode(ReturnedAttention::All);
        assert_close(same, states.clone());
        assert_eq!(weights.len(), 3);

        let decoder = Decoder::new(&config, &device);
        let memory = Memory {
            states,
            hidden: hidden.clone(),
        };
        let (expected, _) = decoder.forward(x.clone(), &memory, ReturnedAttention::None);
        // Of two layers, the first is the second-to-last.
        for (returned, of_layers) in [
            (ReturnedAttention::None, [(false, false), (false, false)]),
            (ReturnedAttention::Alignment, [(false, true), (false, false)]),
            (ReturnedAttention::All, [(true, true), (true, true)]),
        ] {
            let (output, weights) = decoder.forward(x.clone(), &memory, returned);
            assert_close(output, expected.clone());
            let found: Vec<(bool, bool)> = weights
                .iter()
                .map(|layer| (layer.self_attention.is_some(), layer.cross_attention.is_some()))
                .collect();
            assert_eq!(found, of_layers);
        }
    }
}

/// A token reaches as many positions further in each layer as the window is wide.
#[test]
fn a_restricted_layer_sees_its_window_alone() {
    let device = Device::default();
    let config = &relatives()[0];
    let model = model(config, &device);
    let (source, target) = (batch(&[SOURCES[1]], &device), batch(&[TARGETS[0]], &device));
    let weights = model.attention_weights(source, target.clone());
    for layer in &weights.encoder {
        check_weights(layer, [1, 4, 6, 6], |_, query, key| query.abs_diff(key) > 1);
    }
    for layer in &weights.decoder {
        check_weights(layer, [1, 4, 5, 5], |_, query, key| {
            key > query || query - key > 1
        });
    }

    let sources: [&[i32]; 2] = [&[5, 6, 7, 8, 9, 0, 3, 2], &[1, 6, 7, 8, 9, 0, 3, 2]];
    let [one, other] = sources.map(|source| model.encode(batch(&[source], &device)).states);
    let changes = values((one - other).abs().max_dim(2));
    // Three layers.
    assert!(changes[..4].iter().all(|&change| change > 1e-4), "{changes:?}");
    assert_eq!(changes[4..], [0.0; 4]);

    let memory = model.encode(batch(&SOURCES[..1], &device));
    let targets: [&[i32]; 2] = [TARGETS[0], &[9, 4, 8, 3, 7]];
    let [one, other] = targets.map(|target| model.decode(batch(&[target], &device), &memory));
    let changes = values((one - other).abs().max_dim(2));
    // Two layers.
    assert!(changes[..3].iter().all(|&change| change > 1e-4), "{changes:?}");
    assert_eq!(changes[3..], [0.0; 2]);
}

/// Positions that no sentence fills are no part of the network, so that a run may change their number.
#[test]
fn more_sinusoidal_positions_change_no_logit() {
    let device = Device::default();
    for config in all_networks() {
        if config.positions == PositionKind::Learned {
            continue;
        }
        let [few, many] = [6, 100].map(|max_length| {
            let config = TransformerConfig {
                max_length,
                encoder_layers: 5,
                ..config.clone()
            };
            values(model(&config, &device).forward(batch(&SOURCES, &device), batch(&TARGETS, &device)))
        });
        assert_eq!(few, many, "{:?}", config.encoder_layer);
    }
}

#[test]
fn what_is_no_number_at_padding_reaches_no_position() {
    let device = Device::default().autodiff();
    let config = variants().swap_remove(0);
    let layers: [Box<dyn SequenceLayer>; 2] = [
        Box::new(Recurrent::new(&config, &device)),
        Box::new(Convolution::new(&config, 1, &device)),
    ];
    for layer in layers {
        let x = Tensor::<3>::from_data(TensorData::new(sinusoids(6, 16), [1, 6, 16]), &device);
        let hidden = padding_mask(batch(&[&[5, 6, 7, 2, PAD as i32, PAD as i32]], &device), PAD);
        let [expected, found] = [1.0, f32::NAN].map(|padding| {
            let padding = Tensor::full([1, 2, 16], padding, &device);
            let x = x
                .clone()
                .slice_assign([0..1, 4..6, 0..16], padding)
                .require_grad();
            let (output, _) = layer.forward(x.clone(), hidden.clone(), false);
            let output = output.slice_dim(1, 0..4);
            let gradients = output.clone().square().sum().backward();
            [values(output), values(x.grad(&gradients).unwrap())]
        });
        assert_eq!(found, expected);
    }
}

#[test]
fn a_batch_loses_what_its_sentences_lose() {
    let device = Device::default();
    let model = model(&variants()[0], &device);
    let outputs: [&[i32]; 3] = [&[4, 8, 3, 7, 2], &[9, 2], &[6, 5, 2]];
    for smoothing in [0.0, 0.1] {
        let loss = |rows: std::ops::Range<usize>| -> f64 {
            let [source, target] = [&SOURCES, &TARGETS].map(|ids| batch(&ids[rows.clone()], &device));
            let output = batch(&outputs[rows], &device);
            model.loss(source, target, output, smoothing).into_scalar()
        };
        let together = loss(0..3);
        let apart: f64 = (0..3).map(|row| loss(row..row + 1)).sum();
        assert!(
            (together - apart).abs() < bound(1e-5, 1e-4) * together,
            "{together} is not {apart}"
        );
    }
}

#[test]
fn sinusoids_of_two_positions_agree_by_their_distance_alone() {
    let (length, d_model) = (200, 64);
    let table = sinusoids(length, d_model);
    let row = |position: usize| &table[position * d_model..][..d_model];
    for distance in [0, 1, 5, 50] {
        // sin a sin b + cos a cos b = cos(a - b), summed over the wavelengths.
        let expected: f64 = (0..d_model / 2)
            .map(|i| (distance as f64 / 10_000f64.powf(2.0 * i as f64 / d_model as f64)).cos())
            .sum();
        for position in 0..length - distance {
            let pairs = row(position).iter().zip(row(position + distance));
            let product: f64 = pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
            assert!((product - expected).abs() < 1e-5);
        }
    }
}

/// Sets matrices to 0, so that each sub-layer returns 0.
struct NoMatrices;

impl ModuleMapper for NoMatrices {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if D == 1 {
            param
        } else {
            param.map(|tensor| tensor.zeros_like())
        }
    }
}

/// A row of ±1 has the variance 1. Each norm of a post-norm layer divides it by the root of its variance plus 3/16; in
/// pre-norm, only the norm after the last layer does.
#[test]
fn norms_add_their_epsilon_to_variances() {
    let device = Device::default();
    let x = Tensor::<3>::from_floats([[[1.0, -1.0, 1.0, -1.0]]], &device);
    for (norm, norms) in [(NormPlacement::Pre, 1), (NormPlacement::Post, 2)] {
        let config = TransformerConfig {
            d_model: 4,
            n_heads: 1,
            encoder_layers: 1,
            decoder_layers: 1,
            norm,
            norm_epsilon: 0.1875,
            ..Preset::Tiny.config(11)
        };
        let normalized = |norms: i32| {
            let size = (0..norms).fold(1.0f64, |size, _| size / (size * size + 0.1875).sqrt());
            x.clone() * size
        };
        let hidden = Tensor::zeros([1, 1, 1, 1], &device);
        let encoder = Encoder::new(&config, &device).map(&mut NoMatrices);
        let (states, _) = encoder.forward(x.clone(), hidden.clone(), ReturnedAttention::None);
        assert_close(states.clone(), normalized(norms));
        let decoder = Decoder::new(&config, &device).map(&mut NoMatrices);
        let (output, _) = decoder.forward(x.clone(), &Memory { states, hidden }, ReturnedAttention::None);
        assert_close(output, normalized(if norm == NormPlacement::Pre { 1 } else { 3 }));
    }
}

#[test]
fn dropout_acts_in_training_only() {
    let device = Device::default().autodiff();
    for config in all_networks() {
        let training = model(&config, &device);
        let logits = |model: &Transformer| {
            let device = &model.devices()[0];
            values(model.forward(batch(&SOURCES, device), batch(&TARGETS, device)))
        };
        assert_ne!(logits(&training), logits(&training));
        let valid = training.valid();
        assert_eq!(logits(&valid), logits(&valid));
        let none = TransformerConfig {
            dropout: 0.0,
            ..config
        };
        assert_eq!(logits(&valid), logits(&model(&none, &Device::default())));
    }
}

#[test]
fn sequences_fill_all_positions_and_no_more() {
    let device = Device::default();
    for config in all_networks() {
        let model = model(&config, &device);
        let longest = batch(&[&[5; 8]], &device);
        assert_eq!(
            model.forward(longest.clone(), longest).dims(),
            [1, 8, config.target_vocabulary()]
        );
        let too_long = catch_unwind(AssertUnwindSafe(|| model.encode(batch(&[&[5; 9]], &device))));
        let message = too_long.unwrap_err().downcast::<String>().unwrap();
        assert_eq!(
            *message,
            "a sequence of 9 tokens is longer than the model's 8 positions"
        );
    }
}

/// The names of all weights in a file, which are part of its format.
fn expected_names(config: &TransformerConfig) -> BTreeSet<String> {
    let mut modules = Vec::new();
    // `parts` are the layers without the feed-forward network, which have a norm each of the names in `norms`.
    let mut layers = |stack: &str, layers, parts: &[String], norms: &[&str]| {
        for layer in (0..layers).map(|layer| format!("{stack}.layers.{layer}")) {
            modules.extend(parts.iter().map(|part| format!("{layer}.{part}")));
            modules.extend(norms.iter().map(|norm| format!("{layer}.{norm}_norm.norm")));
            let feed_forward = ["inner", "outer"].map(|part| format!("{layer}.feed_forward.{part}"));
            modules.extend(feed_forward);
        }
    };
    let attention = |name: &str| ["query", "key", "value", "output"].map(|part| format!("{name}.{part}"));
    let direction = |name: &str| ["input", "state"].map(|part| format!("recurrent.{name}.{part}"));
    let of_encoder = match config.encoder_layer {
        LayerKind::SelfAttention | LayerKind::Restricted => attention("self_attention").to_vec(),
        LayerKind::Ssru => unreachable!("an encoder has none"),
        LayerKind::Recurrent => [direction("forwards"), direction("backwards")].concat(),
        LayerKind::Convolution => vec!["convolution.projection".to_owned()],
    };
    let norms = ["self_attention", "feed_forward"];
    layers("encoder", config.encoder_layers, &of_encoder, &norms);
    let at_target = match config.decoder_layer {
        LayerKind::Ssru => ["ssru.forget", "ssru.candidate"].map(str::to_owned).to_vec(),
        _ => attention("self_attention").to_vec(),
    };
    let of_decoder = [at_target, attention("cross_attention").to_vec()].concat();
    let norms = ["self_attention", "cross_attention", "feed_forward"];
    layers("decoder", config.decoder_layers, &of_decoder, &norms);
    if config.norm == NormPlacement::Pre {
        modules.extend(["encoder.norm", "decoder.norm"].map(str::to_owned));
    }
    let mut names: BTreeSet<String> = modules
        .iter()
        .flat_map(|module| ["weight", "bias"].map(|part| format!("{module}.{part}")))
        .filter(|name| !name.ends_with("ssru.candidate.bias"))
        .collect();
    names.insert("embedding.weight".to_owned());
    let untied: &[&str] = match config.tie_embeddings {
        TiedEmbeddings::All => &[],
        TiedEmbeddings::Decoder => &["target"],
        TiedEmbeddings::None => &["target", "output"],
    };
    names.extend(untied.iter().map(|side| format!("untied.{side}.weight")));
    if config.output_bias {
        names.insert("output_bias".to_owned());
    }
    if config.positions == PositionKind::Learned {
        names.extend(["source", "target"].map(|side| format!("{side}_positions.learned.weight")));
    }
    names
}

#[test]
fn saved_weights_bring_back_the_same_network() {
    let device = Device::default();
    let folder = tempfile::tempdir().unwrap();
    for (index, config) in all_networks().into_iter().enumerate() {
        let path = folder.path().join(format!("{index}.safetensors"));
        let logits =
            |model: &Transformer| values(model.forward(batch(&SOURCES, &device), batch(&TARGETS, &device)));
        let saved = model(&config, &device);
        let mut store = SafetensorsStore::from_file(&path).with_to_adapter(BurnToPyTorchAdapter);
        saved.save_into(&mut store).unwrap();

        let bytes = std::fs::read(&path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let names: BTreeSet<String> = file.names().into_iter().map(str::to_owned).collect();
        assert_eq!(names, expected_names(&config));

        let mut loaded = Transformer::new(&config, &device).unwrap();
        assert_ne!(logits(&loaded), logits(&saved));
        let mut store = SafetensorsStore::from_file(&path).with_from_adapter(PyTorchToBurnAdapter);
        loaded.load_from(&mut store).unwrap();
        assert_eq!(logits(&loaded), logits(&saved));
    }
}

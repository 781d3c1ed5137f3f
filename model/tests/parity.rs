//! The network against PyTorch: same weights, same inputs, same outputs and gradients.
//!
//! "Relative" means `max |ours - PyTorch's| / max |PyTorch's|` over a tensor: the largest error, measured against
//! the tensor's largest value.

use std::collections::BTreeMap;

use attend_model::{
    ActivationKind, Convolution, DecoderLayer, EncoderLayer, InferenceTransformer, LayerKind, Memory,
    MultiHeadAttention, NormPlacement, PositionKind, Precision, Preset, Recurrent, ReturnedAttention,
    SequenceLayer, TiedEmbeddings, Transformer, TransformerConfig, Window, scaled_dot_product_attention,
};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Bool, Device, Gradients, Tensor};
use burn_store::ModuleSnapshot;

use crate::common::bound;
use crate::fixtures::Fixture;

/// Asserts that the relative difference of outputs is within its bound.
fn assert_near(name: &str, relative: f64) {
    println!("{name}: {relative:.1e}");
    assert!(relative <= bound(1e-5, 2e-3), "{name} differs by {relative:e}");
}

fn config() -> TransformerConfig {
    TransformerConfig {
        d_model: 12,
        d_ff: 20,
        n_heads: 3,
        encoder_layers: 2,
        decoder_layers: 2,
        dropout: 0.0,
        max_length: 9,
        ..Preset::Tiny.config(13)
    }
}

fn largest(values: impl Iterator<Item = f32>) -> f64 {
    values.fold(0.0, |largest, value| {
        assert!(value.is_finite());
        largest.max(f64::from(value.abs()))
    })
}

fn relative_difference(ours: &[f32], theirs: &[f32]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let difference = ours.iter().zip(theirs).map(|(a, b)| a - b);
    largest(difference) / largest(theirs.iter().copied())
}

/// Asserts that `ours` is the fixture's tensor `name`.
fn assert_output<const D: usize>(fixture: &Fixture, name: &str, ours: Tensor<D>) {
    let (theirs, shape) = fixture.values(name);
    assert_eq!(ours.dims().to_vec(), shape, "{name}");
    let relative = relative_difference(&ours.into_data().try_into_vec::<f32>().unwrap(), &theirs);
    assert_near(name, relative);
}

#[test]
fn scaled_dot_product_attention_with_masks() {
    let (device, fixture) = (Device::default(), Fixture::open("attention"));
    let attention = |hidden| {
        let input = |name| fixture.floats::<4>(name, &device);
        scaled_dot_product_attention(
            input("input/query"),
            input("input/key"),
            input("input/value"),
            Some(hidden),
        )
        .0
    };
    assert_output(
        &fixture,
        "expected/scaled_padding",
        attention(fixture.padding(&device)),
    );
    assert_output(
        &fixture,
        "expected/scaled_causal",
        attention(Window::CAUSAL.mask(5, 5, &device)),
    );
}

#[test]
fn multi_head_attention_and_its_weights() {
    let (device, fixture) = (Device::default(), Fixture::open("attention"));
    let queries = fixture.floats::<3>("input/queries", &device);
    let sequence = fixture.floats::<3>("input/sequence", &device);

    let none_hidden = Tensor::<4, Bool>::zeros([1, 1, 1, 5], &device);
    let inputs = [
        ("cross", queries, fixture.padding(&device), Window::ALL),
        ("self", sequence.clone(), none_hidden, Window::CAUSAL),
    ];
    for (name, queries, hidden, window) in inputs {
        let mut heads = MultiHeadAttention::new(&config(), window, &device);
        fixture.load(&mut heads);
        let key_value = heads.project(sequence.clone());
        let attend = |with_weights| {
            let (queries, key_value) = (queries.clone(), key_value.clone());
            heads.attend(queries, key_value, hidden.clone(), with_weights)
        };
        let (output, weights) = attend(false);
        assert_output(&fixture, &format!("expected/{name}"), output);
        assert!(weights.is_none());
        let (output, weights) = attend(true);
        assert_output(&fixture, &format!("expected/{name}"), output);
        assert_output(&fixture, &format!("expected/{name}_weights"), weights.unwrap());
    }
}

const PLACEMENTS: [(NormPlacement, &str); 2] = [(NormPlacement::Post, "post"), (NormPlacement::Pre, "pre")];

#[test]
fn encoder_layer() {
    let device = Device::default();
    for (norm, name) in PLACEMENTS {
        let fixture = Fixture::open(&format!("encoder_layer_{name}"));
        let mut layer = EncoderLayer::new(&TransformerConfig { norm, ..config() }, 0, &device);
        fixture.load(&mut layer);
        let x = fixture.floats("input/x", &device);
        let (output, _) = layer.forward(x, fixture.padding(&device), ReturnedAttention::None);
        assert_output(&fixture, "expected/output", output);
    }
}

#[test]
fn decoder_layer() {
    let device = Device::default();
    for (norm, name) in PLACEMENTS {
        let fixture = Fixture::open(&format!("decoder_layer_{name}"));
        let mut layer = DecoderLayer::new(&TransformerConfig { norm, ..config() }, &device);
        fixture.load(&mut layer);
        let memory = Memory {
            states: fixture.floats("input/memory", &device),
            hidden: fixture.padding(&device),
        };
        let x = fixture.floats("input/x", &device);
        let (output, _) = layer.forward(x, &memory, ReturnedAttention::None);
        assert_output(&fixture, "expected/output", output);
    }
}

#[test]
fn recurrent_layer() {
    let device = Device::default().autodiff();
    let mut layer = Recurrent::new(&config(), &device);
    check_sequence_layer("recurrent", &mut layer);
    // PyTorch's output is 0 at padding, and so is ours.
    let fixture = Fixture::open("recurrent");
    let x = fixture.floats::<3>("input/x", &device);
    let (output, _) = layer.forward(x, fixture.padding(&device), false);
    assert_output(&fixture, "expected/output", output);
}

/// In the second layer, with a dilation of 2.
#[test]
fn convolution() {
    let config = TransformerConfig {
        convolution_width: 5,
        ..config()
    };
    let mut layer = Convolution::new(&config, 1, &Device::default().autodiff());
    check_sequence_layer("convolution", &mut layer);
}

/// Output, and the gradients with respect to the input and the weights of a loss that is the output times fixed numbers.
fn check_sequence_layer<L: SequenceLayer + ModuleSnapshot>(name: &str, layer: &mut L) {
    let device = Device::default().autodiff();
    let fixture = Fixture::open(name);
    fixture.load(layer);
    let x = fixture.floats::<3>("input/x", &device).require_grad();
    let hidden = fixture.padding(&device);
    let (output, _) = layer.forward(x.clone(), hidden.clone(), false);
    // What a convolution returns at padding has no meaning.
    let [batch, seq, d_model] = output.dims();
    let padding = hidden.reshape([batch, seq, 1]).expand([batch, seq, d_model]);
    let output = output.mask_fill(padding, 0.0);
    assert_output(&fixture, "expected/output", output.clone());
    let gradients = (output * fixture.floats("input/factors", &device))
        .sum()
        .backward();
    assert_output(&fixture, "expected/gradient", x.grad(&gradients).unwrap());
    check_gradients(&fixture, &PyTorchGradients::of(layer, &gradients));
}

#[test]
fn tied_post_norm_model_with_sinusoids() {
    check_model("model_tied_post_sinusoidal", &config());
}

#[test]
fn untied_pre_norm_model_with_learned_positions() {
    let config = TransformerConfig {
        norm: NormPlacement::Pre,
        positions: PositionKind::Learned,
        tie_embeddings: TiedEmbeddings::None,
        ..config()
    };
    check_model("model_untied_pre_learned", &config);
}

/// The networks of `make_marian_fixtures.py`.
fn marian() -> TransformerConfig {
    TransformerConfig {
        positions: PositionKind::SinusoidalHalves,
        output_bias: true,
        pad_id: 10,
        decoder_start_id: Some(10),
        ..config()
    }
}

#[test]
fn marian_with_swish_and_all_embeddings_tied() {
    let config = TransformerConfig {
        activation: ActivationKind::Swish,
        ..marian()
    };
    check_marian("marian_all_tied", &config);
}

#[test]
fn marian_with_gelu_and_two_vocabularies() {
    let config = TransformerConfig {
        activation: ActivationKind::Gelu,
        tie_embeddings: TiedEmbeddings::Decoder,
        target_vocab_size: Some(11),
        ..marian()
    };
    check_marian("marian_decoder_tied", &config);
}

#[test]
fn marian_with_relu_and_no_embeddings_tied() {
    let config = TransformerConfig {
        tie_embeddings: TiedEmbeddings::None,
        ..marian()
    };
    check_marian("marian_untied", &config);
}

#[test]
fn firefox_with_recurrent_units_in_the_decoder() {
    let config = TransformerConfig {
        positions: PositionKind::Marian,
        decoder_layer: LayerKind::Ssru,
        norm_epsilon: 1e-6,
        ..marian()
    };
    check_marian("marian_firefox", &config);
}

/// What [`check_network`] checks; and the encoder's output, and logits step by step, with packed weights.
fn check_marian(name: &str, config: &TransformerConfig) {
    let fixture = check_network(name, config);
    let device = Device::default();
    let mut model = Transformer::new(config, &device).unwrap();
    fixture.load(&mut model);
    let input = |name| fixture.integers(name, &device);
    let source = input("input/source");
    let padding = source.clone().equal_elem(config.pad_id as i64).unsqueeze_dim(2);
    let network = InferenceTransformer::new(model, Precision::Float32);
    let memory = network.encode(source);
    let expected = fixture.floats("expected/states", &device);
    assert_near_but("expected/states", memory.states.clone(), expected, padding);

    let target_input = input("input/target_input");
    let padding = input("input/target_output").equal_elem(config.pad_id as i64);
    let mut state = network.start(memory);
    let positions = target_input.split(1, 1).into_iter();
    let logits = positions.map(|tokens| network.step(tokens.squeeze_dim(1), &mut state).logits);
    let logits = Tensor::stack::<3>(logits.collect(), 1);
    let expected = fixture.floats("expected/logits", &device);
    assert_near_but("logits of steps", logits, expected, padding.unsqueeze_dim(2));
}

/// Asserts that `ours` is near `theirs`, but where `hidden` is true.
fn assert_near_but(name: &str, ours: Tensor<3>, theirs: Tensor<3>, hidden: Tensor<3, Bool>) {
    assert_eq!(ours.dims(), theirs.dims(), "{name}");
    let [ours, theirs] = [ours, theirs].map(|tensor| {
        let shown = tensor.mask_fill(hidden.clone(), 0.0);
        shown.into_data().try_into_vec::<f32>().unwrap()
    });
    assert_near(name, relative_difference(&ours, &theirs));
}

/// Logits, loss, gradients and attention weights.
fn check_model(name: &str, config: &TransformerConfig) {
    let fixture = check_network(name, config);
    check_attention_weights(&fixture, config);
}

/// Logits, label-smoothed loss, and its gradient with respect to every parameter.
fn check_network(name: &str, config: &TransformerConfig) -> Fixture {
    let device = Device::default().autodiff();
    let fixture = Fixture::open(name);
    let mut model = Transformer::new(config, &device).unwrap();
    fixture.load(&mut model);

    let input = |name| fixture.integers(name, &device);
    let (target_input, target_output) = (input("input/target_input"), input("input/target_output"));
    let logits = model.forward(input("input/source"), target_input.clone());
    let loss = model.loss(input("input/source"), target_input, target_output.clone(), 0.1);
    let gradients = loss.backward();

    // PyTorch hides padding from the decoder's own attention; this network relies on the causal mask. The two can
    // differ in the rows of padding alone, which nobody reads.
    let padding = target_output.equal_elem(config.pad_id as i64).unsqueeze_dim(2);
    let expected = fixture.floats("expected/logits", &device);
    assert_near_but("expected/logits", logits, expected, padding);
    assert_output(&fixture, "expected/loss", loss);

    check_gradients(&fixture, &PyTorchGradients::of(&model, &gradients));
    fixture
}

/// Compares the attention weights of the networks for training and for inference with what PyTorch's attentions return
/// for `need_weights=True`.
fn check_attention_weights(fixture: &Fixture, config: &TransformerConfig) {
    let device = Device::default();
    let mut model = Transformer::new(config, &device).unwrap();
    fixture.load(&mut model);
    let source = fixture.integers("input/source", &device);
    let target_input = fixture.integers("input/target_input", &device);
    // As for logits, the decoder's rows of padding are left out.
    let padding: Tensor<4, Bool> = target_input
        .clone()
        .equal_elem(config.pad_id as i64)
        .unsqueeze_dims(&[1, 3]);
    let packed = InferenceTransformer::new(model.clone(), Precision::Float32);
    for weights in [
        model.attention_weights(source.clone(), target_input.clone()),
        packed.attention_weights(source, target_input),
    ] {
        let kinds = [
            ("encoder", weights.encoder, None),
            ("decoder", weights.decoder, Some(&padding)),
            ("cross", weights.cross, Some(&padding)),
        ];
        for (kind, layers, padding) in kinds {
            assert_eq!(layers.len(), 2);
            for (index, ours) in layers.into_iter().enumerate() {
                let name = format!("expected/{kind}_attention.{index}");
                let real = |weights: Tensor<4>| {
                    let weights = match padding {
                        Some(padding) => weights.mask_fill(padding.clone(), 0.0),
                        None => weights,
                    };
                    weights.into_data().try_into_vec::<f32>().unwrap()
                };
                let theirs = real(fixture.floats(&name, &device));
                assert_near(&name, relative_difference(&real(ours), &theirs));
            }
        }
    }
}

fn check_gradients(fixture: &Fixture, ours: &BTreeMap<String, Vec<f32>>) {
    assert!(
        ours.keys().eq(&fixture.names("gradient")),
        "not the same parameters: {:?}",
        ours.keys()
    );
    let theirs: BTreeMap<_, _> = ours
        .keys()
        .map(|name| (name, fixture.values(&format!("gradient/{name}")).0))
        .collect();
    let scale = largest(theirs.values().flatten().copied());
    let mut worst = (0.0, "");
    for (name, ours) in ours {
        if name.ends_with("key.bias") {
            // It adds the same number to all scores of a query, which softmax ignores: its gradient is 0, and
            // what either side computes is rounding.
            for gradient in [ours, &theirs[name]] {
                assert!(
                    largest(gradient.iter().copied()) <= bound(1e-6, 1e-4) * scale,
                    "{name} is not 0"
                );
            }
            continue;
        }
        let relative = relative_difference(ours, &theirs[name]);
        assert!(
            relative <= bound(1e-4, 0.15),
            "the gradient of {name} differs by {relative:e}"
        );
        if relative > worst.0 {
            worst = (relative, name);
        }
    }
    println!("{} gradients: at most {:.1e} ({})", ours.len(), worst.0, worst.1);
}

/// Collects gradients by parameter, with the names and the memory layout of PyTorch.
struct PyTorchGradients<'a> {
    gradients: &'a Gradients,
    /// Field names from the model down, each with the type of the module that it belongs to.
    path: Vec<(String, String)>,
    found: BTreeMap<String, Vec<f32>>,
}

impl<'a> PyTorchGradients<'a> {
    fn of(model: &impl Module, gradients: &'a Gradients) -> BTreeMap<String, Vec<f32>> {
        let mut visitor = Self {
            gradients,
            path: Vec::new(),
            found: BTreeMap::new(),
        };
        model.visit(&mut visitor);
        visitor.found
    }
}

impl ModuleVisitor for PyTorchGradients<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.push((name.to_owned(), container_type.to_owned()));
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let mut names: Vec<&str> = self.path.iter().map(|(name, _)| name.as_str()).collect();
        let (parameter, module) = self.path.last().unwrap();
        *names.last_mut().unwrap() = match (module.as_str(), parameter.as_str()) {
            ("Struct:LayerNorm", "gamma") => "weight",
            ("Struct:LayerNorm", "beta") => "bias",
            (_, parameter) => parameter,
        };
        let name = names.join(".");
        let gradient = param.val().grad(self.gradients);
        let gradient = gradient.unwrap_or_else(|| panic!("{name} has no gradient"));
        let gradient = match (module.as_str(), parameter.as_str()) {
            ("Struct:Linear", "weight") => gradient.swap_dims(0, 1),
            _ => gradient,
        };
        self.found
            .insert(name, gradient.into_data().try_into_vec().unwrap());
    }
}

//! The model folder: what is written comes back, and what does not belong there is refused.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use attend_infer::ModelFolder;
use attend_model::{
    ActivationKind, LayerKind, NormPlacement, PositionKind, TiedEmbeddings, TransformerConfig,
};
use burn::tensor::{Int, Tensor};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde_json::{Value, json};

use crate::common::{
    NOTHING, SENTENCES, Workspace, assert_error, bundle_of, config, cpu, each, model_folder,
    model_folder_of_pieces, text, tokenizer, translator,
};

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
const TOKENIZER: &str = "tokenizer.json";
const GENERATION: &str = "generation.json";

fn logits(folder: &ModelFolder) -> Vec<f32> {
    let device = cpu();
    let source = Tensor::<2, Int>::from_ints([[20, 21, 2], [30, 2, 0]], &device);
    let target = Tensor::<2, Int>::from_ints([[1, 40, 41], [1, 50, 0]], &device);
    let logits = folder.model.forward(source, target);
    logits.try_into_vec_as().unwrap()
}

fn files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_byte_order_mark_in_a_file_of_the_model_is_skipped() {
    let workspace = Workspace::new();
    let expected = workspace.translated(&["yes"], b"");
    for name in [CONFIG, GENERATION, TOKENIZER] {
        let path = workspace.model().join(name);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("\u{FEFF}{text}")).unwrap();
        assert_eq!(workspace.translated(&["yes"], b""), expected, "{name}");
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        fs::write(&path, utf16).unwrap();
        assert_error(
            &workspace.translate(&["yes"], b""),
            &[name, "is text in UTF-16LE, not in UTF-8"],
        );
        fs::write(&path, text).unwrap();
    }
}

#[test]
fn the_program_translates_and_scores_with_tokenizers_of_sentencepiece() {
    let workspace = Workspace::new();
    for has_two in [false, true] {
        let folder = model_folder_of_pieces(has_two);
        folder.save(workspace.model()).unwrap();
        let translator = translator(folder);
        let options = translator.model().options();
        let expected = translator.translate_best(&SENTENCES, &options).unwrap();
        let found = workspace.translated(&NOTHING, text().as_bytes());
        assert_eq!(found.lines().collect::<Vec<_>>(), expected);

        let (source, target) = (
            workspace.write("source", text()),
            workspace.write("target", &found),
        );
        assert_eq!(
            workspace.scored(&source, &target, &NOTHING).lines().count(),
            SENTENCES.len()
        );
    }
}

#[test]
fn a_saved_model_comes_back_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    for tie_embeddings in [TiedEmbeddings::All, TiedEmbeddings::Decoder, TiedEmbeddings::None] {
        for positions in [PositionKind::Sinusoidal, PositionKind::Learned] {
            for norm in [NormPlacement::Post, NormPlacement::Pre] {
                let shape = TransformerConfig {
                    tie_embeddings,
                    positions,
                    norm,
                    ..config()
                };
                let saved = bundle_of(shape, 5);
                saved.save(folder.path()).unwrap();
                let loaded = ModelFolder::load(folder.path(), &cpu()).unwrap();
                assert_eq!(loaded.config, saved.config);
                assert_eq!(loaded.generation, saved.generation);
                assert_eq!(logits(&loaded), logits(&saved));
                let translate = |folder| {
                    let translator = translator(folder);
                    let options = translator.model().options();
                    each(translator.translate(&SENTENCES, &options))
                };
                assert_eq!(translate(loaded), translate(saved));
            }
        }
    }
}

#[test]
fn a_saved_model_of_each_kind_of_layer_comes_back_to_the_bit() {
    for encoder_layer in [
        LayerKind::Restricted,
        LayerKind::Recurrent,
        LayerKind::Convolution,
    ] {
        let shape = TransformerConfig {
            encoder_layer,
            decoder_layer: LayerKind::Restricted,
            attention_window: Some(3),
            ..config()
        };
        assert_comes_back_to_the_bit(shape);
    }
}

/// Saves a model of this shape, loads it, and compares its logits.
#[track_caller]
fn assert_comes_back_to_the_bit(shape: TransformerConfig) {
    let folder = tempfile::tempdir().unwrap();
    let saved = bundle_of(shape, 5);
    saved.save(folder.path()).unwrap();
    let loaded = ModelFolder::load(folder.path(), &cpu()).unwrap();
    assert_eq!(loaded.config, saved.config);
    assert_eq!(logits(&loaded), logits(&saved));
}

#[test]
fn a_saved_model_with_the_options_of_other_toolkits_comes_back_to_the_bit() {
    for (activation, positions, decoder_layer, tie_embeddings) in [
        (
            ActivationKind::Swish,
            PositionKind::SinusoidalHalves,
            LayerKind::SelfAttention,
            TiedEmbeddings::Decoder,
        ),
        (
            ActivationKind::Gelu,
            PositionKind::Marian,
            LayerKind::Ssru,
            TiedEmbeddings::All,
        ),
    ] {
        let shape = TransformerConfig {
            activation,
            positions,
            decoder_layer,
            tie_embeddings,
            norm_epsilon: 1e-6,
            output_bias: true,
            ..config()
        };
        assert_comes_back_to_the_bit(shape);
    }
}

/// A token is never predicted if its bias is negative infinity. No other number may be infinite.
#[test]
fn the_bias_of_a_token_may_be_negative_infinity() {
    let workspace = Workspace::new();
    let shape = TransformerConfig {
        output_bias: true,
        ..config()
    };
    bundle_of(shape, 5).save(workspace.model()).unwrap();
    let path = workspace.model().join(WEIGHTS);
    let saved = fs::read(&path).unwrap();
    let with_bias = |number: f32| {
        let file = SafeTensors::deserialize(&saved).unwrap();
        let bias = file.tensor("output_bias").unwrap().data();
        let start = bias.as_ptr() as usize - saved.as_ptr() as usize;
        let mut content = saved.clone();
        content[start + 4 * 9..][..4].copy_from_slice(&number.to_le_bytes());
        content
    };
    for number in [f32::INFINITY, f32::NAN] {
        assert_refused(
            &workspace,
            WEIGHTS,
            with_bias(number),
            &[WEIGHTS, "output_bias", "not finite"],
        );
    }
    fs::write(&path, with_bias(f32::NEG_INFINITY)).unwrap();
    let loaded = ModelFolder::load(workspace.model(), &cpu()).unwrap();
    let logits = logits(&loaded);
    let width = loaded.config.vocab_size;
    for row in logits.chunks(width) {
        assert_eq!(row[9], f32::NEG_INFINITY);
        assert!(row.iter().filter(|logit| logit.is_finite()).count() == width - 1);
    }
    let translator = translator(loaded);
    for translation in each(translator.translate(&SENTENCES, &translator.model().options())) {
        assert!(translation.iter().all(|best| !best.tokens.contains(&9)));
    }
}

/// Earlier versions refuse a key that they do not know.
#[test]
fn the_options_of_layers_are_not_written_if_they_have_their_defaults() {
    let workspace = Workspace::new();
    let config = fs::read_to_string(workspace.model().join(CONFIG)).unwrap();
    for key in [
        "layer\"",
        "window",
        "convolution",
        "activation",
        "epsilon",
        "bias",
        "target",
        "start",
    ] {
        assert!(!config.contains(key), "{config}");
    }
}

#[test]
fn a_folder_has_four_files_that_are_replaced_whole() {
    let folder = tempfile::tempdir().unwrap();
    let names = [CONFIG, GENERATION, WEIGHTS, TOKENIZER];
    model_folder().save(folder.path()).unwrap();
    assert_eq!(files(folder.path()), names);

    let smaller = TransformerConfig {
        decoder_layers: 1,
        ..config()
    };
    let second = bundle_of(smaller, 6);
    second.save(folder.path()).unwrap();
    assert_eq!(files(folder.path()), names);
    let loaded = ModelFolder::load(folder.path(), &cpu()).unwrap();
    assert_eq!(logits(&loaded), logits(&second));

    // The new weights cannot be written, since a folder has the name of the temporary file.
    let blocked = folder.path().join(WEIGHTS).with_extension("safetensors.part");
    fs::create_dir(&blocked).unwrap();
    let before = fs::read(folder.path().join(WEIGHTS)).unwrap();
    let error = model_folder().save(folder.path()).unwrap_err();
    assert!(error.to_string().contains(WEIGHTS), "{error}");
    assert_eq!(fs::read(folder.path().join(WEIGHTS)).unwrap(), before);
}

/// In PyTorch, a linear layer's weight is `[out, in]`, and a layer norm's scale is called `weight`.
#[test]
fn weights_are_laid_out_and_named_as_in_pytorch() {
    let workspace = Workspace::new();
    let bytes = fs::read(workspace.model().join(WEIGHTS)).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let shape = |name: &str| tensors.tensor(name).unwrap().shape().to_vec();
    assert_eq!(shape("embedding.weight"), [tokenizer().vocab_size(), 16]);
    assert_eq!(shape("encoder.layers.0.feed_forward.inner.weight"), [24, 16]);
    assert!(tensors.names().iter().any(|name| name.ends_with("norm.weight")));
    assert!(!tensors.names().iter().any(|name| name.ends_with(".gamma")));
}

/// Replaces one file of a model folder, and asserts that `attend translate` refuses it with an error that names
/// `parts`.
fn assert_refused(workspace: &Workspace, file: &str, content: impl AsRef<[u8]>, parts: &[&str]) {
    let path = workspace.model().join(file);
    let before = fs::read(&path).unwrap();
    fs::write(&path, content).unwrap();
    assert_error(&workspace.translate(&["yes"], b""), parts);
    fs::write(&path, before).unwrap();
}

#[test]
fn a_config_that_is_no_config_is_refused() {
    let workspace = Workspace::new();
    let path = workspace.model().join(CONFIG);
    let valid: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let with = |field: &str, value: Value| {
        let mut changed = valid.clone();
        changed[field] = value;
        changed.to_string()
    };
    let mut without_heads = valid.clone();
    without_heads.as_object_mut().unwrap().remove("n_heads");

    assert_refused(&workspace, CONFIG, "", &[CONFIG]);
    assert_refused(&workspace, CONFIG, "{\"d_model\": 16,", &[CONFIG, "line 1"]);
    assert_refused(&workspace, CONFIG, b"\xff\xfe{}", &[CONFIG, "UTF-8"]);
    for (text, field) in [
        (without_heads.to_string(), "n_heads"),
        (with("d_modle", json!(16)), "d_modle"),
        (with("n_heads", json!(3)), "n_heads"),
        (with("n_heads", json!(0)), "n_heads"),
        (with("dropout", json!(1.5)), "dropout"),
        (with("dropout", json!("none")), "none"),
        (with("norm", json!("between")), "between"),
        (with("max_length", json!(0)), "max_length"),
        (with("max_length", json!(1_000_000_000_000u64)), "max_length"),
        (with("d_model", json!(1u64 << 40)), "d_model"),
        (with("d_ff", json!(u32::MAX)), "d_ff"),
        (with("encoder_layers", json!(1_000_000_000)), "encoder_layers"),
        (with("decoder_layers", json!(1_000_000_000)), "decoder_layers"),
        (with("vocab_size", json!(u32::MAX)), "vocab_size"),
        (with("pad_id", json!(5)), "pad_id"),
        (with("pad_id", json!(5000)), "pad_id"),
    ] {
        assert_refused(&workspace, CONFIG, text, &[CONFIG, field]);
    }
}

#[test]
fn a_config_of_another_model_is_refused() {
    let workspace = Workspace::new();
    let path = workspace.model().join(CONFIG);
    let valid: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    for (field, value, files_and_part) in [
        ("d_ff", json!(25), [WEIGHTS, CONFIG, "not [25, 16]"]),
        (
            "d_model",
            json!(18),
            [WEIGHTS, CONFIG, "[300, 16], not [300, 18]"],
        ),
        ("vocab_size", json!(299), [TOKENIZER, CONFIG, "vocab_size"]),
        ("vocab_size", json!(1_000_000), [TOKENIZER, CONFIG, "vocab_size"]),
        ("encoder_layers", json!(2), [WEIGHTS, CONFIG, "encoder.layers.1"]),
        ("decoder_layers", json!(1), [WEIGHTS, CONFIG, "decoder.layers.1"]),
        ("norm", json!("pre"), [WEIGHTS, CONFIG, "norm"]),
        ("positions", json!("learned"), [WEIGHTS, CONFIG, "positions"]),
        ("tie_embeddings", json!(true), [WEIGHTS, CONFIG, "untied"]),
    ] {
        let mut changed = valid.clone();
        changed[field] = value;
        assert_refused(&workspace, CONFIG, changed.to_string(), &files_and_part);
    }
}

#[test]
fn a_tokenizer_that_is_none_or_of_another_model_is_refused() {
    let workspace = Workspace::new();
    let path = workspace.model().join(TOKENIZER);
    let valid = fs::read_to_string(&path).unwrap();
    let other = workspace.path("other.json");
    attend_data::Tokenizer::train_bpe(SENTENCES.into_iter(), 270)
        .unwrap()
        .save(&other)
        .unwrap();

    assert_refused(&workspace, TOKENIZER, "", &[TOKENIZER]);
    assert_refused(&workspace, TOKENIZER, &valid[..valid.len() / 2], &[TOKENIZER]);
    assert_refused(&workspace, TOKENIZER, "{}", &[TOKENIZER]);
    let without_end = valid.replace("</s>", "<end>");
    assert_refused(&workspace, TOKENIZER, without_end, &[TOKENIZER, "</s>"]);
    let fewer_tokens = fs::read(&other).unwrap();
    assert_refused(&workspace, TOKENIZER, fewer_tokens, &[TOKENIZER, "vocab_size"]);
}

#[test]
fn search_defaults_that_describe_no_search_are_refused() {
    let workspace = Workspace::new();
    for (text, part) in [
        ("", "line 1"),
        ("{\"beam_size\": \"wide\"}", "wide"),
        ("{\"beam_width\": 4}", "beam_width"),
        ("{\"beam_size\": 0}", "beam_size"),
        ("{\"beam_size\": 2, \"nbest\": 3}", "nbest"),
        ("{\"length_penalty\": -0.5}", "length_penalty"),
    ] {
        assert_refused(&workspace, GENERATION, text, &[GENERATION, part]);
    }
}

#[test]
fn a_missing_file_is_named() {
    for file in [CONFIG, WEIGHTS, TOKENIZER, GENERATION] {
        let workspace = Workspace::new();
        fs::remove_file(workspace.model().join(file)).unwrap();
        assert_error(&workspace.translate(&["yes"], b""), &[file]);
    }
}

#[test]
fn weights_that_are_cut_short_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    model_folder().save(folder.path()).unwrap();
    let path = folder.path().join(WEIGHTS);
    let whole = fs::read(&path).unwrap();
    let header = 8 + u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let in_data = (0..8).map(|part| header + part * (whole.len() - header) / 8);
    let lengths = (0..12).chain([header / 2, header - 1]).chain(in_data);
    for length in lengths.chain([whole.len() - 1]) {
        fs::write(&path, &whole[..length]).unwrap();
        let error = ModelFolder::load(folder.path(), &cpu()).expect_err("cut short");
        assert!(
            error.to_string().contains("model.safetensors is damaged"),
            "{length}: {error}"
        );
    }
    fs::write(&path, [whole.as_slice(), b"more"].concat()).unwrap();
    let error = ModelFolder::load(folder.path(), &cpu()).expect_err("too long");
    assert!(
        error.to_string().contains("model.safetensors is damaged"),
        "{error}"
    );

    let workspace = Workspace::new();
    for length in [0, 5, header / 2, header, whole.len() / 2, whole.len() - 1] {
        assert_refused(&workspace, WEIGHTS, &whole[..length], &[WEIGHTS, "damaged"]);
    }
}

/// Returns the bytes of a weights file that holds the weights of [`model_folder`], changed by `change`.
fn changed_weights(change: impl FnOnce(&mut HashMap<String, (Dtype, Vec<usize>, Vec<u8>)>)) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    model_folder().save(folder.path()).unwrap();
    let bytes = fs::read(folder.path().join(WEIGHTS)).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let mut weights: HashMap<_, _> = tensors
        .iter()
        .map(|(name, t)| {
            (
                name.to_owned(),
                (t.dtype(), t.shape().to_vec(), t.data().to_vec()),
            )
        })
        .collect();
    change(&mut weights);
    let views = weights
        .iter()
        .map(|(name, (dtype, shape, data))| (name, TensorView::new(*dtype, shape.clone(), data).unwrap()));
    safetensors::serialize(views, None).unwrap()
}

#[test]
fn weights_of_another_model_are_refused() {
    let workspace = Workspace::new();
    let not_weights = [
        b"this file is no safetensors file, but long enough".to_vec(),
        [u64::MAX.to_le_bytes().as_slice(), b"{}"].concat(),
        [(1u64 << 40).to_le_bytes().as_slice(), &[b' '; 64]].concat(),
        [2u64.to_le_bytes().as_slice(), b"[]"].concat(),
        fs::read(workspace.model().join(TOKENIZER)).unwrap(),
    ];
    for content in not_weights {
        assert_refused(&workspace, WEIGHTS, content, &[WEIGHTS, "damaged"]);
    }

    let nothing = changed_weights(|weights| weights.clear());
    assert_refused(&workspace, WEIGHTS, nothing, &[WEIGHTS, CONFIG, "missing"]);
    let more = changed_weights(|weights| {
        let bias = (Dtype::F32, vec![2], vec![0; 8]);
        weights.insert("output_projection.bias".to_owned(), bias);
    });
    let parts = [WEIGHTS, CONFIG, "output_projection.bias"];
    assert_refused(&workspace, WEIGHTS, more, &parts);
    let another_shape = changed_weights(|weights| {
        weights.get_mut("embedding.weight").unwrap().1.reverse();
    });
    assert_refused(
        &workspace,
        WEIGHTS,
        another_shape,
        &[WEIGHTS, CONFIG, "embedding.weight"],
    );
    let renamed = changed_weights(|weights| {
        let weight = weights.remove("embedding.weight").unwrap();
        weights.insert("shared.weight".to_owned(), weight);
    });
    assert_refused(
        &workspace,
        WEIGHTS,
        renamed,
        &[WEIGHTS, CONFIG, "embedding.weight"],
    );
    let integers = changed_weights(|weights| {
        weights.get_mut("embedding.weight").unwrap().0 = Dtype::I32;
    });
    assert_refused(
        &workspace,
        WEIGHTS,
        integers,
        &[WEIGHTS, CONFIG, "embedding.weight"],
    );
}

/// A file of bfloat16, the upper halves of 32-bit floats, has half the size, and is precise enough for the test.
#[test]
fn weights_of_another_precision_are_read() {
    let folder = tempfile::tempdir().unwrap();
    model_folder().save(folder.path()).unwrap();
    let to_bfloat16 = |(dtype, _, data): &mut (Dtype, Vec<usize>, Vec<u8>)| {
        *dtype = Dtype::BF16;
        *data = data
            .chunks_exact(4)
            .flat_map(|float| [float[2], float[3]])
            .collect();
    };
    let all = changed_weights(|weights| weights.values_mut().for_each(to_bfloat16));
    let one = changed_weights(|weights| to_bfloat16(weights.get_mut("embedding.weight").unwrap()));
    for content in [all, one] {
        fs::write(folder.path().join(WEIGHTS), content).unwrap();
        let loaded = ModelFolder::load(folder.path(), &cpu()).unwrap();
        for (actual, exact) in logits(&loaded).iter().zip(logits(&model_folder())) {
            assert!((actual - exact).abs() < 0.05, "{actual} instead of {exact}");
        }
        let translator = translator(loaded);
        let options = translator.model().options();
        assert_eq!(each(translator.translate(&SENTENCES, &options)).len(), 8);
    }
}

#[test]
fn weights_that_are_not_finite_are_refused() {
    let workspace = Workspace::new();
    let matrix = "decoder.layers.1.feed_forward.inner.weight";
    for (name, dtype, number) in [
        (matrix, Dtype::F32, f32::NAN.to_le_bytes().to_vec()),
        (matrix, Dtype::F32, f32::NEG_INFINITY.to_le_bytes().to_vec()),
        (matrix, Dtype::F64, 1e300_f64.to_le_bytes().to_vec()),
        (matrix, Dtype::F16, vec![0x00, 0x7c]),
        (matrix, Dtype::BF16, vec![0x80, 0xff]),
        (
            "encoder.layers.0.feed_forward_norm.norm.weight",
            Dtype::F32,
            f32::INFINITY.to_le_bytes().to_vec(),
        ),
    ] {
        let content = changed_weights(|weights| {
            let (of_weight, _, data) = weights.get_mut(name).unwrap();
            *of_weight = dtype;
            data.resize(data.len() / 4 * number.len(), 0);
            // All numbers but the last one are finite.
            data.fill(0x3b);
            let last = data.len() - number.len();
            data[last..].copy_from_slice(&number);
        });
        assert_refused(&workspace, WEIGHTS, content, &[WEIGHTS, name, "not finite"]);
    }
}

//! Exports: what an import reads back, what an export has no place for, and the files of other programs.

use std::fs;
use std::path::{Path, PathBuf};

use attend_formats::tensors::{TensorFile, read_safetensors};
use attend_formats::{ExportFormat, Exported, FormatError, WeightType, export};
use attend_infer::{Languages, ModelFolder};
use attend_model::{
    ActivationKind, LayerKind, NormPlacement, PositionKind, Preset, Transformer, TransformerConfig,
    sinusoid_halves,
};
use burn::tensor::{Int, Tensor};
use serde_json::Value;

use crate::common::{Workspace, assert_same_weights, device};

/// Exports the model folder of a workspace as a new foreign folder in place of the one that it was made of.
fn export_again(
    workspace: &Workspace,
    format: ExportFormat,
    weights: WeightType,
) -> Result<Exported, FormatError> {
    if workspace.foreign("").exists() {
        fs::remove_dir_all(workspace.foreign("")).expect("a folder");
    }
    export(
        workspace.model(""),
        workspace.foreign(""),
        format,
        weights,
        &device(),
        |_, _| {},
    )
}

/// Returns a workspace whose model folder was exported from that of `workspace` and imported again.
fn round_trip(workspace: &Workspace, format: ExportFormat, weights: WeightType) -> Workspace {
    let other = Workspace::empty();
    export(
        workspace.model(""),
        other.foreign(""),
        format,
        weights,
        &device(),
        |_, _| {},
    )
    .expect("an export");
    other.import().expect("an export is read again");
    other
}

fn read(path: PathBuf) -> Vec<u8> {
    fs::read(path).expect("a file")
}

#[test]
fn an_import_an_export_and_an_import_give_the_same_model_to_the_bit() {
    for (name, format) in [
        ("marian_mt", ExportFormat::MarianHf),
        ("marian_mt_two_vocabularies", ExportFormat::MarianHf),
        ("ctranslate2", ExportFormat::CTranslate2),
        ("ctranslate2_pre_norm", ExportFormat::CTranslate2),
        ("ctranslate2_int8", ExportFormat::CTranslate2),
        ("marian", ExportFormat::CTranslate2),
    ] {
        let first = Workspace::of(name);
        first.import().expect(name);
        let second = round_trip(&first, format, WeightType::Float32);
        assert_same_weights(&second, &first, 0.0);
        let (found, wanted) = (second.load(), first.load());
        let of_found = TransformerConfig {
            dropout: wanted.config.dropout,
            ..found.config
        };
        assert_eq!(of_found, wanted.config, "{name}");
        for file in ["source.spm", "target.spm", "vocab.json"] {
            assert!(
                read(second.model(file)) == read(first.model(file)),
                "{name}: {file}"
            );
        }
        assert_eq!(found.source_tokenizer.files(), wanted.source_tokenizer.files());
        assert_eq!(found.target_tokenizer.files(), wanted.target_tokenizer.files());
        if format == ExportFormat::MarianHf {
            assert_eq!(found.generation, wanted.generation, "{name}");
            assert_eq!(found.languages, wanted.languages, "{name}");
        }
    }
}

/// CTranslate2's converter has written the same model in each type of numbers.
#[test]
fn weights_are_rounded_as_the_converter_of_ctranslate2_rounds_them() {
    let whole = Workspace::of("ctranslate2");
    whole.import().expect("a model");
    let mut sizes = Vec::new();
    for (name, weights) in [
        ("ctranslate2", WeightType::Float32),
        ("ctranslate2_float16", WeightType::Float16),
        ("ctranslate2_int8", WeightType::Int8),
    ] {
        let wanted = Workspace::of(name);
        wanted.import().expect(name);
        let found = round_trip(&whole, ExportFormat::CTranslate2, weights);
        assert_same_weights(&found, &wanted, 0.0);
        // The converter names some scalars for the encoder that say nothing, or not, by its version.
        let of_converter = read(wanted.foreign("model.bin")).len();
        let of_export = read(found.foreign("model.bin")).len();
        assert!(
            of_converter.abs_diff(of_export) < 256,
            "{of_converter} and {of_export}"
        );
        sizes.push(of_export);
    }
    assert!(sizes[0] > sizes[2] && sizes[2] > sizes[1], "{sizes:?}");
}

#[test]
fn halves_of_transformers_are_near_the_numbers_that_were_rounded() {
    let whole = Workspace::of("marian_mt");
    whole.import().expect("a model");
    let rounded = round_trip(&whole, ExportFormat::MarianHf, WeightType::Float16);
    assert_same_weights(&rounded, &whole, 4.0 / 2048.0);
    let file = rounded.foreign("model.safetensors");
    assert!(read(file.clone()).len() < read(whole.foreign("model.safetensors")).len());
    let bytes = read(rounded.model("model.safetensors"));
    assert!(bytes != read(whole.model("model.safetensors")));
}

/// Writes a model folder of random weights with the vocabulary of a fixture, and `change`d settings.
fn trained(workspace: &Workspace, change: impl FnOnce(TransformerConfig) -> TransformerConfig) {
    let foreign = Workspace::of("ctranslate2");
    foreign.import().expect("a model");
    let folder = foreign.load();
    let config = change(TransformerConfig {
        d_model: 8,
        d_ff: 12,
        n_heads: 2,
        encoder_layers: 1,
        decoder_layers: 1,
        pad_id: folder.config.pad_id,
        decoder_start_id: folder.config.decoder_start_id,
        ..Preset::Tiny.config(folder.config.vocab_size)
    });
    device().seed(3);
    let model = Transformer::new(&config, &device()).expect("a valid shape");
    fs::create_dir(workspace.model("")).expect("a new folder");
    let folder = ModelFolder {
        config,
        model,
        languages: Languages::default(),
        ..folder
    };
    folder.save(workspace.model("")).expect("a writable folder");
}

/// A network is the same function when its dimensions change places everywhere. Sinusoids then are sines and cosines.
#[test]
fn networks_with_interleaved_sinusoids_translate_as_before() {
    let first = Workspace::empty();
    trained(&first, |config| config);
    let second = round_trip(&first, ExportFormat::MarianHf, WeightType::Float32);
    assert_eq!(second.load().config.positions, PositionKind::SinusoidalHalves);
    let logits = |workspace: &Workspace| -> Vec<f32> {
        let tokens = |tokens: [i32; 5]| Tensor::<1, Int>::from_ints(tokens, &device()).unsqueeze();
        let logits = workspace
            .load()
            .model
            .forward(tokens([7, 21, 33, 9, 0]), tokens([60, 12, 45, 3, 28]));
        logits.into_data().try_into_vec().expect("32-bit floats")
    };
    let (found, wanted) = (logits(&second), logits(&first));
    assert_eq!(found.len(), wanted.len());
    for (place, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
        // An import rules padding out, as transformers does.
        if place % 61 != 60 {
            assert!((found - wanted).abs() < 1e-5, "{place}: {found} and {wanted}");
        }
    }
}

#[test]
fn a_network_with_pre_norm_is_a_pegasus_of_transformers() {
    let workspace = Workspace::empty();
    trained(&workspace, |config| TransformerConfig {
        norm: NormPlacement::Pre,
        ..config
    });
    let exported = export_again(&workspace, ExportFormat::MarianHf, WeightType::Float32).expect("an export");
    assert_eq!(exported.file, "model.safetensors");
    let config: Value = serde_json::from_slice(&read(workspace.foreign("config.json"))).expect("JSON");
    assert_eq!(config["model_type"], "pegasus");
    assert_eq!(config["architectures"][0], "PegasusForConditionalGeneration");
    let path = workspace.foreign("model.safetensors");
    let weights = read_safetensors(&path, read(path.clone())).expect("a whole file");
    assert_eq!(exported.bytes, read(path).len() as u64);
    for norm in ["model.encoder.layer_norm.weight", "model.decoder.layer_norm.bias"] {
        assert_eq!(weights.shape(norm), Some(&[8][..]));
    }
    for table in [
        "model.encoder.embed_positions.weight",
        "model.decoder.embed_positions.weight",
    ] {
        assert_eq!(weights.read(table).expect("numbers"), sinusoid_halves(256, 8));
    }
}

#[test]
fn what_a_format_has_no_place_for_is_refused_by_name() {
    type Change = fn(TransformerConfig) -> TransformerConfig;
    let changes: [(Change, ExportFormat, WeightType, &str); 6] = [
        (
            |config| TransformerConfig {
                positions: PositionKind::Learned,
                ..config
            },
            ExportFormat::MarianHf,
            WeightType::Float32,
            "learned",
        ),
        (
            |config| TransformerConfig {
                positions: PositionKind::Marian,
                ..config
            },
            ExportFormat::MarianHf,
            WeightType::Float32,
            "marian",
        ),
        (
            |config| TransformerConfig {
                norm_epsilon: 1e-6,
                ..config
            },
            ExportFormat::MarianHf,
            WeightType::Float32,
            "norm_epsilon",
        ),
        (
            |config| TransformerConfig {
                activation: ActivationKind::Swish,
                ..config
            },
            ExportFormat::MarianHf,
            WeightType::Int8,
            "8-bit integers",
        ),
        (
            |config| TransformerConfig {
                encoder_layer: LayerKind::Recurrent,
                ..config
            },
            ExportFormat::CTranslate2,
            WeightType::Float32,
            "encoder_layer is \"recurrent\"",
        ),
        (
            |config| TransformerConfig {
                decoder_layer: LayerKind::Ssru,
                ..config
            },
            ExportFormat::MarianHf,
            WeightType::Float32,
            "decoder_layer is \"ssru\"",
        ),
    ];
    for (change, format, weights, reason) in changes {
        let workspace = Workspace::empty();
        trained(&workspace, change);
        let error = export_again(&workspace, format, weights)
            .expect_err(reason)
            .to_string();
        assert!(error.contains(reason), "{error}");
        assert!(
            error.contains(&format!("cannot be exported as {format}")),
            "{error}"
        );
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(!workspace.foreign("").exists());
    }
}

#[test]
fn bad_folders_are_refused_and_nothing_is_written() {
    let workspace = Workspace::of("marian_mt");
    workspace.import().expect("a model");
    let into = |output: &Path, model: &Path| {
        let error = export(
            model,
            output,
            ExportFormat::CTranslate2,
            WeightType::Int8,
            &device(),
            |_, _| {},
        );
        error.expect_err("a bad folder").to_string()
    };
    let before = read(workspace.foreign("config.json"));
    let error = into(&workspace.foreign(""), &workspace.model(""));
    assert!(error.contains("exists already"), "{error}");
    assert!(read(workspace.foreign("config.json")) == before);
    let output = workspace.foreign("exported");
    let error = into(&output, &workspace.foreign("none"));
    assert!(error.contains("none"), "{error}");
    let path = workspace.model("model.safetensors");
    fs::write(&path, &read(path.clone())[..100]).expect("a writable folder");
    let error = into(&output, &workspace.model(""));
    assert!(error.contains("model.safetensors"), "{error}");
    assert!(!output.exists());
}

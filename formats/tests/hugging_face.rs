//! Models of Hugging Face: what transformers computes with them, and what is refused.

use std::collections::BTreeMap;
use std::fs;

use attend_formats::{Format, Progress};
use attend_infer::search::{LengthNormalization, SearchOptions, Stopping, Unknown};
use attend_model::{ActivationKind, PositionKind, TiedEmbeddings};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Deserialize;

use crate::common::{Workspace, expected, fixture, ids};

/// The two models: all embeddings tied and one vocabulary; and two vocabularies, with the output tied to the decoder.
const MODELS: [&str; 2] = ["marian_mt", "marian_mt_two_vocabularies"];

/// What transformers made of a sentence.
#[derive(Deserialize)]
struct Case {
    source: String,
    source_ids: Vec<i32>,
    /// A translation, which ends with `</s>`.
    target_ids: Vec<i32>,
    /// The logits at each position of the translation, for the first sentence.
    logits: Option<Vec<Vec<f32>>>,
    /// The start token, the tokens of a greedy translation, and a `</s>` that was forced after 38 of them.
    greedy_ids: Vec<u32>,
    greedy: String,
    beams: Vec<Beam>,
}

/// The best hypothesis of a beam search, with its options.
#[derive(Deserialize)]
struct Beam {
    size: usize,
    length_penalty: f32,
    early_stopping: bool,
    /// The start token, the tokens of the translation and `</s>`.
    ids: Vec<u32>,
    score: f32,
}

/// The id of `</s>`.
const END: u32 = 0;

#[test]
fn logits_are_those_of_transformers() {
    for name in MODELS {
        let workspace = Workspace::of(name);
        workspace.import().expect(name);
        let folder = workspace.load();
        let start = folder.config.decoder_start_id.expect("Marian's start");
        let case = expected::<Vec<Case>>(name).remove(0);
        let mut input = vec![start as i32];
        input.extend(&case.target_ids[..case.target_ids.len() - 1]);
        let logits = folder.model.forward(ids(&case.source_ids), ids(&input));
        let found: Vec<f32> = logits
            .into_data()
            .convert::<f32>()
            .try_into_vec()
            .expect("numbers");
        let wanted: Vec<f32> = case.logits.expect("logits").concat();
        assert_eq!(found.len(), wanted.len());
        let largest = wanted
            .iter()
            .fold(0.0_f32, |largest, logit| largest.max(logit.abs()));
        let width = folder.config.target_vocabulary();
        for (place, (found, wanted)) in found.iter().zip(&wanted).enumerate() {
            if place % width == folder.config.pad_id {
                assert_eq!(*found, f32::NEG_INFINITY, "padding is never predicted");
                continue;
            }
            let difference = (found - wanted).abs();
            assert!(difference < 1e-5 * largest, "{name}: {found} and {wanted}");
        }
    }
}

#[test]
fn greedy_translations_are_those_of_transformers() {
    for name in MODELS {
        let workspace = Workspace::of(name);
        workspace.import().expect(name);
        let cases: Vec<Case> = expected(name);
        let sources: Vec<&str> = cases.iter().map(|case| case.source.as_str()).collect();
        for (found, case) in workspace.greedy(&sources, 38).iter().zip(&cases) {
            let wanted = &case.greedy_ids[1..case.greedy_ids.len() - 1];
            assert_eq!(found.tokens, wanted, "{name}: {}", case.source);
            assert_eq!(found.text, case.greedy.trim(), "{name}: {}", case.source);
        }
    }
}

#[test]
fn beams_find_what_those_of_transformers_find() {
    for name in MODELS {
        let workspace = Workspace::of(name);
        workspace.import().expect(name);
        for case in expected::<Vec<Case>>(name) {
            assert_eq!(case.beams.len(), 3);
            for beam in case.beams {
                let found = workspace.translate(&[&case.source], |defaults| SearchOptions {
                    beam_size: beam.size,
                    length_penalty: beam.length_penalty,
                    stopping: if beam.early_stopping {
                        Stopping::TransformersEarly
                    } else {
                        defaults.stopping
                    },
                    max_length: Some(38),
                    ..defaults
                });
                let wanted = beam.ids[1..].iter().copied().take_while(|&id| id != END);
                let wanted: Vec<u32> = wanted.collect();
                assert_eq!(
                    found[0].tokens, wanted,
                    "{name}: {}, beam {}",
                    case.source, beam.size
                );
                let score = found[0].score;
                assert!(
                    (score - beam.score).abs() < 1e-4,
                    "{name}: {score}, not {}",
                    beam.score
                );
            }
        }
    }
}

#[test]
fn tokens_are_those_of_transformers() {
    for name in MODELS {
        let workspace = Workspace::of(name);
        workspace.import().expect(name);
        let folder = workspace.load();
        for case in expected::<Vec<Case>>(name) {
            let mut found = folder.source_tokenizer.encode(&case.source);
            found.push(folder.source_tokenizer.eos_id());
            let found: Vec<i32> = found.into_iter().map(|id| id as i32).collect();
            assert_eq!(found, case.source_ids, "{name}: {}", case.source);
        }
    }
}

#[test]
fn settings_become_those_of_a_model_folder() {
    let workspace = Workspace::of("marian_mt");
    let steps = workspace.import().expect("a model");
    let folder = workspace.load();
    assert_eq!(folder.config.activation, ActivationKind::Swish);
    assert_eq!(folder.config.positions, PositionKind::SinusoidalHalves);
    assert_eq!(folder.config.tie_embeddings, TiedEmbeddings::All);
    assert_eq!(
        (folder.config.encoder_layers, folder.config.decoder_layers),
        (2, 1)
    );
    assert_eq!(folder.config.target_vocab_size, None);
    assert_eq!(folder.generation.beam_size, 3);
    assert_eq!(folder.generation.length_penalty, 0.8);
    assert_eq!(folder.generation.stopping, Stopping::Transformers);
    assert_eq!(
        folder.generation.length_normalization,
        LengthNormalization::Length
    );
    assert_eq!(folder.generation.unknown, Unknown::Keep);
    assert_eq!(folder.languages.source, Some("en".parse().expect("a code")));
    assert_eq!(folder.languages.target, Some("de".parse().expect("a code")));
    let Some(Progress::Found(found)) = steps.first() else {
        panic!("the model is described first");
    };
    assert_eq!(found.format, Format::HuggingFace);
    assert_eq!(steps.last(), Some(&Progress::Trial));

    let workspace = Workspace::of("marian_mt_two_vocabularies");
    workspace.import().expect("a model");
    let config = workspace.load().config;
    assert_eq!(config.activation, ActivationKind::Gelu);
    assert_eq!(config.tie_embeddings, TiedEmbeddings::Decoder);
    assert_eq!(config.target_vocab_size, Some(config.vocab_size));
}

#[test]
fn older_files_of_weights_give_the_same_model() {
    let workspace = Workspace::of("marian_mt");
    workspace.import().expect("safetensors");
    let wanted = fs::read(workspace.model("model.safetensors")).expect("weights");
    for name in ["pytorch_model.bin", "pytorch_model_before_1.6.bin"] {
        let workspace = Workspace::of("marian_mt");
        fs::remove_file(workspace.foreign("model.safetensors")).expect("a file");
        fs::copy(fixture(name), workspace.foreign("pytorch_model.bin")).expect("a fixture");
        workspace.import().expect(name);
        let found = fs::read(workspace.model("model.safetensors")).expect("weights");
        assert!(found == wanted, "{name}");
    }
}

#[test]
fn search_defaults_of_older_models_are_in_their_settings() {
    let workspace = Workspace::of("marian_mt");
    fs::remove_file(workspace.foreign("generation_config.json")).expect("a file");
    workspace.set("config.json", "num_beams", 6);
    workspace.import().expect("a model");
    let generation = workspace.load().generation;
    assert_eq!((generation.beam_size, generation.length_penalty), (6, 1.0));
}

/// Beams of transformers with other options than those of the model.
#[derive(Deserialize)]
struct Search {
    /// The options, as `generation_config.json` has them.
    options: serde_json::Map<String, serde_json::Value>,
    /// The tokens of the translation of each sentence, without the start token and `</s>`.
    ids: Vec<Vec<u32>>,
}

#[test]
fn searches_of_models_find_what_those_of_transformers_find() {
    let cases: Vec<Case> = expected("marian_mt");
    let sources: Vec<&str> = cases.iter().map(|case| case.source.as_str()).collect();
    let searches: Vec<Search> =
        serde_json::from_slice(&fs::read(fixture("marian_mt/searches.json")).expect("a fixture"))
            .expect("searches");
    let mut longest = 0;
    for Search { options, ids } in searches {
        let workspace = Workspace::of("marian_mt");
        workspace.set("config.json", "max_position_embeddings", 128);
        for (key, value) in &options {
            workspace.set("generation_config.json", key, value.clone());
        }
        workspace.import().expect("a model");
        let found = workspace.translate(&sources, |defaults| defaults);
        let found: Vec<Vec<u32>> = found.into_iter().map(|translation| translation.tokens).collect();
        assert_eq!(found, ids, "{options:?}");
        longest = found
            .iter()
            .map(Vec::len)
            .max()
            .max(Some(longest))
            .unwrap_or_default();
    }
    // The sources have at most 32 tokens, so that Attend's own maximum would be 82 or less.
    assert_eq!(longest, 98);
}

#[test]
fn other_searches_are_refused_by_name() {
    let other_words: serde_json::Value = serde_json::json!([[57], [3, 4]]);
    for (key, value, found) in [
        ("do_sample", true.into(), "do_sample is true"),
        ("num_beam_groups", 2.into(), "num_beam_groups is 2"),
        ("early_stopping", "never".into(), "early_stopping is \"never\""),
        ("repetition_penalty", 1.2.into(), "repetition_penalty is 1.2"),
        ("bad_words_ids", other_words, "bad_words_ids is [[57],[3,4]]"),
        ("forced_bos_token_id", 5.into(), "forced_bos_token_id is 5"),
        ("forced_eos_token_id", 5.into(), "forced_eos_token_id is 5"),
    ] {
        let workspace = Workspace::of("marian_mt");
        workspace.set("generation_config.json", key, value);
        workspace.assert_refused(&["generation_config.json", found, "without this option"]);
    }
    // Values that change nothing.
    let workspace = Workspace::of("marian_mt");
    for (key, value) in [
        ("do_sample", false.into()),
        ("num_beam_groups", 1.into()),
        ("repetition_penalty", 1.0.into()),
        ("forced_bos_token_id", serde_json::Value::Null),
        ("top_k", 50.into()),
    ] {
        workspace.set("generation_config.json", key, value);
    }
    workspace.import().expect("a model");
}

#[test]
fn embeddings_are_those_of_their_side() {
    let weights = |workspace: &Workspace| {
        workspace.import().expect("a model");
        fs::read(workspace.model("model.safetensors")).expect("weights")
    };
    let whole = weights(&Workspace::of("marian_mt"));
    for name in ["model.decoder.embed_tokens.weight", "lm_head.weight"] {
        // The only name of the one embedding.
        let workspace = Workspace::of("marian_mt");
        change_tensors(&workspace, |tensors| {
            let shared = tensors.remove("model.shared.weight").expect("an embedding");
            tensors.insert(name.to_owned(), shared);
        });
        assert!(weights(&workspace) == whole, "{name}");
    }
    let whole = weights(&Workspace::of("marian_mt_two_vocabularies"));
    let workspace = Workspace::of("marian_mt_two_vocabularies");
    // A third embedding, as files have it whose first writer did not know of two.
    change_tensors(&workspace, |tensors| {
        let shared = tensors["model.encoder.embed_tokens.weight"]
            .iter()
            .rev()
            .copied()
            .collect();
        tensors.insert("model.shared.weight".to_owned(), shared);
    });
    assert!(weights(&workspace) == whole);
}

/// Changes the 32-bit floats of a `model.safetensors`, all matrices of which are 8 wide.
fn change_tensors(workspace: &Workspace, change: impl FnOnce(&mut BTreeMap<String, Vec<u8>>)) {
    let path = workspace.foreign("model.safetensors");
    let bytes = fs::read(&path).expect("weights");
    let file = SafeTensors::deserialize(&bytes).expect("a whole file");
    let shapes: BTreeMap<String, Vec<usize>> = file
        .iter()
        .map(|(name, tensor)| (name.to_owned(), tensor.shape().to_vec()))
        .collect();
    let mut tensors = file
        .iter()
        .map(|(name, tensor)| (name.to_owned(), tensor.data().to_vec()))
        .collect();
    change(&mut tensors);
    let views = tensors.iter().map(|(name, data)| {
        let shape = shapes
            .get(name)
            .cloned()
            .unwrap_or_else(|| vec![data.len() / 32, 8]);
        (
            name,
            TensorView::new(Dtype::F32, shape, data).expect("a whole tensor"),
        )
    });
    let changed = safetensors::serialize(views, None).expect("different names");
    fs::write(path, changed).expect("a writable folder");
}

#[test]
fn the_tokenizers_settings_say_whether_there_are_two_vocabularies() {
    let workspace = Workspace::of("marian_mt");
    fs::write(workspace.foreign("target_vocab.json"), "not read").expect("a writable folder");
    workspace.import().expect("a model");
    assert_eq!(workspace.load().config.target_vocab_size, None);

    let workspace = Workspace::of("marian_mt");
    workspace.set("tokenizer_config.json", "separate_vocabs", true);
    workspace.assert_refused(&["foreign has no target_vocab.json"]);
    // One matrix for both, whose rows stand for two pieces.
    fs::copy(
        workspace.foreign("vocab.json"),
        workspace.foreign("target_vocab.json"),
    )
    .expect("a copy");
    workspace.import().expect("a model");
    let config = workspace.load().config;
    assert_eq!(config.tie_embeddings, TiedEmbeddings::Decoder);
    let cases: Vec<Case> = expected("marian_mt");
    let sources: Vec<&str> = cases.iter().map(|case| case.source.as_str()).collect();
    for (found, case) in workspace.greedy(&sources, 38).iter().zip(&cases) {
        assert_eq!(
            found.tokens,
            case.greedy_ids[1..case.greedy_ids.len() - 1],
            "{}",
            case.source
        );
    }
}

#[test]
fn notices_are_copied() {
    let workspace = Workspace::of("marian_mt");
    fs::write(workspace.foreign("README.md"), "A test.").expect("a writable folder");
    fs::write(workspace.foreign("LICENSE"), "Anyone may use it.").expect("a writable folder");
    let steps = workspace.import().expect("a model");
    let Some(Progress::Found(found)) = steps.first() else {
        panic!("the model is described first");
    };
    assert_eq!(found.notices, ["LICENSE", "README.md"]);
    let read = |name| fs::read_to_string(workspace.model(name)).expect("a copy");
    assert_eq!(read("LICENSE"), "Anyone may use it.");
    assert_eq!(read("README.md"), "A test.");
    // All of them together are small.
    let workspace = Workspace::of("marian_mt");
    for (name, length) in [
        ("LICENSE", 1_000_000),
        ("LICENSE.long", 1 << 40),
        ("NOTICE", 48_576),
        ("README", 1),
    ] {
        let file = fs::File::create(workspace.foreign(name)).expect("a writable folder");
        file.set_len(length).expect("a file with a hole");
    }
    let steps = workspace.import().expect("a model");
    let Some(Progress::Found(found)) = steps.first() else {
        panic!("the model is described first");
    };
    assert_eq!(found.notices, ["LICENSE", "NOTICE"]);
    for side in ["source.spm", "target.spm"] {
        let read = |path| fs::read(path).expect("a file");
        assert!(read(workspace.model(side)) == read(workspace.foreign(side)));
    }
}

#[test]
fn other_architectures_are_refused_by_name() {
    for (key, value, expected) in [
        ("model_type", "t5".into(), "model_type is \"t5\""),
        ("normalize_before", true.into(), "normalize_before is true"),
        ("normalize_embedding", true.into(), "normalize_embedding is true"),
        (
            "add_final_layer_norm",
            true.into(),
            "add_final_layer_norm is true",
        ),
        (
            "static_position_embeddings",
            false.into(),
            "positions are learned",
        ),
        (
            "scale_embedding",
            serde_json::Value::from(false),
            "scale_embedding is false",
        ),
        (
            "activation_function",
            "gelu_new".into(),
            "activation_function is \"gelu_new\"",
        ),
        ("decoder_attention_heads", 4.into(), "encoder_attention_heads"),
        ("decoder_ffn_dim", 16.into(), "decoder_ffn_dim"),
    ] {
        let workspace = Workspace::of("marian_mt");
        workspace.set("config.json", key, value);
        workspace.assert_refused(&["config.json", expected, "MarianMT models"]);
    }
}

#[test]
fn parts_that_contradict_each_other_are_refused() {
    for (key, value, parts) in [
        ("d_model", 10, ["model.shared.weight", "[58, 8], not [58, 10]"]),
        ("encoder_layers", 3, ["model.encoder.layers.2", "is missing"]),
        ("encoder_layers", 1, ["model.encoder.layers.1", "no place"]),
        (
            "vocab_size",
            59,
            ["vocab.json", "58 pieces, but the network has 59"],
        ),
        ("pad_token_id", 3, ["config.json", "<pad>"]),
        ("max_position_embeddings", 0, ["config.json", "max_length"]),
        (
            "decoder_vocab_size",
            12,
            ["decoder_vocab_size is 12", "target_vocab.json"],
        ),
        ("d_model", -8, ["config.json", "d_model"]),
    ] {
        let workspace = Workspace::of("marian_mt");
        workspace.set("config.json", key, value);
        workspace.assert_refused(&parts);
    }
    let workspace = Workspace::of("marian_mt");
    fs::write(workspace.foreign("config.json"), "{}").expect("a writable folder");
    workspace.assert_refused(&["config.json", "there is no model_type"]);
    let workspace = Workspace::of("marian_mt");
    workspace.set("vocab.json", "<unk>", 7);
    workspace.assert_refused(&["vocab.json", "the number 7"]);
    let workspace = Workspace::of("marian_mt");
    let vocabulary = fs::read_to_string(workspace.foreign("vocab.json")).expect("a file");
    let twice = vocabulary.replace("\"<pad>\": 57", "\"<pad>\": 57, \"</s>\": 58");
    fs::write(workspace.foreign("vocab.json"), twice).expect("a writable folder");
    workspace.assert_refused(&["vocab.json", "the piece \"</s>\" occurs twice"]);
    let workspace = Workspace::of("marian_mt");
    workspace.set("generation_config.json", "num_beams", 0);
    workspace.assert_refused(&["foreign", "beam_size"]);
}

#[test]
fn missing_and_damaged_files_are_refused() {
    for (name, parts) in [
        ("config.json", ["foreign has no config.json"]),
        ("source.spm", ["foreign has no source.spm"]),
        ("target.spm", ["foreign has no target.spm"]),
        ("vocab.json", ["foreign has no vocab.json"]),
        (
            "model.safetensors",
            ["foreign has no model.safetensors, nor a pytorch_model.bin"],
        ),
    ] {
        let workspace = Workspace::of("marian_mt");
        fs::remove_file(workspace.foreign(name)).expect("a file");
        workspace.assert_refused(&parts);
    }
    for name in ["config.json", "vocab.json", "model.safetensors"] {
        let workspace = Workspace::of("marian_mt");
        let path = workspace.foreign(name);
        let bytes = fs::read(&path).expect("a file");
        fs::write(&path, &bytes[..bytes.len() / 2]).expect("a writable folder");
        workspace.assert_refused(&[name]);
    }
}

#[test]
fn weights_that_are_not_finite_are_refused() {
    let workspace = Workspace::of("marian_mt");
    let path = workspace.foreign("model.safetensors");
    let mut bytes = fs::read(&path).expect("a file");
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    fs::write(&path, bytes).expect("a writable folder");
    workspace.assert_refused(&["foreign/model.safetensors: the tensor model.", "not finite"]);
}

#[test]
fn a_folder_with_files_is_not_written_to() {
    let workspace = Workspace::of("marian_mt");
    fs::create_dir(workspace.model("")).expect("a new folder");
    fs::write(workspace.model("notes"), "mine").expect("a writable folder");
    let error = workspace.import().expect_err("a folder with files").to_string();
    assert!(error.contains("exists already"), "{error}");
    assert_eq!(
        fs::read_to_string(workspace.model("notes")).expect("a file"),
        "mine"
    );

    fs::remove_file(workspace.model("notes")).expect("a file");
    workspace.import().expect("an empty folder");
    workspace.load();
}

//! A `MarianMTModel` of Hugging Face's transformers: its settings, and the names of its weights.

use std::collections::HashMap;
use std::path::Path;

use attend_infer::search::{LengthNormalization, SearchOptions, Stopping, Unknown};
use attend_infer::{Language, Languages};
use attend_model::{ActivationKind, PositionKind, Preset, TiedEmbeddings, TransformerConfig};
use serde::Deserialize;
use serde_json::Value;

use crate::error::FormatError;
use crate::files::Files;
use crate::foreign_model::ForeignModel;
use crate::format::{Format, HUGGING_FACE_WEIGHTS};
use crate::tensors::{PyTorchFile, TensorFile, read_safetensors};
use crate::vocabulary::{EOS, NEVER, PAD, Vocabulary};
use crate::weights::Weights;

const CONFIG: &str = "config.json";
const VOCABULARY: &str = "vocab.json";
const TARGET_VOCABULARY: &str = "target_vocab.json";

/// What Attend reads of Hugging Face's models.
const SUPPORTED: &str = "MarianMT models as the converter from Marian writes them are read";

/// Tensors that older files have beside those of [`take_weights`]: tables that are computed, and second names of the
/// embedding.
const NEEDLESS: [&str; 5] = [
    "lm_head.weight",
    "model.encoder.embed_tokens.weight",
    "model.decoder.embed_tokens.weight",
    "model.encoder.embed_positions.weight",
    "model.decoder.embed_positions.weight",
];

/// The kind of the model in a `config.json`.
#[derive(Deserialize)]
struct Kind {
    model_type: Option<String>,
}

/// A `config.json`, as far as it describes the network.
#[derive(Deserialize)]
struct Config {
    vocab_size: usize,
    decoder_vocab_size: Option<usize>,
    d_model: usize,
    encoder_layers: usize,
    decoder_layers: usize,
    encoder_attention_heads: usize,
    decoder_attention_heads: usize,
    encoder_ffn_dim: usize,
    decoder_ffn_dim: usize,
    activation_function: String,
    max_position_embeddings: usize,
    pad_token_id: usize,
    eos_token_id: usize,
    decoder_start_token_id: Option<usize>,
    #[serde(default)]
    dropout: f64,
    #[serde(default)]
    scale_embedding: bool,
    #[serde(default = "yes")]
    static_position_embeddings: bool,
    #[serde(default)]
    normalize_before: bool,
    #[serde(default)]
    normalize_embedding: bool,
    #[serde(default)]
    add_final_layer_norm: bool,
    #[serde(default = "yes")]
    share_encoder_decoder_embeddings: bool,
    #[serde(default = "yes")]
    tie_word_embeddings: bool,
}

fn yes() -> bool {
    true
}

/// The options of the search, which are in `generation_config.json`, and in `config.json` of older models.
#[derive(Default, Deserialize)]
struct Generation {
    num_beams: Option<usize>,
    length_penalty: Option<f32>,
    no_repeat_ngram_size: Option<usize>,
    /// Whether a beam search stops as soon as the beam is full of complete hypotheses; or `"never"`, if it stops when
    /// nothing better can come.
    early_stopping: Option<Value>,
}

/// The languages in a `tokenizer_config.json`.
#[derive(Default, Deserialize)]
struct TokenizerConfig {
    source_lang: Option<String>,
    target_lang: Option<String>,
}

/// Reads the model in a folder.
///
/// # Errors
///
/// Returns [`FormatError::Unsupported`] if the model is of another kind, or has an option that Attend's networks do not
/// have; and an error that names file and field if a file is missing, damaged or contradicts another.
pub(crate) fn read(files: &Files) -> Result<ForeignModel, FormatError> {
    let path = files.path(CONFIG);
    let purpose = "the settings of the model";
    let kind: Kind = files.json(CONFIG, purpose)?;
    match kind.model_type.as_deref() {
        Some("marian") => {}
        Some(other) => return Err(unsupported(&path, format!("model_type is {other:?}"))),
        None => return Err(unsupported(&path, "there is no model_type".to_owned())),
    }
    let theirs: Config = files.json(CONFIG, purpose)?;
    refuse_unsupported(&theirs, &path)?;

    let vocabulary = vocabulary(files, VOCABULARY, theirs.vocab_size)?;
    let target_vocabulary = if files.read_if_present(TARGET_VOCABULARY)?.is_some() {
        let size = theirs.decoder_vocab_size.unwrap_or(theirs.vocab_size);
        Some(self::vocabulary(files, TARGET_VOCABULARY, size)?)
    } else {
        None
    };
    for (token, number) in [(PAD, theirs.pad_token_id), (EOS, theirs.eos_token_id)] {
        for words in [Some(&vocabulary), target_vocabulary.as_ref()]
            .into_iter()
            .flatten()
        {
            if words.number(token) != Some(number) {
                let reason =
                    format!("it gives {token} the number {number}, but the vocabulary gives it another");
                return Err(FormatError::settings(&path, reason));
            }
        }
    }
    let mut weights = Weights::of(open_weights(files)?);
    let config = config(&theirs, target_vocabulary.is_some(), &path)?;
    config
        .validate()
        .map_err(|error| FormatError::settings(&path, error))?;
    take_weights(&mut weights, &config)?;
    Ok(ForeignModel {
        format: Format::HuggingFace,
        config,
        weights,
        generation: generation(files)?,
        languages: languages(files)?,
        vocabulary,
        target_vocabulary,
        source_pieces: files.pieces("source.spm", "which cuts the source into pieces")?,
        target_pieces: files.pieces("target.spm", "which cuts the target into pieces")?,
        shortlist: None,
    })
}

fn unsupported(path: &Path, found: String) -> FormatError {
    FormatError::Unsupported {
        path: path.to_owned(),
        found,
        supported: SUPPORTED,
    }
}

/// Refuses options that change what the network computes in ways that Attend's networks do not have.
fn refuse_unsupported(theirs: &Config, path: &Path) -> Result<(), FormatError> {
    let refused = [
        (theirs.normalize_before, "normalize_before is true"),
        (theirs.normalize_embedding, "normalize_embedding is true"),
        (theirs.add_final_layer_norm, "add_final_layer_norm is true"),
        (
            !theirs.static_position_embeddings,
            "static_position_embeddings is false, so positions are learned",
        ),
        (!theirs.scale_embedding, "scale_embedding is false"),
        (
            theirs.encoder_attention_heads != theirs.decoder_attention_heads,
            "encoder_attention_heads and decoder_attention_heads differ",
        ),
        (
            theirs.encoder_ffn_dim != theirs.decoder_ffn_dim,
            "encoder_ffn_dim and decoder_ffn_dim differ",
        ),
    ];
    match refused.into_iter().find(|(is_refused, _)| *is_refused) {
        Some((_, found)) => Err(unsupported(path, found.to_owned())),
        None => Ok(()),
    }
}

/// Reads a vocabulary, which must have `size` pieces.
fn vocabulary(files: &Files, name: &str, size: usize) -> Result<Vocabulary, FormatError> {
    let path = files.path(name);
    let numbers: HashMap<String, usize> = files.json(name, "the numbers of the pieces")?;
    if numbers.len() != size {
        let reason = format!("it has {} pieces, but the network has {size}", numbers.len());
        return Err(FormatError::settings(&path, reason));
    }
    Vocabulary::of_numbers(&path, numbers)
}

fn open_weights(files: &Files) -> Result<Box<dyn TensorFile>, FormatError> {
    let [safetensors, pytorch] = HUGGING_FACE_WEIGHTS;
    let path = files.path(safetensors);
    match files.read_if_present(safetensors)? {
        Some(bytes) => Ok(Box::new(read_safetensors(&path, bytes)?)),
        None if files.path(pytorch).is_file() => Ok(Box::new(PyTorchFile::open(&files.path(pytorch))?)),
        None => Err(FormatError::Missing {
            path: files.folder(),
            missing: format!("{safetensors}, nor a {pytorch}"),
        }),
    }
}

/// Returns the shape of the network. Which embeddings are tied shows in the file of weights too.
fn config(
    theirs: &Config,
    has_target_vocabulary: bool,
    path: &Path,
) -> Result<TransformerConfig, FormatError> {
    let activation = match theirs.activation_function.as_str() {
        "swish" | "silu" => ActivationKind::Swish,
        "relu" => ActivationKind::Relu,
        "gelu" => ActivationKind::Gelu,
        other => return Err(unsupported(path, format!("activation_function is {other:?}"))),
    };
    let tie_embeddings = match (
        theirs.share_encoder_decoder_embeddings,
        theirs.tie_word_embeddings,
    ) {
        (true, true) => TiedEmbeddings::All,
        (false, true) => TiedEmbeddings::Decoder,
        (_, false) => TiedEmbeddings::None,
    };
    let target = theirs.decoder_vocab_size.unwrap_or(theirs.vocab_size);
    if !has_target_vocabulary && target != theirs.vocab_size {
        let reason = format!(
            "decoder_vocab_size is {target} and vocab_size {}, but there is no {TARGET_VOCABULARY}",
            theirs.vocab_size
        );
        return Err(FormatError::settings(path, reason));
    }
    Ok(TransformerConfig {
        d_model: theirs.d_model,
        d_ff: theirs.encoder_ffn_dim,
        n_heads: theirs.encoder_attention_heads,
        encoder_layers: theirs.encoder_layers,
        decoder_layers: theirs.decoder_layers,
        dropout: theirs.dropout,
        positions: PositionKind::SinusoidalHalves,
        max_length: theirs.max_position_embeddings,
        tie_embeddings,
        pad_id: theirs.pad_token_id,
        activation,
        output_bias: true,
        target_vocab_size: has_target_vocabulary.then_some(target),
        decoder_start_id: Some(theirs.decoder_start_token_id.unwrap_or(theirs.pad_token_id)),
        ..Preset::Base.config(theirs.vocab_size)
    })
}

/// Takes each tensor of the network.
fn take_weights(weights: &mut Weights, config: &TransformerConfig) -> Result<(), FormatError> {
    let (width, inner) = (config.d_model, config.d_ff);
    let (source, target) = (config.vocab_size, config.target_vocabulary());
    if weights.has("model.shared.weight") {
        weights.take("model.shared.weight", "embedding.weight", &[source, width])?;
    } else {
        weights.take(
            "model.encoder.embed_tokens.weight",
            "embedding.weight",
            &[source, width],
        )?;
    }
    if config.tie_embeddings != TiedEmbeddings::All {
        let own = "model.decoder.embed_tokens.weight";
        let name = if weights.has(own) {
            own
        } else {
            "model.shared.weight"
        };
        weights.take(name, "untied.target.weight", &[target, width])?;
    }
    if config.tie_embeddings == TiedEmbeddings::None {
        weights.take("lm_head.weight", "untied.output.weight", &[target, width])?;
    }
    // transformers leaves padding out of the probabilities: it is a bad word, and the others are normalised anew.
    if weights.has("final_logits_bias") {
        let never = (config.pad_id, NEVER);
        weights.take_replacing("final_logits_bias", "output_bias", target, never)?;
    } else {
        let mut bias = vec![0.0; target];
        bias[config.pad_id] = NEVER;
        weights.add_vector("output_bias", bias);
    }
    for (side, layers) in [
        ("encoder", config.encoder_layers),
        ("decoder", config.decoder_layers),
    ] {
        for number in 0..layers {
            let ours = format!("{side}.layers.{number}");
            let theirs = format!("model.{ours}");
            let attentions = [
                ("self_attn", "self_attention"),
                ("encoder_attn", "cross_attention"),
            ];
            for (their_name, our_name) in attentions.into_iter().take(if side == "encoder" { 1 } else { 2 }) {
                let (theirs, ours) = (format!("{theirs}.{their_name}"), format!("{ours}.{our_name}"));
                for (their_part, our_part) in [
                    ("q_proj", "query"),
                    ("k_proj", "key"),
                    ("v_proj", "value"),
                    ("out_proj", "output"),
                ] {
                    let (theirs, ours) = (format!("{theirs}.{their_part}"), format!("{ours}.{our_part}"));
                    take_linear(weights, &theirs, &ours, [width, width])?;
                }
                take_norm(
                    weights,
                    &format!("{theirs}_layer_norm"),
                    &format!("{ours}_norm"),
                    width,
                )?;
            }
            let feed_forward = format!("{ours}.feed_forward");
            take_linear(
                weights,
                &format!("{theirs}.fc1"),
                &format!("{feed_forward}.inner"),
                [inner, width],
            )?;
            take_linear(
                weights,
                &format!("{theirs}.fc2"),
                &format!("{feed_forward}.outer"),
                [width, inner],
            )?;
            take_norm(
                weights,
                &format!("{theirs}.final_layer_norm"),
                &format!("{feed_forward}_norm"),
                width,
            )?;
        }
    }
    for tensor in NEEDLESS {
        weights.leave(tensor);
    }
    weights.require_all_known()
}

fn take_linear(
    weights: &mut Weights,
    theirs: &str,
    ours: &str,
    shape: [usize; 2],
) -> Result<(), FormatError> {
    weights.take(&format!("{theirs}.weight"), &format!("{ours}.weight"), &shape)?;
    weights.take(&format!("{theirs}.bias"), &format!("{ours}.bias"), &shape[..1])
}

/// Takes the norm around a sub-layer.
fn take_norm(weights: &mut Weights, theirs: &str, ours: &str, width: usize) -> Result<(), FormatError> {
    for part in ["weight", "bias"] {
        weights.take(
            &format!("{theirs}.{part}"),
            &format!("{ours}.norm.{part}"),
            &[width],
        )?;
    }
    Ok(())
}

/// Returns the search defaults. The options that Hugging Face leaves out have its defaults, not Attend's.
fn generation(files: &Files) -> Result<SearchOptions, FormatError> {
    let newer = files.json_if_present("generation_config.json")?;
    let theirs: Generation = match newer {
        Some(generation) => generation,
        None => files.json_if_present(CONFIG)?.unwrap_or_default(),
    };
    Ok(SearchOptions {
        beam_size: theirs.num_beams.unwrap_or(1),
        length_penalty: theirs.length_penalty.unwrap_or(1.0),
        length_normalization: LengthNormalization::Length,
        stopping: match theirs.early_stopping {
            Some(Value::Bool(true)) => Stopping::TransformersEarly,
            Some(Value::String(_)) => Stopping::Exact,
            _ => Stopping::Transformers,
        },
        no_repeat_ngram: theirs.no_repeat_ngram_size.unwrap_or(0),
        unknown: Unknown::Keep,
        ..SearchOptions::default()
    })
}

/// Returns the languages, as far as they have codes. A model of several languages may name a group of them.
fn languages(files: &Files) -> Result<Languages, FormatError> {
    let theirs: TokenizerConfig = files
        .json_if_present("tokenizer_config.json")?
        .unwrap_or_default();
    let language = |code: Option<String>| code.and_then(|code| code.parse::<Language>().ok());
    Ok(Languages {
        source: language(theirs.source_lang),
        target: language(theirs.target_lang),
    })
}

//! A `MarianMTModel` of Hugging Face's transformers: its settings, and the names of its weights.

use std::path::Path;

use attend_infer::search::{LengthNormalization, SearchOptions, Stopping, Unknown};
use attend_infer::{Language, Languages};
use attend_model::{ActivationKind, PositionKind, Preset, TiedEmbeddings, TransformerConfig};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::error::FormatError;
use crate::files::Files;
use crate::foreign_model::ForeignModel;
use crate::format::{Format, HUGGING_FACE_WEIGHTS};
use crate::tensors::{PyTorchFile, TensorFile, read_safetensors};
use crate::vocabulary::{EOS, NEVER, Numbers, PAD, Vocabulary};
use crate::weights::Weights;

const CONFIG: &str = "config.json";
const GENERATION: &str = "generation_config.json";
const TOKENIZER: &str = "tokenizer_config.json";
const VOCABULARY: &str = "vocab.json";
const TARGET_VOCABULARY: &str = "target_vocab.json";

/// What Attend reads of Hugging Face's models.
const SUPPORTED: &str = "MarianMT models as the converter from Marian writes them are read";

/// The names of the embeddings: of both sides, of the encoder, of the decoder, and of the output. A file has some of
/// those that are the same matrix.
const EMBEDDINGS: [&str; 4] = [
    "model.shared.weight",
    "model.encoder.embed_tokens.weight",
    "model.decoder.embed_tokens.weight",
    "lm_head.weight",
];

/// Tables that are computed, which older files have.
const POSITIONS: [&str; 2] = [
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

/// The options of the search, which are in `generation_config.json`, and in `config.json` of older models. Lengths
/// count the first token of the decoder and `</s>`.
#[derive(Default, Deserialize)]
struct Generation {
    num_beams: Option<usize>,
    length_penalty: Option<f32>,
    no_repeat_ngram_size: Option<usize>,
    min_length: Option<usize>,
    max_length: Option<usize>,
    /// A minimum and a maximum that leave out the first token of the decoder, and go before the other ones.
    min_new_tokens: Option<usize>,
    max_new_tokens: Option<usize>,
    /// Whether a beam search stops as soon as the beam is full of complete hypotheses.
    early_stopping: Option<bool>,
}

/// A `tokenizer_config.json`, as far as it is read.
#[derive(Default, Deserialize)]
struct TokenizerConfig {
    source_lang: Option<String>,
    target_lang: Option<String>,
    /// Whether the target has a vocabulary of its own.
    #[serde(default)]
    separate_vocabs: bool,
}

/// Reads the model in a folder.
///
/// # Errors
///
/// Returns [`FormatError::Unsupported`] if the model is of another kind, or has an option that Attend's networks do not
/// have; and an error that names file and field if a file is missing, damaged or contradicts another.
pub(crate) fn read(files: &Files) -> Result<ForeignModel, FormatError> {
    let path = files.path(CONFIG);
    let theirs = read_config(files)?;
    let tokenizer: TokenizerConfig = files.json_if_present(TOKENIZER)?.unwrap_or_default();
    let vocabulary = vocabulary(files, VOCABULARY, theirs.vocab_size)?;
    let target_vocabulary = if tokenizer.separate_vocabs {
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
        generation: generation(files, &theirs)?,
        languages: languages(tokenizer),
        vocabulary,
        target_vocabulary,
        source_pieces: files.pieces("source.spm", "which cuts the source into pieces")?,
        target_pieces: files.pieces("target.spm", "which cuts the target into pieces")?,
        shortlist: None,
    })
}

/// Checks by the `config.json` of a folder, which may have no other file yet, that the network is one that is read.
///
/// # Errors
///
/// Returns [`FormatError::Unsupported`] if the model is of another kind, or has an option that Attend's networks do not
/// have; and an error that names file and field if the file is missing or not valid.
pub fn check_hugging_face_config(folder: impl AsRef<Path>) -> Result<(), FormatError> {
    read_config(&Files::Folder(folder.as_ref().to_owned())).map(|_| ())
}

/// Reads the settings of the network, and refuses those of other networks.
fn read_config(files: &Files) -> Result<Config, FormatError> {
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
    Ok(theirs)
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
    let numbers: Numbers = files.json(name, "the numbers of the pieces")?;
    let vocabulary = Vocabulary::of_numbers(&path, numbers)?;
    if vocabulary.len() != size {
        let reason = format!("it has {} pieces, but the network has {size}", vocabulary.len());
        return Err(FormatError::settings(&path, reason));
    }
    Ok(vocabulary)
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
        (true, true) if !has_target_vocabulary => TiedEmbeddings::All,
        // Two vocabularies of one size may share an embedding. It is then written for each of them.
        (_, true) => TiedEmbeddings::Decoder,
        (_, false) => TiedEmbeddings::None,
    };
    let target = theirs.decoder_vocab_size.unwrap_or(theirs.vocab_size);
    if !has_target_vocabulary && target != theirs.vocab_size {
        let reason = format!(
            "decoder_vocab_size is {target} and vocab_size {}, but {TOKENIZER} does not set separate_vocabs, by \
             which {TARGET_VOCABULARY} is read",
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
    let embeddings = EMBEDDINGS.map(|name| (name, weights.has(name)));
    let first = |names: &[&'static str]| {
        let is_there = |name: &&&'static str| embeddings.contains(&(**name, true));
        *names.iter().find(is_there).unwrap_or(&names[0])
    };
    let [shared, of_encoder, of_decoder, of_output] = EMBEDDINGS;
    let of_source = match config.tie_embeddings {
        TiedEmbeddings::All => first(&EMBEDDINGS),
        _ => first(&[of_encoder, shared]),
    };
    weights.take(of_source, "embedding.weight", &[source, width])?;
    if config.tie_embeddings != TiedEmbeddings::All {
        let of_target = match config.tie_embeddings {
            TiedEmbeddings::Decoder => first(&[of_decoder, of_output, shared]),
            _ => first(&[of_decoder, shared]),
        };
        weights.take(of_target, "untied.target.weight", &[target, width])?;
    }
    if config.tie_embeddings == TiedEmbeddings::None {
        weights.take(of_output, "untied.output.weight", &[target, width])?;
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
    for tensor in EMBEDDINGS.iter().chain(&POSITIONS) {
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

/// Returns the search defaults. The options that Hugging Face leaves out have its defaults, not Attend's, except for
/// the maximum length, which is then Attend's.
fn generation(files: &Files, theirs: &Config) -> Result<SearchOptions, FormatError> {
    let name = if files.names()?.iter().any(|name| name == GENERATION) {
        GENERATION
    } else {
        CONFIG
    };
    let purpose = "the options of the search";
    refuse_other_searches(&files.json(name, purpose)?, theirs, &files.path(name))?;
    let theirs: Generation = files.json(name, purpose)?;
    let min_length = match (theirs.min_new_tokens, theirs.min_length) {
        (Some(tokens), _) => tokens,
        (None, length) => length.unwrap_or(0).saturating_sub(1),
    };
    let max_length = match (theirs.max_new_tokens, theirs.max_length) {
        (Some(tokens), _) => Some(tokens.saturating_sub(1)),
        (None, length) => length.map(|length| length.saturating_sub(2)),
    };
    Ok(SearchOptions {
        beam_size: theirs.num_beams.unwrap_or(1),
        length_penalty: theirs.length_penalty.unwrap_or(1.0),
        length_normalization: LengthNormalization::Length,
        stopping: match theirs.early_stopping {
            Some(true) => Stopping::TransformersEarly,
            _ => Stopping::Transformers,
        },
        min_length,
        max_length,
        no_repeat_ngram: theirs.no_repeat_ngram_size.unwrap_or(0),
        unknown: Unknown::Keep,
        ..SearchOptions::default()
    })
}

/// Refuses options that change translations in ways that Attend's search does not have.
fn refuse_other_searches(
    options: &Map<String, Value>,
    theirs: &Config,
    path: &Path,
) -> Result<(), FormatError> {
    let start = theirs.decoder_start_token_id.unwrap_or(theirs.pad_token_id);
    // The value by which an option changes nothing. `null` and an empty list do not, either.
    let neutral = [
        ("do_sample", json!(false)),
        ("num_beam_groups", json!(1)),
        ("penalty_alpha", json!(0)),
        ("guidance_scale", json!(1)),
        ("early_stopping", json!(false)),
        ("early_stopping", json!(true)),
        ("repetition_penalty", json!(1)),
        ("encoder_repetition_penalty", json!(1)),
        ("encoder_no_repeat_ngram_size", json!(0)),
        ("bad_words_ids", json!([[theirs.pad_token_id]])),
        ("decoder_start_token_id", json!(start)),
        ("eos_token_id", json!(theirs.eos_token_id)),
        ("forced_eos_token_id", json!(theirs.eos_token_id)),
        ("forced_bos_token_id", Value::Null),
        ("suppress_tokens", Value::Null),
        ("begin_suppress_tokens", Value::Null),
        ("sequence_bias", Value::Null),
        ("force_words_ids", Value::Null),
        ("constraints", Value::Null),
        ("exponential_decay_length_penalty", Value::Null),
    ];
    let changes = |(name, value): (&String, &Value)| {
        let is_empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        // 1 and 1.0 are the same number.
        let is_same = |other: &Value| {
            value == other
                || value
                    .as_f64()
                    .is_some_and(|number| other.as_f64() == Some(number))
        };
        let of_option = neutral.iter().filter(|(key, _)| key == name);
        let of_option: Vec<&Value> = of_option.map(|(_, neutral)| neutral).collect();
        !is_empty && !of_option.is_empty() && !of_option.into_iter().any(is_same)
    };
    match options.iter().find(|option| changes(*option)) {
        Some((name, value)) => Err(FormatError::Unsupported {
            path: path.to_owned(),
            found: format!("{name} is {:.40}", value.to_string()),
            supported: "the model is read without this option",
        }),
        None => Ok(()),
    }
}

/// Returns the languages, as far as they have codes. A model of several languages may name a group of them.
fn languages(tokenizer: TokenizerConfig) -> Languages {
    let language = |code: Option<String>| code.and_then(|code| code.parse::<Language>().ok());
    Languages {
        source: language(tokenizer.source_lang),
        target: language(tokenizer.target_lang),
    }
}

//! The `config.json` of a model of Hugging Face.

use std::path::Path;

use attend_model::{ActivationKind, PositionKind, Preset, TiedEmbeddings, TransformerConfig};
use serde::Deserialize;

use super::{TARGET_VOCABULARY, TOKENIZER};
use crate::error::FormatError;
use crate::files::Files;

pub(super) const CONFIG: &str = "config.json";

/// What Attend reads of Hugging Face's models.
const SUPPORTED: &str = "MarianMT models as the converter from Marian writes them are read";

/// The kind of the model in a `config.json`.
#[derive(Deserialize)]
struct Kind {
    model_type: Option<String>,
}

/// A `config.json`, as far as it describes the network.
#[derive(Deserialize)]
pub(super) struct Config {
    pub(super) vocab_size: usize,
    pub(super) decoder_vocab_size: Option<usize>,
    pub(super) d_model: usize,
    pub(super) encoder_layers: usize,
    pub(super) decoder_layers: usize,
    pub(super) encoder_attention_heads: usize,
    pub(super) decoder_attention_heads: usize,
    pub(super) encoder_ffn_dim: usize,
    pub(super) decoder_ffn_dim: usize,
    pub(super) activation_function: String,
    pub(super) max_position_embeddings: usize,
    pub(super) pad_token_id: usize,
    pub(super) eos_token_id: usize,
    pub(super) decoder_start_token_id: Option<usize>,
    #[serde(default)]
    pub(super) dropout: f64,
    #[serde(default)]
    pub(super) scale_embedding: bool,
    #[serde(default = "yes")]
    pub(super) static_position_embeddings: bool,
    #[serde(default)]
    pub(super) normalize_before: bool,
    #[serde(default)]
    pub(super) normalize_embedding: bool,
    #[serde(default)]
    pub(super) add_final_layer_norm: bool,
    #[serde(default = "yes")]
    pub(super) share_encoder_decoder_embeddings: bool,
    #[serde(default = "yes")]
    pub(super) tie_word_embeddings: bool,
}

fn yes() -> bool {
    true
}

/// Reads the settings of the network, and refuses those of other networks.
pub(super) fn read_config(files: &Files) -> Result<Config, FormatError> {
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

/// Returns the shape of the network. Which embeddings are tied shows in the file of weights too.
pub(super) fn config(
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

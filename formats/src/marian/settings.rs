//! The settings of a model of Marian, which are in the file of its weights.

use std::path::Path;

use attend_model::{ActivationKind, LayerKind, PositionKind, Preset, TiedEmbeddings, TransformerConfig};
use serde::Deserialize;

use crate::error::FormatError;

/// What Attend reads of Marian's models.
const SUPPORTED: &str = "Transformers with layer normalization after each sub-layer, sinusoidal positions, and \
                         self-attention or an SSRU in the decoder are read";

/// The maximum number of tokens in a sentence. Marian's models have no such number, since they compute their positions.
const MAX_LENGTH: usize = 512;

/// The epsilon of Marian's layer normalization.
const NORM_EPSILON: f64 = 1e-6;

/// The settings of a model, as far as they describe the network. Marian writes all of them, and earlier versions of it
/// fewer.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Settings {
    pub(super) r#type: String,
    pub(super) dim_emb: usize,
    pub(super) transformer_dim_ffn: usize,
    pub(super) transformer_heads: usize,
    pub(super) enc_depth: usize,
    pub(super) dec_depth: usize,
    pub(super) transformer_ffn_activation: String,
    pub(super) transformer_preprocess: String,
    pub(super) transformer_postprocess: String,
    #[serde(default)]
    pub(super) transformer_postprocess_emb: String,
    #[serde(default)]
    pub(super) transformer_postprocess_top: String,
    #[serde(default = "self_attention")]
    pub(super) transformer_decoder_autoreg: String,
    #[serde(default)]
    pub(super) dec_cell: String,
    #[serde(default)]
    pub(super) transformer_decoder_dim_ffn: usize,
    #[serde(default = "two")]
    pub(super) transformer_ffn_depth: usize,
    #[serde(default)]
    pub(super) transformer_decoder_ffn_depth: usize,
    #[serde(default)]
    pub(super) transformer_train_position_embeddings: bool,
    #[serde(default)]
    pub(super) transformer_no_projection: bool,
    #[serde(default)]
    pub(super) transformer_tied_layers: Vec<usize>,
    #[serde(default)]
    pub(super) right_left: bool,
    #[serde(default)]
    pub(super) tied_embeddings: bool,
    #[serde(default)]
    pub(super) tied_embeddings_src: bool,
    #[serde(default)]
    pub(super) tied_embeddings_all: bool,
    #[serde(default)]
    pub(super) output_omit_bias: bool,
}

fn self_attention() -> String {
    "self-attention".to_owned()
}

fn two() -> usize {
    2
}

/// Refuses settings that change what the network computes in ways that Attend's networks do not have.
pub(super) fn refuse_unsupported(settings: &Settings, path: &Path) -> Result<(), FormatError> {
    let inner = settings.transformer_dim_ffn;
    let texts = [
        ("type", settings.r#type.as_str(), settings.r#type == "transformer"),
        (
            "transformer-preprocess",
            &settings.transformer_preprocess,
            settings.transformer_preprocess.is_empty(),
        ),
        (
            "transformer-postprocess",
            &settings.transformer_postprocess,
            matches!(settings.transformer_postprocess.as_str(), "dan" | "an"),
        ),
        (
            "transformer-postprocess-emb",
            &settings.transformer_postprocess_emb,
            matches!(settings.transformer_postprocess_emb.as_str(), "d" | ""),
        ),
        (
            "transformer-postprocess-top",
            &settings.transformer_postprocess_top,
            settings.transformer_postprocess_top.is_empty(),
        ),
        (
            "transformer-decoder-autoreg",
            &settings.transformer_decoder_autoreg,
            matches!(
                settings.transformer_decoder_autoreg.as_str(),
                "self-attention" | "rnn"
            ),
        ),
        (
            "dec-cell",
            &settings.dec_cell,
            settings.transformer_decoder_autoreg != "rnn" || settings.dec_cell == "ssru",
        ),
        (
            "transformer-ffn-activation",
            &settings.transformer_ffn_activation,
            // Marian's "gelu" is another function than that of the paper.
            matches!(settings.transformer_ffn_activation.as_str(), "relu" | "swish"),
        ),
    ];
    if let Some((key, value, _)) = texts.into_iter().find(|(.., is_read)| !is_read) {
        return Err(unsupported(path, format!("{key} is {value:?}")));
    }
    let others = [
        (
            settings.transformer_ffn_depth != 2,
            "transformer-ffn-depth is not 2",
        ),
        (
            !matches!(settings.transformer_decoder_ffn_depth, 0 | 2),
            "transformer-decoder-ffn-depth is not 2",
        ),
        (
            settings.transformer_decoder_dim_ffn != 0 && settings.transformer_decoder_dim_ffn != inner,
            "transformer-dim-ffn and transformer-decoder-dim-ffn differ",
        ),
        (
            settings.transformer_train_position_embeddings,
            "transformer-train-position-embeddings is true, so positions are learned",
        ),
        (
            settings.transformer_no_projection,
            "transformer-no-projection is true",
        ),
        (
            !settings.transformer_tied_layers.is_empty(),
            "transformer-tied-layers names layers that share weights",
        ),
        (
            settings.right_left,
            "right-left is true, so translations are written backwards",
        ),
    ];
    match others.into_iter().find(|(is_refused, _)| *is_refused) {
        Some((_, found)) => Err(unsupported(path, found.to_owned())),
        None => Ok(()),
    }
}

/// Returns the shape of the network. The sizes of the vocabularies count `<pad>`, which Marian does without.
pub(super) fn config(
    settings: &Settings,
    vocab_size: usize,
    target_vocab_size: Option<usize>,
) -> TransformerConfig {
    let activation = match settings.transformer_ffn_activation.as_str() {
        "swish" => ActivationKind::Swish,
        _ => ActivationKind::Relu,
    };
    let tied_output = settings.tied_embeddings_all || settings.tied_embeddings;
    let tied_source = settings.tied_embeddings_all || settings.tied_embeddings_src;
    let tie_embeddings = match (tied_output, tied_source) {
        (true, true) if target_vocab_size.is_none() => TiedEmbeddings::All,
        // Two vocabularies of one size may have one embedding. It is then written for each of them.
        (true, _) => TiedEmbeddings::Decoder,
        (false, _) => TiedEmbeddings::None,
    };
    TransformerConfig {
        d_model: settings.dim_emb,
        d_ff: settings.transformer_dim_ffn,
        n_heads: settings.transformer_heads,
        encoder_layers: settings.enc_depth,
        decoder_layers: settings.dec_depth,
        positions: PositionKind::Marian,
        max_length: MAX_LENGTH,
        tie_embeddings,
        pad_id: vocab_size - 1,
        decoder_layer: if settings.transformer_decoder_autoreg == "rnn" {
            LayerKind::Ssru
        } else {
            LayerKind::SelfAttention
        },
        activation,
        norm_epsilon: NORM_EPSILON,
        output_bias: true,
        target_vocab_size,
        decoder_start_id: Some(vocab_size - 1),
        ..Preset::Base.config(vocab_size)
    }
}

pub(super) fn unsupported(path: &Path, found: String) -> FormatError {
    FormatError::Unsupported {
        path: path.to_owned(),
        found,
        supported: SUPPORTED,
    }
}

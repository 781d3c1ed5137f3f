//! Translators of CTranslate2.

mod network;
mod weights;

use std::collections::BTreeSet;
use std::path::Path;

use attend_data::SentencePieceModel;
use attend_infer::Languages;
use attend_infer::search::{LengthNormalization, SearchOptions, Stopping, Unknown};
use attend_model::{Preset, TransformerConfig};
use serde::Deserialize;

use self::network::Network;
use self::weights::take_weights;
use crate::error::FormatError;
use crate::files::Files;
use crate::foreign_model::ForeignModel;
use crate::format::Format;
use crate::tensors::read_ctranslate2;
use crate::vocabulary::{EOS, PAD, UNK, Vocabulary};
use crate::weights::Weights;

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.bin";

/// What Attend reads of CTranslate2's models.
const SUPPORTED: &str = "translators with added positions, usual attention and a source without <s> are read";

/// A `config.json`.
#[derive(Deserialize)]
struct Config {
    #[serde(default = "unk")]
    unk_token: String,
    #[serde(default = "eos")]
    eos_token: String,
    decoder_start_token: Option<String>,
    #[serde(default)]
    add_source_bos: bool,
    #[serde(default)]
    add_source_eos: bool,
    layer_norm_epsilon: Option<f64>,
}

fn unk() -> String {
    UNK.to_owned()
}

fn eos() -> String {
    EOS.to_owned()
}

/// Reads the model in a folder, with the SentencePiece models that are in it.
///
/// # Errors
///
/// Returns the errors of [`read_with`].
pub(crate) fn read(files: &Files) -> Result<ForeignModel, FormatError> {
    let names: BTreeSet<String> = files.names()?.into_iter().collect();
    let single = |name: &&String| {
        name.ends_with(".spm") || name.ends_with(".model") || name.as_str() == "sentencepiece.model"
    };
    let (source, target) = match names.iter().filter(single).collect::<Vec<_>>().as_slice() {
        [one] => ((*one).clone(), (*one).clone()),
        _ => ("source.spm".to_owned(), "target.spm".to_owned()),
    };
    let source = files.pieces(
        &source,
        "or another SentencePiece model, which cuts the source into pieces",
    )?;
    let target = files.pieces(
        &target,
        "or another SentencePiece model, which cuts the target into pieces",
    )?;
    read_with(files, source, target)
}

/// Reads the model in a folder, with the SentencePiece models of source and target.
///
/// # Errors
///
/// Returns [`FormatError::Unsupported`] if the network computes what Attend's do not; and an error that names file and
/// variable if a file is missing, damaged or contradicts another.
pub(crate) fn read_with(
    files: &Files,
    source_pieces: SentencePieceModel,
    target_pieces: SentencePieceModel,
) -> Result<ForeignModel, FormatError> {
    let settings: Config = files.json(CONFIG, "the settings of the model")?;
    let path = files.path(CONFIG);
    if settings.add_source_bos {
        return Err(unsupported(
            &path,
            "add_source_bos is true, so the source begins with <s>",
        ));
    }
    let weights_path = files.path(WEIGHTS);
    let file = read_ctranslate2(&weights_path, files.read(WEIGHTS, "the weights")?)?;
    let network = Network::of(&file, &weights_path)?;

    let mut vocabularies = read_vocabularies(files, &settings)?;
    // All vocabularies have <pad>, or none has.
    let adds_pad = vocabularies
        .iter()
        .any(|(_, pieces)| !pieces.iter().any(|piece| piece == PAD));
    if adds_pad {
        for (_, pieces) in &mut vocabularies {
            pieces.push(PAD.to_owned());
        }
    }
    let mut read = vocabularies
        .into_iter()
        .map(|(name, pieces)| Vocabulary::of_pieces(&files.path(&name), pieces));
    let vocabulary = read.next().unwrap_or_else(|| Err(missing_vocabulary(files)))?;
    let target_vocabulary = read.next().transpose()?;
    let target = target_vocabulary.as_ref().unwrap_or(&vocabulary);
    let start = if network.starts_from_zeros {
        target.number(PAD)
    } else {
        let token = settings.decoder_start_token.as_deref().unwrap_or("<s>");
        target.number(token)
    };
    let Some(start) = start else {
        return Err(FormatError::settings(
            &path,
            "its decoder_start_token is not in the vocabulary",
        ));
    };
    let pad = vocabulary.number(PAD).unwrap_or_default();
    if target.number(PAD) != Some(pad) {
        return Err(unsupported(&path, "source and target pad with different numbers"));
    }
    if network.starts_from_zeros && !adds_pad {
        return Err(unsupported(
            &path,
            "the decoder starts from zeros, though the vocabulary has a token for padding",
        ));
    }
    let config = TransformerConfig {
        d_model: network.width,
        d_ff: network.inner,
        n_heads: network.heads,
        encoder_layers: network.layers[0],
        decoder_layers: network.layers[1],
        norm: network.norm,
        positions: network.positions,
        max_length: network.max_length,
        tie_embeddings: network.tie_embeddings,
        pad_id: pad,
        activation: network.activation,
        norm_epsilon: settings.layer_norm_epsilon.unwrap_or(1e-5),
        output_bias: true,
        target_vocab_size: target_vocabulary.as_ref().map(Vocabulary::len),
        decoder_start_id: Some(start),
        source_eos: settings.add_source_eos,
        ..Preset::Base.config(vocabulary.len())
    };
    config
        .validate()
        .map_err(|error| FormatError::settings(&weights_path, error))?;
    let mut weights = Weights::of(Box::new(file));
    take_weights(&mut weights, &config, adds_pad)?;
    Ok(ForeignModel {
        format: Format::CTranslate2,
        config,
        weights,
        generation: generation(),
        languages: Languages::default(),
        vocabulary,
        target_vocabulary,
        source_pieces,
        target_pieces,
        shortlist: None,
    })
}

fn unsupported(path: &Path, found: impl ToString) -> FormatError {
    FormatError::Unsupported {
        path: path.to_owned(),
        found: found.to_string(),
        supported: SUPPORTED,
    }
}

fn missing_vocabulary(files: &Files) -> FormatError {
    FormatError::Missing {
        path: files.folder(),
        missing: "shared_vocabulary.json, nor a source_vocabulary.json and a target_vocabulary.json"
            .to_owned(),
    }
}

/// Reads the vocabulary, or the two vocabularies of source and target, with the names of their files. The tokens that
/// Attend knows get the names that it has for them.
fn read_vocabularies(files: &Files, settings: &Config) -> Result<Vec<(String, Vec<String>)>, FormatError> {
    let names: &[&str] = if files
        .names()?
        .iter()
        .any(|name| name.starts_with("shared_vocabulary"))
    {
        &["shared_vocabulary"]
    } else {
        &["source_vocabulary", "target_vocabulary"]
    };
    let mut vocabularies = Vec::new();
    for name in names {
        let json = format!("{name}.json");
        let text = format!("{name}.txt");
        let (name, mut pieces) = if let Some(pieces) = files.json_if_present::<Vec<String>>(&json)? {
            (json, pieces)
        } else if let Some(bytes) = files.read_if_present(&text)? {
            let lines = String::from_utf8_lossy(&bytes)
                .lines()
                .map(str::to_owned)
                .collect();
            (text, lines)
        } else {
            return Err(missing_vocabulary(files));
        };
        for piece in &mut pieces {
            let known = match piece.as_str() {
                "<blank>" => PAD,
                piece if piece == settings.eos_token => EOS,
                piece if piece == settings.unk_token => UNK,
                _ => continue,
            };
            known.clone_into(piece);
        }
        vocabularies.push((name, pieces));
    }
    Ok(vocabularies)
}

/// Returns the search defaults of CTranslate2.
fn generation() -> SearchOptions {
    SearchOptions {
        beam_size: 2,
        length_penalty: 1.0,
        length_normalization: LengthNormalization::Length,
        stopping: Stopping::CTranslate2,
        min_length: 1,
        unknown: Unknown::Keep,
        ..SearchOptions::default()
    }
}

//! Translators of CTranslate2: their settings, and the names of their weights.

use std::collections::BTreeSet;
use std::path::Path;

use attend_data::SentencePieceModel;
use attend_infer::Languages;
use attend_infer::search::{LengthNormalization, SearchOptions, Stopping, Unknown};
use attend_model::{
    ActivationKind, NormPlacement, PositionKind, Preset, TiedEmbeddings, TransformerConfig, marian_sinusoids,
    sinusoid_halves, sinusoids,
};
use serde::Deserialize;

use crate::error::FormatError;
use crate::files::Files;
use crate::foreign_model::ForeignModel;
use crate::format::Format;
use crate::tensors::{TensorBytes, TensorFile, read_ctranslate2};
use crate::vocabulary::{EOS, NEVER, PAD, UNK, Vocabulary};
use crate::weights::Weights;

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.bin";

/// What Attend reads of CTranslate2's models.
const SUPPORTED: &str = "translators with added positions, usual attention and a source without <s> are read";

/// How far a table of positions in 16 bits may be from the numbers that are computed.
const TOLERANCE: f32 = 2e-3;

/// Scalars that describe the network, and say nothing more if they are 0.
const FLAGS: [&str; 6] = [
    "alibi",
    "alibi_use_positive_positions",
    "scale_alibi",
    "multi_query_attention",
    "embeddings_merge",
    "layernorm_embedding",
];

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

/// What the variables say of the network.
struct Network {
    width: usize,
    inner: usize,
    heads: usize,
    /// The layers of encoder and decoder.
    layers: [usize; 2],
    norm: NormPlacement,
    positions: PositionKind,
    max_length: usize,
    activation: ActivationKind,
    tie_embeddings: TiedEmbeddings,
    starts_from_zeros: bool,
}

impl Network {
    fn of(file: &TensorBytes, path: &Path) -> Result<Self, FormatError> {
        let both = |name: &str| {
            let [encoder, decoder] =
                ["encoder", "decoder"].map(|side| file.integer(&format!("{side}/{name}")));
            match (encoder, decoder) {
                (Some(encoder), Some(decoder)) if encoder == decoder => Ok(encoder),
                (Some(_), Some(_)) => Err(unsupported(
                    path,
                    format!("{name} differs from encoder to decoder"),
                )),
                _ => Err(FormatError::tensor(
                    path,
                    &format!("encoder/{name}"),
                    "is missing",
                )),
            }
        };
        for (flag, side) in FLAGS
            .iter()
            .flat_map(|flag| ["encoder", "decoder"].map(|side| (flag, side)))
        {
            let name = format!("{side}/{flag}");
            if file.integer(&name).unwrap_or(0) != 0 {
                return Err(unsupported(path, format!("{name} is not 0")));
            }
        }
        if both("scale_embeddings")? != 1 {
            return Err(unsupported(path, "scale_embeddings is not 1"));
        }
        let activation = match both("activation")? {
            0 => ActivationKind::Relu,
            2 => ActivationKind::Swish,
            3 => ActivationKind::Gelu,
            other => return Err(unsupported(path, format!("activation is {other}"))),
        };
        let norm = match both("pre_norm")? {
            0 => NormPlacement::Post,
            _ => NormPlacement::Pre,
        };
        let matrix = |name: &str| match file.shape(name) {
            Some([rows, columns]) => Ok((*rows, *columns)),
            Some(shape) => Err(FormatError::tensor(
                path,
                name,
                format!("has the shape {shape:?}, but is a matrix"),
            )),
            None => Err(FormatError::tensor(path, name, "is missing")),
        };
        let (_, width) = matrix("encoder/embeddings_0/weight")?;
        let (inner, _) = matrix("encoder/layer_0/ffn/linear_0/weight")?;
        let (positions, max_length) = positions(file, path, width)?;
        let layers = ["encoder", "decoder"].map(|side| {
            let has = |layer: &usize| {
                file.shape(&format!("{side}/layer_{layer}/ffn/linear_0/weight"))
                    .is_some()
            };
            (0..).take_while(has).count()
        });
        let embedding = "decoder/embeddings/weight";
        let tie_embeddings = match (
            file.are_same(embedding, "decoder/projection/weight"),
            file.are_same(embedding, "encoder/embeddings_0/weight"),
        ) {
            (true, true) => TiedEmbeddings::All,
            (true, false) => TiedEmbeddings::Decoder,
            (false, _) => TiedEmbeddings::None,
        };
        Ok(Self {
            width,
            inner,
            heads: usize::try_from(both("num_heads")?).unwrap_or_default(),
            layers,
            norm,
            positions,
            max_length,
            activation,
            tie_embeddings,
            starts_from_zeros: file.integer("decoder/start_from_zero_embedding").unwrap_or(0) != 0,
        })
    }
}

/// Returns the kind and the number of positions, by the table of their encodings in the file. A table that no formula
/// gives is a learned one.
fn positions(file: &TensorBytes, path: &Path, width: usize) -> Result<(PositionKind, usize), FormatError> {
    let [encoder, decoder] =
        ["encoder", "decoder"].map(|side| format!("{side}/position_encodings/encodings"));
    let Some(&[length, found]) = file.shape(&encoder) else {
        return Err(unsupported(
            path,
            "it has no table of positions, which are relative or computed",
        ));
    };
    if found != width {
        return Err(FormatError::tensor(
            path,
            &encoder,
            format!("is not {width} wide"),
        ));
    }
    if !file.are_same(&encoder, &decoder) {
        return Ok((PositionKind::Learned, length));
    }
    // Computed positions are of an even width.
    if !width.is_multiple_of(2) || width == 2 {
        return Ok((PositionKind::Learned, length));
    }
    let table = file.read(&encoder)?;
    let is_computed = |formula: fn(usize, usize) -> Vec<f32>| {
        let computed = formula(length, width);
        table
            .iter()
            .zip(&computed)
            .all(|(found, number)| (found - number).abs() < TOLERANCE)
    };
    let kind = if is_computed(sinusoids) {
        PositionKind::Sinusoidal
    } else if is_computed(sinusoid_halves) {
        PositionKind::SinusoidalHalves
    } else if is_computed(marian_sinusoids) {
        PositionKind::Marian
    } else {
        PositionKind::Learned
    };
    Ok((kind, length))
}

/// Takes each variable of the network. If `adds_pad`, `<pad>` gets an embedding of zeros, from which the decoder may
/// start, and a logit that rules it out.
fn take_weights(
    weights: &mut Weights,
    config: &TransformerConfig,
    adds_pad: bool,
) -> Result<(), FormatError> {
    let (width, inner) = (config.d_model, config.d_ff);
    let added = usize::from(adds_pad);
    let (source, target) = (config.vocab_size - added, config.target_vocabulary() - added);
    let mut take_rows = |theirs: &str, ours: &str, rows: usize| {
        if adds_pad {
            weights.take_with_row(theirs, ours, &[rows, width], 0.0)
        } else {
            weights.take(theirs, ours, &[rows, width])
        }
    };
    take_rows("encoder/embeddings_0/weight", "embedding.weight", source)?;
    if config.tie_embeddings != TiedEmbeddings::All {
        take_rows("decoder/embeddings/weight", "untied.target.weight", target)?;
    }
    if config.tie_embeddings == TiedEmbeddings::None {
        take_rows("decoder/projection/weight", "untied.output.weight", target)?;
    }
    // Tied matrices are one variable under several names.
    for name in ["decoder/embeddings/weight", "decoder/projection/weight"] {
        weights.leave(name);
    }
    let bias = "decoder/projection/bias";
    if !weights.has(bias) {
        let mut zeros = vec![0.0; target + added];
        // A padding of its own has a part in CTranslate2's probabilities.
        if adds_pad {
            zeros[config.pad_id] = NEVER;
        }
        weights.add_vector("output_bias", zeros);
    } else if adds_pad {
        weights.take_with_row(bias, "output_bias", &[target], NEVER)?;
    } else {
        weights.take(bias, "output_bias", &[target])?;
    }
    for (side, positions, layers) in [
        ("encoder", "source_positions", config.encoder_layers),
        ("decoder", "target_positions", config.decoder_layers),
    ] {
        let table = format!("{side}/position_encodings/encodings");
        if config.positions == PositionKind::Learned {
            weights.take(
                &table,
                &format!("{positions}.learned.weight"),
                &[config.max_length, width],
            )?;
        } else {
            weights.leave(&table);
        }
        if config.norm == NormPlacement::Pre {
            take_norm(
                weights,
                &format!("{side}/layer_norm"),
                &format!("{side}.norm"),
                width,
            )?;
        }
        for number in 0..layers {
            let (theirs, ours) = (
                format!("{side}/layer_{number}"),
                format!("{side}.layers.{number}"),
            );
            let own = format!("{ours}.self_attention");
            let (attention, cross) = (format!("{theirs}/self_attention"), format!("{theirs}/attention"));
            take_together(
                weights,
                &format!("{attention}/linear_0"),
                &own,
                &["query", "key", "value"],
                width,
            )?;
            take_linear(
                weights,
                &format!("{attention}/linear_1"),
                &format!("{own}.output"),
                [width, width],
            )?;
            take_norm(
                weights,
                &format!("{attention}/layer_norm"),
                &format!("{own}_norm.norm"),
                width,
            )?;
            if side == "decoder" {
                let own = format!("{ours}.cross_attention");
                take_linear(
                    weights,
                    &format!("{cross}/linear_0"),
                    &format!("{own}.query"),
                    [width, width],
                )?;
                take_together(
                    weights,
                    &format!("{cross}/linear_1"),
                    &own,
                    &["key", "value"],
                    width,
                )?;
                take_linear(
                    weights,
                    &format!("{cross}/linear_2"),
                    &format!("{own}.output"),
                    [width, width],
                )?;
                take_norm(
                    weights,
                    &format!("{cross}/layer_norm"),
                    &format!("{own}_norm.norm"),
                    width,
                )?;
            }
            let (theirs, ours) = (format!("{theirs}/ffn"), format!("{ours}.feed_forward"));
            take_linear(
                weights,
                &format!("{theirs}/linear_0"),
                &format!("{ours}.inner"),
                [inner, width],
            )?;
            take_linear(
                weights,
                &format!("{theirs}/linear_1"),
                &format!("{ours}.outer"),
                [width, inner],
            )?;
            take_norm(
                weights,
                &format!("{theirs}/layer_norm"),
                &format!("{ours}_norm.norm"),
                width,
            )?;
        }
        let scalars = [
            "activation",
            "num_heads",
            "pre_norm",
            "scale_embeddings",
            "alignment_heads",
            "alignment_layer",
        ];
        for name in scalars.iter().chain(&FLAGS).chain(&["start_from_zero_embedding"]) {
            weights.leave(&format!("{side}/{name}"));
        }
    }
    weights.require_all_known()
}

/// Takes a linear layer. One without a bias gets a bias of zeros.
fn take_linear(
    weights: &mut Weights,
    theirs: &str,
    ours: &str,
    shape: [usize; 2],
) -> Result<(), FormatError> {
    weights.take(&format!("{theirs}/weight"), &format!("{ours}.weight"), &shape)?;
    let (bias, name) = (format!("{theirs}/bias"), format!("{ours}.bias"));
    if weights.has(&bias) {
        weights.take(&bias, &name, &shape[..1])
    } else {
        weights.add_vector(&name, vec![0.0; shape[0]]);
        Ok(())
    }
}

/// Takes several projections of the same input, whose rows follow each other in one matrix.
fn take_together(
    weights: &mut Weights,
    theirs: &str,
    ours: &str,
    parts: &[&str],
    width: usize,
) -> Result<(), FormatError> {
    let rows = parts.len() * width;
    let (weight, bias) = (format!("{theirs}/weight"), format!("{theirs}/bias"));
    for (index, part) in parts.iter().enumerate() {
        let range = index * width..(index + 1) * width;
        weights.take_rows(
            &weight,
            &format!("{ours}.{part}.weight"),
            &[rows, width],
            range.clone(),
        )?;
        let name = format!("{ours}.{part}.bias");
        if weights.has(&bias) {
            weights.take_rows(&bias, &name, &[rows], range)?;
        } else {
            weights.add_vector(&name, vec![0.0; width]);
        }
    }
    Ok(())
}

fn take_norm(weights: &mut Weights, theirs: &str, ours: &str, width: usize) -> Result<(), FormatError> {
    weights.take(&format!("{theirs}/gamma"), &format!("{ours}.weight"), &[width])?;
    weights.take(&format!("{theirs}/beta"), &format!("{ours}.bias"), &[width])
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

//! Models of Marian, Firefox's translation models among them: their settings, and the names of their weights.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use attend_data::{DataError, SentencePieceModel};
use attend_infer::search::{LengthNormalization, SearchOptions};
use attend_infer::{Language, Languages, LexicalShortlist};
use attend_model::{ActivationKind, LayerKind, PositionKind, Preset, TiedEmbeddings, TransformerConfig};
use serde::Deserialize;

use crate::error::FormatError;
use crate::files::Files;
use crate::foreign_model::ForeignModel;
use crate::format::{Format, marian_weights};
use crate::tensors::{Npz, SETTINGS, TensorFile, read_marian_bin};
use crate::vocabulary::{NEVER, PAD, Vocabulary};
use crate::weights::Weights;

/// What Attend reads of Marian's models.
const SUPPORTED: &str = "Transformers with layer normalization after each sub-layer, sinusoidal positions, and \
                         self-attention or an SSRU in the decoder are read";

/// The maximum number of tokens in a sentence. Marian's models have no such number, since they compute their positions.
const MAX_LENGTH: usize = 512;

/// The epsilon of Marian's layer normalization.
const NORM_EPSILON: f64 = 1e-6;

/// The end of the names of tensors by which Marian rounds activations to 8 bits.
const ACTIVATION_SCALE: &str = "_QuantMultA";

/// The settings of a model, as far as they describe the network. Marian writes all of them, and earlier versions of it
/// fewer.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Settings {
    r#type: String,
    dim_emb: usize,
    transformer_dim_ffn: usize,
    transformer_heads: usize,
    enc_depth: usize,
    dec_depth: usize,
    transformer_ffn_activation: String,
    transformer_preprocess: String,
    transformer_postprocess: String,
    #[serde(default)]
    transformer_postprocess_emb: String,
    #[serde(default)]
    transformer_postprocess_top: String,
    #[serde(default = "self_attention")]
    transformer_decoder_autoreg: String,
    #[serde(default)]
    dec_cell: String,
    #[serde(default)]
    transformer_decoder_dim_ffn: usize,
    #[serde(default = "two")]
    transformer_ffn_depth: usize,
    #[serde(default)]
    transformer_decoder_ffn_depth: usize,
    #[serde(default)]
    transformer_train_position_embeddings: bool,
    #[serde(default)]
    transformer_no_projection: bool,
    #[serde(default)]
    transformer_tied_layers: Vec<usize>,
    #[serde(default)]
    right_left: bool,
    #[serde(default)]
    tied_embeddings: bool,
    #[serde(default)]
    tied_embeddings_src: bool,
    #[serde(default)]
    tied_embeddings_all: bool,
    #[serde(default)]
    output_omit_bias: bool,
}

fn self_attention() -> String {
    "self-attention".to_owned()
}

fn two() -> usize {
    2
}

/// A `.yml` beside a model, which tells Marian's decoder what to load and how to search.
#[derive(Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
struct DecoderSettings {
    /// The files of weights.
    models: Vec<String>,
    vocabs: Vec<String>,
    beam_size: Option<usize>,
    normalize: Option<f32>,
}

/// Reads the model in a file, or the only model in a folder. The SentencePiece models are beside it.
///
/// # Errors
///
/// Returns [`FormatError::Unsupported`] if the network computes what Attend's do not; and an error that names file and
/// tensor if a file is missing, damaged or contradicts another.
pub(crate) fn read(source: &Path) -> Result<(ForeignModel, Files), FormatError> {
    let path = weights_path(source)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let files = Files::Folder(if folder.as_os_str().is_empty() {
        ".".into()
    } else {
        folder.to_owned()
    });
    let (file, settings) = open(&path)?;
    refuse_unsupported(&settings, &path)?;

    let weights_name = path.file_name().unwrap_or_default().to_string_lossy();
    let decoder = decoder_settings(&files, &weights_name)?;
    let languages = language_codes(&files, &weights_name)?;
    let (source_name, target_name) = vocabulary_names(&files, &decoder, languages)?;
    let source_pieces = files.pieces(&source_name, "which cuts the source into pieces")?;
    let target_pieces = files.pieces(&target_name, "which cuts the target into pieces")?;
    let vocabulary = |name: &str, model: &SentencePieceModel| {
        let path = files.path(name);
        let mut pieces: Vec<String> = model.pieces().iter().map(|piece| piece.text.clone()).collect();
        if pieces.iter().any(|piece| piece == PAD) {
            return Err(FormatError::settings(
                &path,
                format!("it has a piece {PAD}, which Marian never reads"),
            ));
        }
        pieces.push(PAD.to_owned());
        Vocabulary::of_pieces(&path, pieces)
    };
    let source_vocabulary = vocabulary(&source_name, &source_pieces)?;
    let target_vocabulary = if source_pieces.file() == target_pieces.file() {
        None
    } else {
        Some(vocabulary(&target_name, &target_pieces)?)
    };
    if let Some(target) = &target_vocabulary
        && target.len() != source_vocabulary.len()
    {
        // Padding has one number on both sides.
        return Err(unsupported(
            &path,
            format!(
                "{source_name} has {} pieces and {target_name} {}",
                source_vocabulary.len() - 1,
                target.len() - 1
            ),
        ));
    }

    let config = config(
        &settings,
        source_vocabulary.len(),
        target_vocabulary.as_ref().map(Vocabulary::len),
    );
    config
        .validate()
        .map_err(|error| FormatError::settings(&path, error))?;
    let shortlist = shortlist(&files, &path, config.target_vocabulary())?;
    let mut weights = Weights::of(file);
    take_weights(&mut weights, &config, &settings)?;
    let model = ForeignModel {
        format: Format::Marian,
        config,
        weights,
        generation: generation(&decoder),
        languages: languages.map_or_else(Languages::default, |codes| Languages {
            source: codes[..CODE].parse().ok(),
            target: codes[CODE..].parse().ok(),
        }),
        vocabulary: source_vocabulary,
        target_vocabulary,
        source_pieces,
        target_pieces,
        shortlist,
    };
    Ok((model, files))
}

/// Returns the file itself, or the only model of a folder. States of the optimizer are no models.
fn weights_path(source: &Path) -> Result<PathBuf, FormatError> {
    if source.is_file() {
        return Ok(source.to_owned());
    }
    let name = |path: &PathBuf| {
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    let mut models = marian_weights(source)?;
    models.retain(|path| !name(path).contains(".optimizer."));
    match models.as_slice() {
        [model] => Ok(model.clone()),
        [] => Err(FormatError::UnknownFormat {
            path: source.to_owned(),
        }),
        several => Err(FormatError::Several {
            path: source.to_owned(),
            kind: "models",
            names: several.iter().map(name).collect(),
        }),
    }
}

/// Opens a file of weights, and reads the settings of the model in it.
fn open(path: &Path) -> Result<(Box<dyn TensorFile>, Settings), FormatError> {
    let settings = |yaml: Option<&[u8]>| {
        let yaml = yaml.ok_or_else(|| FormatError::tensor(path, SETTINGS, "is missing"))?;
        parse_yaml(&path.join(SETTINGS), yaml)
    };
    if path.extension() == Some(OsStr::new("npz")) {
        let file = Npz::open(path)?;
        let settings = settings(file.settings()?.as_deref())?;
        return Ok((Box::new(file), settings));
    }
    let bytes = fs::read(path).map_err(|error| DataError::read(path, error))?;
    let file = read_marian_bin(path, bytes)?;
    let settings = settings(file.raw(SETTINGS))?;
    Ok((Box::new(file), settings))
}

fn parse_yaml<'a, T: Deserialize<'a>>(path: &Path, bytes: &'a [u8]) -> Result<T, FormatError> {
    // The text of a tensor ends with NUL, and may be filled up with further ones.
    let text = bytes.split(|byte| *byte == 0).next().unwrap_or_default();
    serde_saphyr::from_slice(text).map_err(|error| {
        // The message goes on with the lines of the file.
        let reason = error.to_string();
        FormatError::settings(path, reason.lines().next().unwrap_or_default())
    })
}

fn unsupported(path: &Path, found: String) -> FormatError {
    FormatError::Unsupported {
        path: path.to_owned(),
        found,
        supported: SUPPORTED,
    }
}

/// Refuses settings that change what the network computes in ways that Attend's networks do not have.
fn refuse_unsupported(settings: &Settings, path: &Path) -> Result<(), FormatError> {
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

/// Returns the settings of the decoder from the `.yml` that names the file of weights, or else from one that names
/// none.
///
/// # Errors
///
/// Returns [`FormatError::Several`] if there are several with different settings.
fn decoder_settings(files: &Files, weights: &str) -> Result<DecoderSettings, FormatError> {
    let mut candidates = Vec::new();
    for name in files.names()? {
        if !name.ends_with(".yml") {
            continue;
        }
        // Files of other programs end like this too.
        let bytes = files.read(&name, "which was there before")?;
        if let Ok(settings) = parse_yaml::<DecoderSettings>(&files.path(&name), &bytes)
            && !settings.vocabs.is_empty()
        {
            candidates.push((name, settings));
        }
    }
    let names_weights =
        |settings: &DecoderSettings| settings.models.iter().any(|path| file_name(path) == weights);
    if candidates.iter().any(|(_, settings)| names_weights(settings)) {
        candidates.retain(|(_, settings)| names_weights(settings));
    } else {
        candidates.retain(|(_, settings)| settings.models.is_empty());
    }
    candidates.dedup_by(|(_, one), (_, other)| one == other);
    if candidates.len() > 1 {
        return Err(FormatError::Several {
            path: files.folder(),
            kind: "files of settings",
            names: candidates.into_iter().map(|(name, _)| name).collect(),
        });
    }
    Ok(candidates
        .pop()
        .map_or_else(DecoderSettings::default, |(_, settings)| settings))
}

/// Returns the part of a path, as Marian writes it, that is the name of a file.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// Returns the names of the SentencePiece models of source and target: those that a `.yml` names, or the one or two
/// that are there. If the file of weights has the codes of languages in its name, those with the same codes come first.
///
/// # Errors
///
/// Returns [`FormatError::Several`] if several files may be that of a side, and [`FormatError::Missing`] if none may.
fn vocabulary_names(
    files: &Files,
    decoder: &DecoderSettings,
    languages: Option<&str>,
) -> Result<(String, String), FormatError> {
    let ends = |name: &String| name.ends_with(".spm");
    match decoder.vocabs.as_slice() {
        [] => {}
        [source, target] | [source @ target] => {
            if let Some(other) = [source, target].into_iter().find(|name| !ends(name)) {
                return Err(FormatError::Unsupported {
                    path: files.path(other),
                    found: "it is no .spm".to_owned(),
                    supported: "vocabularies that are SentencePiece models are read",
                });
            }
            return Ok((file_name(source).to_owned(), file_name(target).to_owned()));
        }
        several => {
            return Err(FormatError::Several {
                path: files.folder(),
                kind: "vocabularies of a source",
                names: several.to_vec(),
            });
        }
    }
    let mut names: Vec<String> = files.names()?.into_iter().filter(ends).collect();
    let has_codes = |name: &String| languages.is_some_and(|codes| has_part(name, codes));
    if names.iter().any(has_codes) {
        names.retain(has_codes);
    }
    if let [one] = names.as_slice() {
        return Ok((one.clone(), one.clone()));
    }
    let of_side = |sides: [&str; 2]| {
        let begins = |name: &&String| sides.iter().any(|side| name.starts_with(side));
        names.iter().filter(begins).collect::<Vec<_>>()
    };
    match (
        of_side(["source", "src"]).as_slice(),
        of_side(["target", "trg"]).as_slice(),
    ) {
        ([source], [target]) => Ok(((*source).clone(), (*target).clone())),
        _ if names.is_empty() => Err(FormatError::Missing {
            path: files.folder(),
            missing: "single .spm, and no pair of a source.spm and a target.spm, which cut text into pieces"
                .to_owned(),
        }),
        _ => Err(FormatError::Several {
            path: files.folder(),
            kind: ".spm files",
            names,
        }),
    }
}

/// Reads the lexical shortlist beside the weights, if there is one: the only `lex.*.bin`, or of several the one with the
/// languages of the weights, as `lex.50.50.enpt.s2t.bin` has those of `model.enpt.intgemm.alphas.bin`.
fn shortlist(
    files: &Files,
    weights: &Path,
    target_vocabulary: usize,
) -> Result<Option<LexicalShortlist>, FormatError> {
    let mut names = files.names()?;
    names.retain(|name| name.starts_with("lex.") && name.ends_with(".bin"));
    if names.len() > 1 {
        let weights = weights.file_name().unwrap_or_default().to_string_lossy();
        let languages = weights.split('.').nth(1);
        names.retain(|name| name.split('.').any(|part| Some(part) == languages));
    }
    let [name] = names.as_slice() else {
        return Ok(None);
    };
    let file = files.read(name, "which was there before")?;
    let shortlist = LexicalShortlist::parse(file, &files.path(name), target_vocabulary)?;
    Ok(Some(shortlist))
}

/// Returns the shape of the network. The sizes of the vocabularies count `<pad>`, which Marian does without.
fn config(settings: &Settings, vocab_size: usize, target_vocab_size: Option<usize>) -> TransformerConfig {
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

/// Takes each tensor of the network. `<pad>` gets an embedding of zeros, which the decoder of Marian reads first, and a
/// logit that rules it out.
fn take_weights(
    weights: &mut Weights,
    config: &TransformerConfig,
    settings: &Settings,
) -> Result<(), FormatError> {
    let (width, inner) = (config.d_model, config.d_ff);
    // Without <pad>.
    let (source, target) = (config.vocab_size - 1, config.target_vocabulary() - 1);
    let shared = |own: &'static str, weights: &Weights| if weights.has(own) { own } else { "Wemb" };
    let encoder = shared("encoder_Wemb", weights);
    weights.take_with_row(encoder, "embedding.weight", &[source, width], 0.0)?;
    if config.tie_embeddings != TiedEmbeddings::All {
        let decoder = shared("decoder_Wemb", weights);
        weights.take_with_row(decoder, "untied.target.weight", &[target, width], 0.0)?;
    }
    if config.tie_embeddings == TiedEmbeddings::None {
        let name = "untied.output.weight";
        weights.take_transposed_with_row("decoder_ff_logit_out_W", name, [target, width], 0.0)?;
    }
    if settings.output_omit_bias {
        let mut bias = vec![0.0; target];
        bias.push(NEVER);
        weights.add_vector("output_bias", bias);
    } else {
        weights.take_with_row("decoder_ff_logit_out_b", "output_bias", &[target], NEVER)?;
    }
    for (side, layers) in [
        ("encoder", config.encoder_layers),
        ("decoder", config.decoder_layers),
    ] {
        for number in 0..layers {
            let (theirs, ours) = (
                format!("{side}_l{}", number + 1),
                format!("{side}.layers.{number}"),
            );
            if side == "decoder" && config.decoder_layer == LayerKind::Ssru {
                take_ssru(weights, &format!("{theirs}_rnn"), &ours, width)?;
            } else {
                take_attention(
                    weights,
                    &format!("{theirs}_self"),
                    &format!("{ours}.self_attention"),
                    width,
                )?;
            }
            if side == "decoder" {
                take_attention(
                    weights,
                    &format!("{theirs}_context"),
                    &format!("{ours}.cross_attention"),
                    width,
                )?;
            }
            let (theirs, ours) = (format!("{theirs}_ffn"), format!("{ours}.feed_forward"));
            take_linear(weights, &theirs, "1", &format!("{ours}.inner"), [inner, width])?;
            take_linear(weights, &theirs, "2", &format!("{ours}.outer"), [width, inner])?;
            take_norm(weights, &format!("{theirs}_ffn"), &ours, width)?;
        }
    }
    let names = weights.file().names().into_iter();
    let needless: Vec<String> = names
        .filter(|name| *name == SETTINGS || name.ends_with(ACTIVATION_SCALE))
        .map(str::to_owned)
        .collect();
    for name in needless {
        weights.leave(&name);
    }
    weights.require_all_known()
}

fn take_attention(weights: &mut Weights, theirs: &str, ours: &str, width: usize) -> Result<(), FormatError> {
    for (their_part, our_part) in [("q", "query"), ("k", "key"), ("v", "value"), ("o", "output")] {
        take_linear(
            weights,
            theirs,
            their_part,
            &format!("{ours}.{our_part}"),
            [width, width],
        )?;
    }
    take_norm(weights, &format!("{theirs}_Wo"), ours, width)
}

fn take_ssru(weights: &mut Weights, theirs: &str, layer: &str, width: usize) -> Result<(), FormatError> {
    let square = [width, width];
    let ours = format!("{layer}.ssru");
    take_linear(weights, theirs, "f", &format!("{ours}.forget"), square)?;
    weights.take_transposed(
        &format!("{theirs}_W"),
        &format!("{ours}.candidate.weight"),
        square,
    )?;
    take_norm(
        weights,
        &format!("{theirs}_ffn"),
        &format!("{layer}.self_attention"),
        width,
    )
}

/// Takes a linear layer, whose weight is `[inputs, outputs]` in Marian.
fn take_linear(
    weights: &mut Weights,
    theirs: &str,
    part: &str,
    ours: &str,
    shape: [usize; 2],
) -> Result<(), FormatError> {
    weights.take_transposed(&format!("{theirs}_W{part}"), &format!("{ours}.weight"), shape)?;
    weights.take(&format!("{theirs}_b{part}"), &format!("{ours}.bias"), &shape[..1])
}

/// Takes the norm around a sub-layer.
fn take_norm(weights: &mut Weights, theirs: &str, ours: &str, width: usize) -> Result<(), FormatError> {
    for (their_part, our_part) in [("scale", "weight"), ("bias", "bias")] {
        let (theirs, ours) = (
            format!("{theirs}_ln_{their_part}"),
            format!("{ours}_norm.norm.{our_part}"),
        );
        weights.take(&theirs, &ours, &[width])?;
    }
    Ok(())
}

/// Returns the search defaults: those of the decoder's settings, as far as they are there.
fn generation(decoder: &DecoderSettings) -> SearchOptions {
    let defaults = SearchOptions::default();
    match (decoder.beam_size, decoder.normalize) {
        (None, None) => defaults,
        (beam_size, normalize) => SearchOptions {
            beam_size: beam_size.unwrap_or(defaults.beam_size),
            length_penalty: normalize.unwrap_or(0.0),
            length_normalization: LengthNormalization::Length,
            ..defaults
        },
    }
}

/// The number of letters of the code of a language in the name of a file.
const CODE: usize = 2;

/// Returns the codes of source and target in the name of a file of weights, such as `enpt` in
/// `model.enpt.intgemm.alphas.bin`; `None` if the name has none. A word such as `base` may be two codes by chance. So a
/// vocabulary or a shortlist beside the weights must have the same part in its name.
fn language_codes<'a>(files: &Files, weights: &'a str) -> Result<Option<&'a str>, FormatError> {
    let is_language = |code: &str| code.parse::<Language>().is_ok();
    let are_codes = |part: &&str| {
        let is_pair = part.len() == 2 * CODE && part.bytes().all(|byte| byte.is_ascii_lowercase());
        is_pair && is_language(&part[..CODE]) && is_language(&part[CODE..])
    };
    let Some(codes) = weights.split('.').nth(1).filter(are_codes) else {
        return Ok(None);
    };
    let names = files.names()?;
    let mut companions = names
        .iter()
        .filter(|name| name.ends_with(".spm") || name.starts_with("lex."));
    Ok(companions.any(|name| has_part(name, codes)).then_some(codes))
}

/// Returns whether one of the parts of a file's name, between its points, is `part`.
fn has_part(name: &str, part: &str) -> bool {
    name.split('.').any(|other| other == part)
}

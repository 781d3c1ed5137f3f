//! The files beside the weights of a model of Marian: which of them belong to it, and what they say.

use attend_infer::search::{LengthNormalization, SearchOptions};
use attend_infer::{Language, LexicalShortlist};
use serde::Deserialize;

use super::parse_yaml;
use crate::error::FormatError;
use crate::files::Files;

/// A `.yml` beside a model, which tells Marian's decoder what to load and how to search.
#[derive(Default, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case", default)]
pub(super) struct DecoderSettings {
    /// The files of weights.
    models: Vec<String>,
    vocabs: Vec<String>,
    beam_size: Option<usize>,
    normalize: Option<f32>,
}

/// Returns the settings of the decoder from the `.yml` that names the file of weights, or else from one that names
/// none.
///
/// # Errors
///
/// Returns [`FormatError::Several`] if there are several with different settings.
pub(super) fn decoder_settings(files: &Files, weights: &str) -> Result<DecoderSettings, FormatError> {
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
pub(super) fn vocabulary_names(
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
/// language codes of the weights, as `lex.50.50.enpt.s2t.bin` has those of `model.enpt.intgemm.alphas.bin`.
pub(super) fn shortlist(
    files: &Files,
    codes: Option<&str>,
    target_vocabulary: usize,
) -> Result<Option<LexicalShortlist>, FormatError> {
    let mut names = files.names()?;
    names.retain(|name| name.starts_with("lex.") && name.ends_with(".bin"));
    if names.len() > 1 {
        names.retain(|name| codes.is_some_and(|codes| has_part(name, codes)));
    }
    let [name] = names.as_slice() else {
        return Ok(None);
    };
    let file = files.read(name, "which was there before")?;
    let shortlist = LexicalShortlist::parse(file, &files.path(name), target_vocabulary)?;
    Ok(Some(shortlist))
}

/// Returns the search defaults: those of the decoder's settings, as far as they are there.
pub(super) fn generation(decoder: &DecoderSettings) -> SearchOptions {
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
pub(super) const CODE: usize = 2;

/// Returns the codes of source and target in the name of a file of weights, such as `enpt` in
/// `model.enpt.intgemm.alphas.bin`; `None` if the name has none. A word such as `base` may be two codes by chance. So a
/// vocabulary or a shortlist beside the weights must have the same part in its name.
pub(super) fn language_codes<'a>(files: &Files, weights: &'a str) -> Result<Option<&'a str>, FormatError> {
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

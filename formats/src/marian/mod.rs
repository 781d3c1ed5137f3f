//! Models of Marian, Firefox's translation models among them.

mod companions;
mod settings;
mod weights;

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use attend_data::{DataError, SentencePieceModel};
use attend_infer::Languages;
use serde::Deserialize;

use self::companions::{CODE, decoder_settings, generation, language_codes, shortlist, vocabulary_names};
use self::settings::{Settings, config, refuse_unsupported, unsupported};
use self::weights::take_weights;
use crate::error::FormatError;
use crate::files::Files;
use crate::foreign_model::ForeignModel;
use crate::format::{Format, marian_weights};
use crate::tensors::{Npz, SETTINGS, TensorFile, read_marian_bin};
use crate::vocabulary::{PAD, Vocabulary};
use crate::weights::Weights;

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
    let shortlist = shortlist(&files, languages, config.target_vocabulary())?;
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

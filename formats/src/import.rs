//! From a foreign model to a model folder.

use std::path::Path;

use attend_data::{DataError, write_file};
use attend_device::Workers;
use attend_infer::search::SearchOptions;
use attend_infer::{InferError, Languages, Model, ModelFolder, Precision, TranslateOptions, Translator};
use attend_model::TransformerConfig;
use burn::tensor::Device;
use serde::Serialize;

use crate::archive::Archive;
use crate::error::FormatError;
use crate::files::Files;
use crate::foreign_model::ForeignModel;
use crate::format::Format;
use crate::new_folder::{CONFIG, NewFolder};
use crate::{argos, ctranslate2, hugging_face, marian};

/// The text that is translated to see whether a model works. Every language has it, and every tokenizer its characters.
const SAMPLE: &str = "1, 2, 3";
/// The most tokens of the translation of [`SAMPLE`].
const SAMPLE_TOKENS: usize = 20;

/// The names with which a file begins that says what a model is and who may use it, in small letters.
const NOTICES: [&str; 5] = ["readme", "license", "licence", "copying", "notice"];
/// The most bytes of these files together. Others are not copied.
const MOST_NOTICES: u64 = 1 << 20;

/// What an [`import`] has found, before it writes anything.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The format of the model.
    pub format: Format,
    /// The shape of the network.
    pub config: TransformerConfig,
    /// The languages, as far as the model names them.
    pub languages: Languages,
    /// The names of the files that say what the model is and who may use it. They are copied.
    pub notices: Vec<String>,
}

/// How far an [`import`] is.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// The model is of a known format, and its parts fit together.
    Found(Box<Found>),
    /// Weights are written.
    Weights {
        /// The number of bytes that have been written.
        written: u64,
        /// The number of all bytes.
        all: u64,
    },
    /// The new model folder is loaded, and translates a sentence.
    Trial,
}

/// What a new model folder makes of a sample of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The text.
    pub source: &'static str,
    /// Its translation, which is empty if the model gives nothing.
    pub translation: String,
}

/// Writes the model at `source` as the model folder `output`, which must not exist yet or be empty. It gets its files
/// when all are complete and a sample of text has been translated with them on `device`. `observe` is called as the
/// import goes on. What an earlier import has left there that was ended from outside, as by Ctrl-C, is removed.
///
/// # Errors
///
/// Returns [`FormatError::OutputExists`] if `output` has files; [`FormatError::UnknownFormat`] if no model of a known
/// format is at `source`; [`FormatError::Unsupported`] if it computes something that Attend's networks do not; and an
/// error that names file, tensor and field if it is damaged or contradicts itself. Nothing is left at `output` then.
///
/// # Panics
///
/// If the device fails. [`attend_device::notice_device_failure`] around the call turns this panic into an error.
pub fn import(
    source: impl AsRef<Path>,
    output: impl AsRef<Path>,
    device: &Device,
    mut observe: impl FnMut(Progress),
) -> Result<Trial, FormatError> {
    let (source, output) = (source.as_ref(), output.as_ref());
    NewFolder::require_new(output)?;
    let (model, files) = read(source)?;
    let most = model.config.max_length - 1;
    model
        .generation
        .validate_for(most)
        .map_err(|error| FormatError::settings(source, error))?;
    let notices = notices(&files)?;
    observe(Progress::Found(Box::new(Found {
        format: model.format,
        config: model.config.clone(),
        languages: model.languages.clone(),
        notices: notices.iter().map(|(name, _)| name.clone()).collect(),
    })));

    let folder = NewFolder::create(output)?;
    write(&model, notices, folder.path(), &mut observe)?;
    // The foreign weights are no longer held when those of the new folder are loaded.
    drop(model);
    observe(Progress::Trial);
    let trial = try_out(folder.path(), device)?;
    folder.finish()?;
    Ok(trial)
}

/// Reads a model of any known format. Returns it with the files that it was read from.
fn read(source: &Path) -> Result<(ForeignModel, Files), FormatError> {
    let folder = Files::Folder(source.to_owned());
    Ok(match Format::of(source)? {
        Format::HuggingFace => (hugging_face::read(&folder)?, folder),
        Format::Marian => marian::read(source)?,
        Format::CTranslate2 => (ctranslate2::read(&folder)?, folder),
        Format::Argos => {
            let files = if source.is_dir() {
                folder
            } else {
                argos::files(Archive::open(source, argos::FORMAT)?)?
            };
            (argos::read(&files)?, files)
        }
    })
}

/// Returns the files that say what a model is and who may use it.
pub(crate) fn notices(files: &Files) -> Result<Vec<(String, Vec<u8>)>, FormatError> {
    let mut notices = Vec::new();
    let mut left = MOST_NOTICES;
    for name in files.names()? {
        let lower = name.to_ascii_lowercase();
        if !NOTICES.iter().any(|begin| lower.starts_with(begin)) {
            continue;
        }
        let length = files.length(&name)?;
        if length <= left {
            left -= length;
            let bytes = files.read(&name, "which was there before")?;
            notices.push((name, bytes));
        }
    }
    Ok(notices)
}

/// Writes the files of a model folder into `folder`.
fn write(
    model: &ForeignModel,
    notices: Vec<(String, Vec<u8>)>,
    folder: &Path,
    observe: &mut impl FnMut(Progress),
) -> Result<(), FormatError> {
    write_json(&folder.join(CONFIG), &model.config)?;
    write_json(&folder.join("generation.json"), &model.generation)?;
    if model.languages != Languages::default() {
        write_json(&folder.join("languages.json"), &model.languages)?;
    }
    write_json(&folder.join("vocab.json"), &model.vocabulary)?;
    if let Some(vocabulary) = &model.target_vocabulary {
        write_json(&folder.join("target_vocab.json"), vocabulary)?;
    }
    write_file(folder.join("source.spm"), model.source_pieces.file())?;
    write_file(folder.join("target.spm"), model.target_pieces.file())?;
    if let Some(shortlist) = &model.shortlist {
        write_file(folder.join("shortlist.bin"), shortlist.file())?;
    }
    for (name, bytes) in notices {
        write_file(folder.join(name), bytes)?;
    }
    model
        .weights
        .write(&folder.join("model.safetensors"), |written, all| {
            observe(Progress::Weights { written, all });
        })
}

pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), FormatError> {
    let json = serde_json::to_string_pretty(value).map_err(|error| DataError::write(path, error.into()))?;
    Ok(write_file(path, json + "\n")?)
}

/// Loads a model folder and translates [`SAMPLE`] with it.
fn try_out(folder: &Path, device: &Device) -> Result<Trial, FormatError> {
    let folder = ModelFolder::load(folder, device)?;
    let search = SearchOptions {
        min_length: 0,
        max_length: Some(SAMPLE_TOKENS.min(folder.config.max_length - 1)),
        ..folder.generation
    };
    let options = TranslateOptions {
        search: search.greedy(),
        ..TranslateOptions::default()
    };
    let workers = Workers::start(1, 1).map_err(InferError::from)?;
    let translator = Translator::new(Model::new(folder, Precision::Float32)?, workers);
    let translations = translator.translate_best(&[SAMPLE], &options)?;
    Ok(Trial {
        source: SAMPLE,
        translation: translations.into_iter().next().unwrap_or_default(),
    })
}

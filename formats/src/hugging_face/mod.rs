//! A `MarianMTModel` of Hugging Face's transformers.

mod generation;
pub(crate) mod names;
mod settings;
mod weights;

use std::path::Path;

use attend_infer::{Language, Languages};
use serde::Deserialize;

use self::generation::generation;
use self::settings::{CONFIG, config, read_config};
use self::weights::take_weights;
use crate::error::FormatError;
use crate::files::Files;
use crate::foreign_model::ForeignModel;
use crate::format::{Format, HUGGING_FACE_WEIGHTS};
use crate::tensors::{PyTorchFile, TensorFile, read_safetensors};
use crate::vocabulary::{EOS, Numbers, PAD, Vocabulary};
use crate::weights::Weights;

const TOKENIZER: &str = "tokenizer_config.json";
const VOCABULARY: &str = "vocab.json";
const TARGET_VOCABULARY: &str = "target_vocab.json";

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

/// Returns the languages, as far as they have codes. A model of several languages may name a group of them.
fn languages(tokenizer: TokenizerConfig) -> Languages {
    let language = |code: Option<String>| code.and_then(|code| code.parse::<Language>().ok());
    Languages {
        source: language(tokenizer.source_lang),
        target: language(tokenizer.target_lang),
    }
}

//! The formats of models.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use attend_data::DataError;
use strum::Display;

use crate::error::FormatError;
use crate::tensors::{is_ctranslate2, is_marian_bin};

/// The formats of foreign models.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Display)]
pub enum Format {
    /// A folder of Hugging Face's transformers with a `MarianMTModel`, such as those of Helsinki-NLP.
    #[strum(serialize = "Hugging Face MarianMT")]
    HuggingFace,
    /// A `.npz` or `.bin` of Marian, such as those of Firefox, with the SentencePiece models beside it.
    Marian,
    /// A folder of CTranslate2.
    CTranslate2,
    /// An `.argosmodel` of Argos Translate, which LibreTranslate takes as well.
    #[strum(serialize = "Argos Translate")]
    Argos,
}

/// The names that the weights of a Hugging Face model have.
pub(crate) const HUGGING_FACE_WEIGHTS: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];

impl Format {
    /// Returns the format of the model at a path, by the names of its files and their first bytes.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError::Data`] if the path cannot be read, [`FormatError::OwnFolder`] if it is a model folder of
    /// Attend, and [`FormatError::UnknownFormat`] if no model of a known format is there.
    pub fn of(path: impl AsRef<Path>) -> Result<Self, FormatError> {
        let path = path.as_ref();
        let unknown = || FormatError::UnknownFormat {
            path: path.to_owned(),
        };
        if path.is_dir() {
            let has = |name: &str| path.join(name).is_file();
            // Hugging Face's models have a generation_config.json.
            if has("config.json") && has("generation.json") {
                return Err(FormatError::OwnFolder {
                    path: path.to_owned(),
                });
            }
            let has_weights = HUGGING_FACE_WEIGHTS.into_iter().any(has);
            if has_weights || has("config.json") && !has("model.bin") {
                return Ok(Self::HuggingFace);
            }
            if has("metadata.json") && path.join("model").is_dir() {
                return Ok(Self::Argos);
            }
            if has("model.bin") && is_ctranslate2(&first_bytes(&path.join("model.bin"))?) {
                return Ok(Self::CTranslate2);
            }
            return if marian_weights(path)?.is_empty() {
                Err(unknown())
            } else {
                Ok(Self::Marian)
            };
        }
        let begin = first_bytes(path)?;
        let ending = path.extension().unwrap_or_default();
        if ending == "argosmodel" {
            Ok(Self::Argos)
        } else if ending == "npz" || is_marian_bin(&begin) {
            Ok(Self::Marian)
        } else {
            Err(unknown())
        }
    }
}

/// Returns the files of a folder that are weights of Marian, in alphabetical order.
///
/// # Errors
///
/// Returns [`FormatError::Data`] if the folder or a file cannot be read.
pub(crate) fn marian_weights(folder: &Path) -> Result<Vec<std::path::PathBuf>, FormatError> {
    let read_error = |error| DataError::read(folder, error);
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(read_error)? {
        let path = entry.map_err(read_error)?.path();
        let ending = path.extension().unwrap_or_default();
        let may_be_weights = path.is_file() && (ending == "npz" || ending == "bin");
        if may_be_weights && (ending == "npz" || is_marian_bin(&first_bytes(&path)?)) {
            found.push(path);
        }
    }
    found.sort_unstable();
    Ok(found)
}

/// Returns the first bytes of a file, as many as tell its format.
fn first_bytes(path: &Path) -> Result<Vec<u8>, FormatError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(64).read_to_end(&mut bytes))
        .map_err(|error| DataError::read(path, error))?;
    Ok(bytes)
}

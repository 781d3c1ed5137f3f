//! The model folder: the files of one trained model, which users keep, copy and share as a unit.
//!
//! | file | content |
//! |---|---|
//! | `config.json` | the shape of the network: [`TransformerConfig`] |
//! | `model.safetensors` | the weights of the network, with the names and the layout of PyTorch |
//! | `tokenizer.json` | the tokenizer, in the format of the Hugging Face tokenizers library |
//! | `source.spm`, `target.spm` | in place of it, the SentencePiece models of a model from another toolkit |
//! | `vocab.json` | beside these, the ids of their pieces |
//! | `target_vocab.json` | the ids of the target's pieces, if the target has a vocabulary of its own |
//! | `shortlist.bin` | the tokens that may translate each token, if there is a [`LexicalShortlist`] |
//! | `generation.json` | the search defaults: [`SearchOptions`] |
//! | `languages.json` | the languages, if they are known: [`Languages`] |

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use attend_data::{DataError, PairTokenizer, Tokenizer, in_words, read_text, write_file};
use attend_model::{Transformer, TransformerConfig};
use burn::tensor::Device;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use crate::error::InferError;
use crate::language::Languages;
use crate::lexical_shortlist::LexicalShortlist;
use crate::search::SearchOptions;
use crate::task::TaskKind;
use crate::token_files::TokenFiles;
use crate::weights;

pub(crate) const CONFIG: &str = "config.json";
pub(crate) const WEIGHTS: &str = "model.safetensors";
const GENERATION: &str = "generation.json";
const LANGUAGES: &str = "languages.json";

/// The content of a model folder: a network, its tokenizers and its search defaults. [`Model::new`](crate::Model::new)
/// makes it a model that translates.
#[derive(Clone, Debug)]
pub struct ModelFolder {
    /// The shape of the network: `config.json`.
    pub config: TransformerConfig,
    /// The network with its weights: `model.safetensors`.
    pub model: Transformer,
    /// The tokenizer of sources: `tokenizer.json`, or `source.spm` and `vocab.json`.
    pub source_tokenizer: Tokenizer,
    /// The tokenizer of translations. It is the tokenizer of sources, too, if the folder has a `tokenizer.json`.
    /// Otherwise its files are `target.spm`, and `target_vocab.json` or `vocab.json`.
    pub target_tokenizer: Tokenizer,
    /// The tokens that may translate each token: `shortlist.bin`. Models of other toolkits may have it.
    pub shortlist: Option<LexicalShortlist>,
    /// The search defaults: `generation.json`.
    pub generation: SearchOptions,
    /// The languages that the model translates between: `languages.json`. A folder without this file names none.
    pub languages: Languages,
}

impl ModelFolder {
    /// Reads a model folder onto `device`.
    ///
    /// # Errors
    ///
    /// Returns [`InferError::NotAModel`] if the folder has no `config.json`; [`InferError::Data`] if a file cannot be
    /// read or a tokenizer is not valid; [`InferError::InvalidSettings`] if `config.json`, `generation.json` or
    /// `languages.json` is not valid; [`InferError::InvalidWeights`] if `model.safetensors` is damaged;
    /// [`InferError::NotFinite`] if a weight is infinite or NaN; [`InferError::VocabularyMismatch`] or
    /// [`InferError::WeightsMismatch`] if a tokenizer or the weights do not fit `config.json`; and
    /// [`InferError::InvalidShortlist`] if `shortlist.bin` is damaged or does not fit the vocabulary.
    ///
    /// # Panics
    ///
    /// If the device fails. [`attend_device::notice_device_failure`] around the call turns this panic into an error.
    pub fn load(folder: impl AsRef<Path>, device: &Device) -> Result<Self, InferError> {
        let folder = folder.as_ref();
        let config_path = require_config(folder, TaskKind::Translate)?;
        let config: TransformerConfig = read_json(&config_path)?;
        let model = Transformer::new(&config, device).map_err(|error| InferError::InvalidSettings {
            path: config_path.clone(),
            reason: error.to_string(),
        })?;
        // Text takes almost as long to read as weights do.
        let (tokens, model) = thread::scope(|scope| {
            let tokens = scope.spawn(|| TokenFiles::load_for(folder, &config));
            let model = weights::load(model, &folder.join(WEIGHTS));
            let tokens = tokens.join().unwrap_or_else(|panic| resume_unwind(panic));
            (tokens, model)
        });
        let TokenFiles { tokenizer, shortlist } = tokens?;
        let model = model?;

        let generation = Self::search_defaults(folder)?;
        generation
            .validate_for(config.max_length - 1)
            .map_err(|error| InferError::InvalidSettings {
                path: folder.join(GENERATION),
                reason: error.to_string(),
            })?;
        Ok(Self {
            model,
            source_tokenizer: tokenizer.source,
            target_tokenizer: tokenizer.target,
            shortlist,
            generation,
            languages: Self::languages(folder)?,
            config,
        })
    }

    /// Reads only the search defaults of a model folder.
    ///
    /// # Errors
    ///
    /// Returns [`InferError::NotAModel`] if the folder has no `config.json`, [`InferError::Data`] if `generation.json`
    /// cannot be read, and [`InferError::InvalidSettings`] if it is not valid.
    pub fn search_defaults(folder: impl AsRef<Path>) -> Result<SearchOptions, InferError> {
        let folder = folder.as_ref();
        require_config(folder, TaskKind::Translate)?;
        let path = folder.join(GENERATION);
        let generation: SearchOptions = read_json(&path)?;
        generation
            .validate()
            .map_err(|error| InferError::InvalidSettings {
                path,
                reason: error.to_string(),
            })?;
        Ok(generation)
    }

    /// Reads only the languages of a model folder. A folder that does not have `languages.json` names none.
    ///
    /// # Errors
    ///
    /// Returns [`InferError::NotAModel`] if the folder has no `config.json`, [`InferError::Data`] if `languages.json`
    /// cannot be read, and [`InferError::InvalidSettings`] if it is not valid.
    pub fn languages(folder: impl AsRef<Path>) -> Result<Languages, InferError> {
        let folder = folder.as_ref();
        require_config(folder, TaskKind::Translate)?;
        let path = folder.join(LANGUAGES);
        if path.exists() {
            read_json(&path)
        } else {
            Ok(Languages::default())
        }
    }

    /// Reads only the codes of the languages that a model of several translates into, such as `deu` if its vocabulary has
    /// the token `>>deu<<`: see [`TranslateOptions::target_language`](crate::TranslateOptions::target_language). A model
    /// of one target language has none.
    ///
    /// # Errors
    ///
    /// Returns [`InferError::NotAModel`] if the folder has no `config.json`, [`InferError::InvalidSettings`] if it is not
    /// valid, and [`InferError::Data`] if a file cannot be read or a tokenizer is not valid.
    pub fn target_languages(folder: impl AsRef<Path>) -> Result<Vec<String>, InferError> {
        let folder = folder.as_ref();
        let config: TransformerConfig = read_json(&require_config(folder, TaskKind::Translate)?)?;
        let tokens = TokenFiles::load(folder, &config)?;
        let codes = tokens.tokenizer.source.languages().into_iter();
        Ok(codes.map(str::to_owned).collect())
    }

    /// Writes the files into a folder, which must exist. Each file is replaced as a whole or not at all. The
    /// weights are written last.
    ///
    /// # Errors
    ///
    /// Returns [`InferError::Data`] if a file cannot be written, and [`InferError::TwoTokenizers`] if source and target
    /// have tokenizers that no files hold together.
    ///
    /// # Panics
    ///
    /// If the device fails. [`attend_device::notice_device_failure`] around the call turns this panic into an error.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<(), InferError> {
        let folder = folder.as_ref();
        // First, since tokenizers that no files hold together must not damage a valid folder.
        self.token_files().save(folder, &self.config)?;
        write_json(&folder.join(CONFIG), &self.config)?;
        write_json(&folder.join(GENERATION), &self.generation)?;
        self.save_languages(&folder.join(LANGUAGES))?;
        weights::save(&self.model, &folder.join(WEIGHTS))
    }

    /// Writes the languages, or removes the file of an older model if no language is known.
    fn save_languages(&self, path: &Path) -> Result<(), InferError> {
        if self.languages != Languages::default() {
            return write_json(path, &self.languages);
        }
        remove(path)
    }

    /// Returns the tokenizers and the shortlist.
    #[must_use]
    pub fn token_files(&self) -> TokenFiles {
        TokenFiles {
            tokenizer: PairTokenizer {
                source: self.source_tokenizer.clone(),
                target: self.target_tokenizer.clone(),
                source_eos: self.config.source_eos,
            },
            shortlist: self.shortlist.clone(),
        }
    }
}

/// Removes a file, if it is there.
pub(crate) fn remove(path: &Path) -> Result<(), InferError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(DataError::write(path, error).into()),
        _ => Ok(()),
    }
}

/// Returns the path of the `config.json` of a model folder whose model is trained for `task`.
///
/// # Errors
///
/// Returns [`InferError::NotAModel`] if there is no such file, and [`InferError::OtherTask`] if it names another task. A
/// file that names none is that of a translator.
pub(crate) fn require_config(folder: &Path, task: TaskKind) -> Result<PathBuf, InferError> {
    let found = TaskKind::of(folder)?;
    if found != task {
        return Err(InferError::OtherTask {
            path: folder.to_owned(),
            task,
            found,
        });
    }
    Ok(folder.join(CONFIG))
}

impl TaskKind {
    /// Returns the task of the model in a folder. A folder that names none has a translator.
    ///
    /// # Errors
    ///
    /// Returns [`InferError::NotAModel`] if the folder has no `config.json`.
    pub fn of(folder: impl AsRef<Path>) -> Result<Self, InferError> {
        let path = folder.as_ref().join(CONFIG);
        if !path.exists() {
            return Err(InferError::NotAModel {
                path: folder.as_ref().to_owned(),
            });
        }
        // What is wrong with a damaged file is found when its settings are read.
        Ok(read_json::<Trained>(&path).map_or(Self::default(), |trained| trained.task))
    }
}

/// The task in a `config.json`.
#[derive(Deserialize)]
struct Trained {
    #[serde(default)]
    task: TaskKind,
}

/// Reads a file whose content is a JSON object.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, InferError> {
    let text = read_text(path)?;
    parse_object(&text).map_err(|reason| InferError::InvalidSettings {
        path: path.to_owned(),
        reason,
    })
}

/// Reads a JSON object. The error names the field that it is about.
fn parse_object<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    // A struct would also take a list of its fields' values.
    let _: HashMap<String, IgnoredAny> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let mut json = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let message = in_words(&error.inner().to_string());
        match format!("`{}`", error.path()) {
            field if field == "`.`" || message.contains(&field) => message,
            field => format!("{field}: {message}"),
        }
    })
}

pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<(), InferError> {
    let json = serde_json::to_string_pretty(value).map_err(|error| DataError::write(path, error.into()))?;
    Ok(write_file(path, json + "\n")?)
}

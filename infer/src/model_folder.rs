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

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::thread;

use attend_data::{DataError, Tokenizer, TokenizerFiles, in_words, read_text, write_file};
use attend_model::{Transformer, TransformerConfig};
use burn::tensor::Device;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use crate::error::InferError;
use crate::language::Languages;
use crate::lexical_shortlist::LexicalShortlist;
use crate::search::SearchOptions;
use crate::task::TaskKind;
use crate::weights;

pub(crate) const CONFIG: &str = "config.json";
pub(crate) const WEIGHTS: &str = "model.safetensors";
pub(crate) const TOKENIZER: &str = "tokenizer.json";
const SOURCE_MODEL: &str = "source.spm";
const TARGET_MODEL: &str = "target.spm";
const VOCABULARY: &str = "vocab.json";
const TARGET_VOCABULARY: &str = "target_vocab.json";
const SHORTLIST: &str = "shortlist.bin";
const GENERATION: &str = "generation.json";
const LANGUAGES: &str = "languages.json";

/// The name and the content of a file.
type NamedFile<'a> = (&'static str, Cow<'a, [u8]>);

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
        let (text, weights) = thread::scope(|scope| {
            let text = scope.spawn(|| {
                let tokenizers = load_tokenizers(folder, &config)?;
                Ok::<_, InferError>((tokenizers, load_shortlist(folder, &config)?))
            });
            let weights = weights::load(model, &folder.join(WEIGHTS));
            let text = text.join().unwrap_or_else(|panic| resume_unwind(panic));
            (text, weights)
        });
        let ([source_tokenizer, target_tokenizer], shortlist) = text?;
        let model = weights?;

        let generation = Self::search_defaults(folder)?;
        generation
            .validate_for(config.max_length - 1)
            .map_err(|error| InferError::InvalidSettings {
                path: folder.join(GENERATION),
                reason: error.to_string(),
            })?;
        Ok(Self {
            model,
            source_tokenizer,
            target_tokenizer,
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
        // Tokenizers that no files hold together must not damage a valid folder.
        let tokenizer_files = self.tokenizer_files(folder)?;
        write_json(&folder.join(CONFIG), &self.config)?;
        write_json(&folder.join(GENERATION), &self.generation)?;
        self.save_languages(&folder.join(LANGUAGES))?;
        save_tokenizers(folder, &tokenizer_files)?;
        self.save_shortlist(&folder.join(SHORTLIST))?;
        weights::save(&self.model, &folder.join(WEIGHTS))
    }

    /// Writes the languages, or removes the file of an older model if no language is known.
    fn save_languages(&self, path: &Path) -> Result<(), InferError> {
        if self.languages != Languages::default() {
            return write_json(path, &self.languages);
        }
        remove(path)
    }

    /// Writes the shortlist, or removes that of an older model.
    fn save_shortlist(&self, path: &Path) -> Result<(), InferError> {
        match &self.shortlist {
            Some(shortlist) => Ok(write_file(path, shortlist.file())?),
            None => remove(path),
        }
    }

    /// Returns the names and the content of the files of the tokenizers. `folder` is their place in an error.
    fn tokenizer_files(&self, folder: &Path) -> Result<Vec<NamedFile<'_>>, InferError> {
        let has_two = self.config.target_vocab_size.is_some();
        match (self.source_tokenizer.files(), self.target_tokenizer.files()) {
            (TokenizerFiles::Json(json), TokenizerFiles::Json(other)) if json == other && !has_two => {
                Ok(vec![(TOKENIZER, json.into_bytes().into())])
            }
            (
                TokenizerFiles::SentencePiece { model, vocabulary },
                TokenizerFiles::SentencePiece {
                    model: target_model,
                    vocabulary: target_vocabulary,
                },
            ) if has_two || vocabulary == target_vocabulary => {
                let mut files = vec![
                    (SOURCE_MODEL, model.into()),
                    (TARGET_MODEL, target_model.into()),
                    (VOCABULARY, vocabulary.as_bytes().into()),
                ];
                if has_two {
                    files.push((TARGET_VOCABULARY, target_vocabulary.as_bytes().into()));
                }
                Ok(files)
            }
            _ => Err(InferError::TwoTokenizers {
                path: folder.to_owned(),
            }),
        }
    }
}

/// Writes the files of the tokenizers, and removes those that the folder of an older model had instead.
fn save_tokenizers(folder: &Path, files: &[NamedFile<'_>]) -> Result<(), InferError> {
    for (name, content) in files {
        write_file(folder.join(name), content)?;
    }
    let all = [
        TOKENIZER,
        SOURCE_MODEL,
        TARGET_MODEL,
        VOCABULARY,
        TARGET_VOCABULARY,
    ];
    let is_written = |name: &str| files.iter().any(|(other, _)| *other == name);
    for name in all.into_iter().filter(|name| !is_written(name)) {
        remove(&folder.join(name))?;
    }
    Ok(())
}

/// Removes a file, if it is there.
fn remove(path: &Path) -> Result<(), InferError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(DataError::write(path, error).into()),
        _ => Ok(()),
    }
}

/// Reads the tokenizers of source and target of a model folder, and checks that they fit the shape of the network.
fn load_tokenizers(folder: &Path, config: &TransformerConfig) -> Result<[Tokenizer; 2], InferError> {
    let start = config.decoder_start_id.map(|id| id as u32);
    let has = |name: &str| folder.join(name).exists();
    let of_sentencepiece = [SOURCE_MODEL, TARGET_MODEL, VOCABULARY];
    if has(TOKENIZER) || !of_sentencepiece.into_iter().any(has) {
        let tokenizer = load_tokenizer(folder, config)?;
        if let Some(size) = config.target_vocab_size {
            return Err(unlike_tokenizer(
                folder,
                format!("target_vocab_size = {size}"),
                "has one vocabulary",
            ));
        }
        if let Some(start) = start.filter(|start| *start != tokenizer.bos_id()) {
            let found = format!("starts with {}", tokenizer.bos_id());
            return Err(unlike_tokenizer(
                folder,
                format!("decoder_start_id = {start}"),
                &found,
            ));
        }
        // A run that starts from the model would end its sources.
        if !config.source_eos {
            return Err(unlike_tokenizer(
                folder,
                "source_eos = false".to_owned(),
                "is one of Attend's, whose sources end with </s>",
            ));
        }
        return Ok([tokenizer.clone(), tokenizer]);
    }
    let load = |model, vocabulary, start, (field, size)| {
        let vocabulary = folder.join(vocabulary);
        let loaded = Tokenizer::load_sentencepiece(folder.join(model), &vocabulary, start);
        // A vocabulary that is too small for the first token of the decoder is above all of another size.
        if loaded.is_err()
            && let Ok(tokens) = read_json::<HashMap<String, IgnoredAny>>(&vocabulary)
            && start.is_some_and(|start| start as usize >= tokens.len())
        {
            check_vocabulary(tokens.len(), &vocabulary, (field, size))?;
        }
        let tokenizer = loaded?;
        check_vocabulary(tokenizer.vocab_size(), &vocabulary, (field, size))?;
        check_padding(&tokenizer, folder, config)?;
        Ok::<_, InferError>(tokenizer)
    };
    let joint = (VOCABULARY, start, ("vocab_size", config.vocab_size));
    let (source, target) = match config.target_vocab_size {
        None => (joint, joint),
        // No decoder reads tokens of the source, so that its vocabulary needs no first token of a decoder.
        Some(size) => (
            (
                VOCABULARY,
                Some(config.pad_id as u32),
                ("vocab_size", config.vocab_size),
            ),
            (TARGET_VOCABULARY, start, ("target_vocab_size", size)),
        ),
    };
    let load = |model, (vocabulary, start, size)| load(model, vocabulary, start, size);
    let source_tokenizer = load(SOURCE_MODEL, source)?;
    // Firefox's models have one SentencePiece model for both sides.
    let is_shared = source == target && has_content(&folder.join(TARGET_MODEL), &source_tokenizer);
    let target_tokenizer = if is_shared {
        source_tokenizer.clone()
    } else {
        load(TARGET_MODEL, target)?
    };
    Ok([source_tokenizer, target_tokenizer.without_languages()])
}

/// Reads the shortlist of a model folder, if there is one.
fn load_shortlist(folder: &Path, config: &TransformerConfig) -> Result<Option<LexicalShortlist>, InferError> {
    let path = folder.join(SHORTLIST);
    match fs::read(&path) {
        Ok(file) => LexicalShortlist::parse(file, &path, config.target_vocabulary()).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(DataError::read(&path, error).into()),
    }
}

/// Returns whether a file has the SentencePiece model of a tokenizer.
fn has_content(path: &Path, tokenizer: &Tokenizer) -> bool {
    match tokenizer.files() {
        TokenizerFiles::SentencePiece { model, .. } => fs::read(path).is_ok_and(|file| file == model),
        TokenizerFiles::Json(_) => false,
    }
}

/// Reads the `tokenizer.json` of a model folder, and checks that it fits the shape of the network.
pub(crate) fn load_tokenizer(folder: &Path, config: &TransformerConfig) -> Result<Tokenizer, InferError> {
    let path = folder.join(TOKENIZER);
    let tokenizer = Tokenizer::load(&path)?;
    check_vocabulary(tokenizer.vocab_size(), &path, ("vocab_size", config.vocab_size))?;
    check_padding(&tokenizer, folder, config)?;
    Ok(tokenizer)
}

/// Checks that a field of the shape gives the number of tokens of the tokenizer, whose file is `path`.
fn check_vocabulary(
    tokens: usize,
    path: &Path,
    (field, vocab_size): (&'static str, usize),
) -> Result<(), InferError> {
    if tokens != vocab_size {
        return Err(InferError::VocabularyMismatch {
            path: path.to_owned(),
            tokens,
            field,
            vocab_size,
        });
    }
    Ok(())
}

fn check_padding(tokenizer: &Tokenizer, folder: &Path, config: &TransformerConfig) -> Result<(), InferError> {
    if tokenizer.pad_id() != config.pad_id as u32 {
        let found = format!("pads with {}", tokenizer.pad_id());
        return Err(unlike_tokenizer(
            folder,
            format!("pad_id = {}", config.pad_id),
            &found,
        ));
    }
    Ok(())
}

/// Returns the error for a setting in `config.json` that its tokenizer does not have.
fn unlike_tokenizer(folder: &Path, setting: String, found: &str) -> InferError {
    InferError::InvalidSettings {
        path: folder.join(CONFIG),
        reason: format!("{setting}, but the tokenizer beside it {found}"),
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

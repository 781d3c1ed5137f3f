//! The model that threads share to translate.

use std::path::Path;
use std::sync::{Arc, Mutex};

use attend_data::{Padding, Tokenizer};
use attend_model::{Ensemble, Precision};
use burn::module::Module;
use burn::tensor::Device;

use crate::error::InferError;
use crate::model_folder::ModelFolder;
use crate::options::TranslateOptions;
use crate::padding::padding;
use crate::search::{BannedWords, SearchOptions, SpecialTokens, SurfaceForms};

/// A trained model on a device: the weights of one network, or of several that form an ensemble, and their tokenizer.
///
/// A model never changes, so threads share it as an `Arc<Model>`. A [`Translator`](crate::Translator) computes with it;
/// [`TranslateOptions`] say what a call asks of it.
#[derive(Debug)]
pub struct Model {
    pub(crate) networks: Ensemble,
    pub(crate) tokenizer: Tokenizer,
    pub(crate) special: SpecialTokens,
    pub(crate) surfaces: Arc<SurfaceForms>,
    search: SearchOptions,
    /// The length of the longest sequence that all networks have positions for.
    max_length: usize,
    /// The phrases and the banned words of the last call. Banned words remember which tokens they forbid after a text, since
    /// finding out takes a pass over the vocabulary.
    banned: Mutex<Option<(Vec<String>, Arc<BannedWords>)>>,
}

impl Model {
    /// Reads a model folder onto `device`, and keeps its weights in `precision`.
    ///
    /// Weights of 8 bits take a quarter of the memory of float32 and are faster on a processor, for a small loss of
    /// quality. Weights of 16 bits are for GPUs; a processor emulates them.
    ///
    /// # Errors
    ///
    /// Those of [`ModelFolder::load`] and [`Model::new`].
    pub fn load(folder: impl AsRef<Path>, device: &Device, precision: Precision) -> Result<Self, InferError> {
        Self::new(ModelFolder::load(folder, device)?, precision)
    }

    /// Makes a model of the content of a model folder, and keeps its weights in `precision`, on the device on which they
    /// are.
    ///
    /// # Errors
    ///
    /// [`InferError::Precision`] if the device does not compute in `precision`. Every device computes in float32.
    pub fn new(folder: ModelFolder, precision: Precision) -> Result<Self, InferError> {
        let ModelFolder {
            config,
            model,
            tokenizer,
            generation,
        } = folder;
        if !model.devices()[0].supports_dtype(precision.dtype()) {
            return Err(InferError::Precision { precision });
        }
        let tokens = || 0..tokenizer.vocab_size() as u32;
        // A translation is one line, so what ends a line is no part of it.
        let line_ends = tokens().filter(|&token| tokenizer.token(token).contains(['\n', '\r']));
        Ok(Self {
            special: SpecialTokens {
                bos: tokenizer.bos_id(),
                eos: tokenizer.eos_id(),
                unk: tokenizer.unk_id(),
                forbidden: [tokenizer.pad_id(), tokenizer.bos_id()]
                    .into_iter()
                    .chain(line_ends)
                    .collect(),
            },
            surfaces: Arc::new(SurfaceForms::new(
                tokens().map(|token| tokenizer.surface(token)).collect(),
            )),
            networks: Ensemble::new(model, precision),
            max_length: config.max_length,
            search: generation,
            banned: Mutex::default(),
            tokenizer,
        })
    }

    /// Joins the network of another model folder to the ensemble: the next token is as probable as the networks find it
    /// on average. The other folder must be on the same device. Its search defaults are left out.
    ///
    /// # Errors
    ///
    /// [`InferError::EnsembleTokenizers`] if the other folder has another tokenizer, and [`InferError::Search`] if its
    /// network has too few positions for the `min_length` of this model's search defaults.
    pub fn join(mut self, other: ModelFolder) -> Result<Self, InferError> {
        if other.tokenizer.to_json() != self.tokenizer.to_json() {
            let model = format!("model {}", self.networks.len() + 1);
            return Err(InferError::EnsembleTokenizers { model });
        }
        self.max_length = self.max_length.min(other.config.max_length);
        self.search.validate_for(self.max_target_tokens())?;
        self.networks = self.networks.with(other.model);
        Ok(self)
    }

    /// Reads a further model folder onto this model's device and [joins](Self::join) it.
    ///
    /// # Errors
    ///
    /// Those of [`ModelFolder::load`] and [`Model::join`], which name the folder.
    pub fn join_folder(self, folder: impl AsRef<Path>) -> Result<Self, InferError> {
        let folder = folder.as_ref();
        let other = ModelFolder::load(folder, &self.device())?;
        self.join(other).map_err(|error| match error {
            InferError::EnsembleTokenizers { .. } => InferError::EnsembleTokenizers {
                model: folder.display().to_string(),
            },
            error => error,
        })
    }

    /// Returns the options of a call that asks for nothing beyond the model's search defaults: each line is one sentence.
    #[must_use]
    pub fn options(&self) -> TranslateOptions {
        TranslateOptions {
            search: self.search,
            ..TranslateOptions::default()
        }
    }

    /// Checks that the model can do what the options ask for. A [`Translator`](crate::Translator) checks it for each line.
    ///
    /// # Errors
    ///
    /// Those of [`TranslateOptions::validate`], and [`InferError::Search`] if the model has too few positions for
    /// `min_length`.
    pub fn check(&self, options: &TranslateOptions) -> Result<(), InferError> {
        options.validate()?;
        Ok(options.search.validate_for(self.max_target_tokens())?)
    }

    /// Returns the tokenizer, which all networks share.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    /// Returns the device that holds the weights.
    #[must_use]
    pub fn device(&self) -> Device {
        self.networks.device()
    }

    /// Returns the most tokens that a source sentence may have, `</s>` not counted.
    #[must_use]
    pub fn max_source_tokens(&self) -> usize {
        self.max_length - 1
    }

    /// Returns the most tokens that a translation may have, `</s>` not counted. The decoder reads `<s>` before them.
    #[must_use]
    pub fn max_target_tokens(&self) -> usize {
        self.max_length - 1
    }

    /// Returns whether the model has positions for a sentence.
    #[must_use]
    pub fn fits(&self, sentence: &str) -> bool {
        self.encode(sentence).is_ok()
    }

    /// Returns the tokens of a sentence without `</s>`.
    ///
    /// # Errors
    ///
    /// The number of tokens, or a smaller number if counting them all would take long, if the model has too few positions
    /// for them.
    pub(crate) fn encode(&self, sentence: &str) -> Result<Vec<u32>, usize> {
        let limit = self.max_source_tokens();
        let at_least = self.tokenizer.min_tokens(sentence);
        if at_least > limit {
            return Err(at_least);
        }
        let tokens = self.tokenizer.encode(sentence);
        if tokens.len() > limit {
            return Err(tokens.len());
        }
        Ok(tokens)
    }

    /// Returns the error for a sentence that [`encode`](Self::encode) refuses: line `number`, from 0, of `text`.
    pub(crate) fn too_long(&self, number: usize, tokens: usize, text: &'static str) -> InferError {
        InferError::TooLong {
            text,
            line: number + 1,
            tokens,
            limit: self.max_source_tokens(),
        }
    }

    /// Returns how rows of tokens are padded.
    pub(crate) fn padding(&self) -> Padding {
        padding(&self.device(), self.tokenizer.pad_id(), self.max_length)
    }

    /// Returns `phrases` as banned words, or `None` if there are none.
    pub(crate) fn banned_words(&self, phrases: &[String]) -> Option<Arc<BannedWords>> {
        if phrases.is_empty() {
            return None;
        }
        let mut last = self.banned.lock().expect("no thread panics with this lock");
        if let Some((last_phrases, words)) = &*last
            && last_phrases == phrases
        {
            return Some(Arc::clone(words));
        }
        let words = Arc::new(BannedWords::new(phrases, Arc::clone(&self.surfaces)));
        *last = Some((phrases.to_vec(), Arc::clone(&words)));
        Some(words)
    }
}

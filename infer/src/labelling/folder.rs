//! The model folder of a classifier or a tagger.
//!
//! | file | content |
//! |---|---|
//! | `config.json` | the task, the labels in the order of the network's outputs, the pooling and the shape of the encoder |
//! | `model.safetensors` | the weights of the network, with the names and the layout of PyTorch |
//! | `tokenizer.json` | the tokenizer, in the format of the Hugging Face tokenizers library |

use std::collections::HashSet;
use std::path::Path;

use attend_data::Tokenizer;
use attend_model::{EncoderClassifier, EncoderClassifierConfig, PoolingKind, TransformerConfig};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use crate::error::InferError;
use crate::model_folder::{CONFIG, WEIGHTS, read_json, require_config, write_json};
use crate::task::TaskKind;
use crate::token_files::{TOKENIZER, load_tokenizer};
use crate::weights;

/// The content of the model folder of a classifier or a tagger: a network, its labels and its tokenizer.
#[derive(Clone, Debug)]
pub struct LabelModelFolder {
    /// The labels, in the order of the network's outputs. A tagger's labels are its tags.
    pub labels: Vec<String>,
    /// How the network makes one vector of a text; `None` for a tagger.
    pub pooling: Option<PoolingKind>,
    /// The shape of the encoder.
    pub encoder: TransformerConfig,
    /// The network with its weights: `model.safetensors`.
    pub model: EncoderClassifier,
    /// The tokenizer, from text to token ids: `tokenizer.json`.
    pub tokenizer: Tokenizer,
}

/// The smallest number of positions: a token between `<s>` and `</s>`.
pub(super) const LEAST_LENGTH: usize = 3;

/// The content of `config.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    task: TaskKind,
    labels: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pooling: Option<PoolingKind>,
    encoder: TransformerConfig,
}

impl Config {
    /// Returns what is wrong with the settings by themselves, if anything is.
    fn problem(&self) -> Option<&'static str> {
        let mut seen = HashSet::new();
        if self.labels.is_empty() {
            Some("there are no labels")
        } else if !self.labels.iter().all(|label| seen.insert(label)) {
            Some("a label is named twice")
        } else if (self.task == TaskKind::Classify) != self.pooling.is_some() {
            Some("the task \"classify\", and no other, needs `pooling`")
        } else if self.encoder.max_length < LEAST_LENGTH {
            Some("`max_length` is below 3, so that no token fits between <s> and </s>")
        } else {
            None
        }
    }
}

impl LabelModelFolder {
    /// Reads the model folder of a classifier or a tagger onto `device`.
    ///
    /// # Errors
    ///
    /// Returns [`InferError::OtherTask`] if the model is not trained for `task`; [`InferError::NotAModel`] if the folder
    /// has no `config.json`; [`InferError::Data`] if a file cannot be read or the tokenizer is not valid;
    /// [`InferError::InvalidSettings`] if `config.json` is not valid; [`InferError::InvalidWeights`] if
    /// `model.safetensors` is damaged; [`InferError::NotFinite`] if a weight is infinite or NaN; and
    /// [`InferError::VocabularyMismatch`] or [`InferError::WeightsMismatch`] if the tokenizer or the weights do not fit
    /// `config.json`.
    ///
    /// # Panics
    ///
    /// If the device fails. [`attend_device::notice_device_failure`] around the call turns this panic into an error.
    pub fn load(folder: impl AsRef<Path>, task: TaskKind, device: &Device) -> Result<Self, InferError> {
        let folder = folder.as_ref();
        let path = require_config(folder, task)?;
        let config: Config = read_json(&path)?;
        let invalid = |reason: String| InferError::InvalidSettings {
            path: path.clone(),
            reason,
        };
        if let Some(problem) = config.problem() {
            return Err(invalid(problem.to_owned()));
        }
        let Config {
            labels,
            pooling,
            encoder,
            ..
        } = config;
        let network = EncoderClassifierConfig {
            encoder,
            pooling,
            labels: labels.len(),
        };
        let model = EncoderClassifier::new(&network, device).map_err(|error| invalid(error.to_string()))?;
        let tokenizer = load_tokenizer(folder, &network.encoder)?;
        Ok(Self {
            labels,
            pooling,
            model: weights::load(model, &folder.join(WEIGHTS))?,
            encoder: network.encoder,
            tokenizer,
        })
    }

    /// Returns the task of the model.
    #[must_use]
    pub fn task(&self) -> TaskKind {
        match self.pooling {
            Some(_) => TaskKind::Classify,
            None => TaskKind::Tag,
        }
    }

    /// Writes the files into a folder, which must exist. Each file is replaced as a whole or not at all. The weights are
    /// written last.
    ///
    /// # Errors
    ///
    /// Returns [`InferError::Data`] if a file cannot be written.
    ///
    /// # Panics
    ///
    /// If the device fails. [`attend_device::notice_device_failure`] around the call turns this panic into an error.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<(), InferError> {
        let folder = folder.as_ref();
        let config = Config {
            task: self.task(),
            labels: self.labels.clone(),
            pooling: self.pooling,
            encoder: self.encoder.clone(),
        };
        write_json(&folder.join(CONFIG), &config)?;
        self.tokenizer.save(folder.join(TOKENIZER))?;
        weights::save(&self.model, &folder.join(WEIGHTS))
    }
}

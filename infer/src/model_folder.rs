//! The model folder: the unit that users keep, copy and serve.
//!
//! | file | content |
//! |---|---|
//! | `config.json` | the network's shape: [`TransformerConfig`] |
//! | `model.safetensors` | its weights, laid out and named as PyTorch does |
//! | `tokenizer.json` | the subwords, in the format of the Hugging Face tokenizers library |
//! | `generation.json` | search defaults: [`SearchOptions`] |

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use attend_data::DataError;
use attend_data::file::write_file;
use attend_data::tokenizer::Tokenizer;
use attend_model::{Transformer, TransformerConfig};
use burn::tensor::{DType, Device};
use burn_store::burn_pack::Tensor as PackTensor;
use burn_store::{
    ApplyError, ApplyResult, BurnToPyTorchAdapter, FloatCastAdapter, ModuleAdapter, ModuleContext,
    ModuleSnapshot, PyTorchToBurnAdapter, SafetensorsStore, SafetensorsStoreError, bridge,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::InferError;
use crate::search::SearchOptions;

const CONFIG: &str = "config.json";
const WEIGHTS: &str = "model.safetensors";
const TOKENIZER: &str = "tokenizer.json";
const GENERATION: &str = "generation.json";

/// Everything that translating needs.
#[derive(Clone, Debug)]
pub struct ModelFolder {
    /// The network's shape.
    pub config: TransformerConfig,
    /// The network.
    pub model: Transformer,
    /// Text to token ids and back.
    pub tokenizer: Tokenizer,
    /// Search defaults.
    pub generation: SearchOptions,
}

impl ModelFolder {
    /// Reads a model folder onto `device`.
    ///
    /// # Errors
    ///
    /// If a file is missing or damaged, or the files do not belong together.
    pub fn load(folder: impl AsRef<Path>, device: &Device) -> Result<Self, InferError> {
        let folder = folder.as_ref();
        let config_path = require_config(folder)?;
        let config: TransformerConfig = read_json(&config_path)?;
        let mut model = Transformer::new(&config, device).map_err(|error| InferError::InvalidSettings {
            path: config_path.clone(),
            reason: error.to_string(),
        })?;
        let tokenizer_path = folder.join(TOKENIZER);
        let tokenizer = Tokenizer::load(&tokenizer_path)?;
        if tokenizer.vocab_size() != config.vocab_size {
            return Err(InferError::VocabularyMismatch {
                path: tokenizer_path,
                tokens: tokenizer.vocab_size(),
                vocab_size: config.vocab_size,
            });
        }
        if tokenizer.pad_id() != config.pad_id as u32 {
            return Err(InferError::InvalidSettings {
                path: config_path,
                reason: format!(
                    "pad_id = {}, but the tokenizer.json beside it pads with {}",
                    config.pad_id,
                    tokenizer.pad_id()
                ),
            });
        }
        load_weights(&mut model, folder.join(WEIGHTS))?;

        let generation = Self::search_defaults(folder)?;
        generation
            .validate_for(config.max_length - 1)
            .map_err(|error| InferError::InvalidSettings {
                path: folder.join(GENERATION),
                reason: error.to_string(),
            })?;
        Ok(Self {
            config,
            model,
            tokenizer,
            generation,
        })
    }

    /// Reads the search defaults of a model folder, and nothing else.
    ///
    /// # Errors
    ///
    /// If the folder is no model folder, or its `generation.json` is missing or damaged.
    pub fn search_defaults(folder: impl AsRef<Path>) -> Result<SearchOptions, InferError> {
        let folder = folder.as_ref();
        require_config(folder)?;
        let path = folder.join(GENERATION);
        let generation: SearchOptions = read_json(&path)?;
        match generation.validate() {
            Ok(()) => Ok(generation),
            Err(error) => Err(InferError::InvalidSettings {
                path,
                reason: error.to_string(),
            }),
        }
    }

    /// Writes the folder, which must exist. Each file is replaced whole or not at all, the weights last.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<(), InferError> {
        let folder = folder.as_ref();
        write_json(&folder.join(CONFIG), &self.config)?;
        write_json(&folder.join(GENERATION), &self.generation)?;
        self.tokenizer.save(folder.join(TOKENIZER))?;
        save_weights(&self.model, folder.join(WEIGHTS))
    }
}

/// The path of the file that makes a folder a model folder.
fn require_config(folder: &Path) -> Result<PathBuf, InferError> {
    let path = folder.join(CONFIG);
    match path.exists() {
        true => Ok(path),
        false => Err(InferError::NotAModel {
            path: folder.to_owned(),
        }),
    }
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, InferError> {
    let text = std::fs::read_to_string(path).map_err(|error| DataError::read(path, error))?;
    serde_json::from_str(&text).map_err(|error| InferError::InvalidSettings {
        path: path.to_owned(),
        reason: error.to_string(),
    })
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<(), InferError> {
    let json = serde_json::to_string_pretty(value).map_err(|error| DataError::write(path, error.into()))?;
    Ok(write_file(path, json + "\n")?)
}

fn save_weights(model: &Transformer, path: PathBuf) -> Result<(), InferError> {
    // One entry of metadata, the one that PyTorch's loaders ask for: the store writes several in random order, and the
    // same weights would not give the same file.
    let mut store = SafetensorsStore::from_bytes(None)
        .clear_metadata()
        .metadata("format", "pt")
        .with_to_adapter(BurnToPyTorchAdapter);
    let bytes = model
        .save_into(&mut store)
        .and_then(|()| store.get_bytes())
        .map_err(|error| DataError::write(&path, io::Error::other(error)))?;
    Ok(write_file(path, bytes)?)
}

fn load_weights(model: &mut Transformer, path: PathBuf) -> Result<(), InferError> {
    let not_finite = Arc::new(OnceLock::new());
    // A half-precision file is widened: the network computes in 32 bits, and never with two widths at once.
    let adapter = PyTorchToBurnAdapter
        .chain(FloatCastAdapter::to(DType::F32))
        .chain(FiniteCheck(Arc::clone(&not_finite)));
    // A tensor at a time from a mapped file: starting takes little longer than it takes to fill the weights' memory.
    let mut store = SafetensorsStore::from_file(&path)
        .with_from_adapter(adapter)
        .validate(false)
        .allow_partial(true);
    let applied = model.load_from(&mut store).map_err(|error| match error {
        SafetensorsStoreError::Io(error) => DataError::read(&path, error).into(),
        error => InferError::InvalidWeights {
            path: path.clone(),
            reason: match error {
                SafetensorsStoreError::Safetensors(error) => error.to_string(),
                error => error.to_string(),
            },
        },
    })?;
    if let Some(reason) = first_mismatch(&applied) {
        return Err(InferError::WeightsMismatch { path, reason });
    }
    match not_finite.get() {
        Some(tensor) => Err(InferError::NotFinite {
            tensor: name_in_file(tensor),
            path,
        }),
        None => Ok(()),
    }
}

/// Remembers the first tensor that holds infinity or NaN, and leaves all as they are.
#[derive(Clone)]
struct FiniteCheck(Arc<OnceLock<String>>);

impl ModuleAdapter for FiniteCheck {
    fn adapt(&self, tensor: PackTensor, _: ModuleContext<'_>) -> PackTensor {
        let (name, dtype, shape) = (tensor.name.clone(), tensor.dtype, tensor.shape.clone());
        let first = Arc::clone(&self.0);
        bridge::map_data(tensor, name.clone(), dtype, shape, move |data| {
            // Without an early end, so that many numbers are looked at together. Integers are refused elsewhere.
            let is_finite =
                |numbers: &[f32]| numbers.iter().fold(true, |all, number| all & number.is_finite());
            if !data.as_slice().map_or(true, is_finite) {
                first.get_or_init(|| name.clone());
            }
            data
        })
    }

    fn clone_box(&self) -> Box<dyn ModuleAdapter> {
        Box::new(self.clone())
    }
}

/// What PyTorch, and so the file, calls a tensor: the norms' have other names in Burn.
fn name_in_file(name: &str) -> String {
    match (name.strip_suffix(".gamma"), name.strip_suffix(".beta")) {
        (Some(norm), _) => format!("{norm}.weight"),
        (_, Some(norm)) => format!("{norm}.bias"),
        _ => name.to_owned(),
    }
}

fn first_mismatch(applied: &ApplyResult) -> Option<String> {
    let wrong = applied.errors.iter().map(|error| match error {
        ApplyError::ShapeMismatch {
            path,
            expected,
            found,
        } => format!(
            "the tensor {} has the shape {:?}, not {:?}",
            name_in_file(path),
            found.as_slice(),
            expected.as_slice()
        ),
        error => error.to_string(),
    });
    let missing = applied
        .missing
        .iter()
        .map(|(name, _)| format!("the tensor {} is missing", name_in_file(name)));
    let unused = applied
        .unused
        .iter()
        .map(|name| format!("it has a tensor {name} that the model lacks"));
    wrong.chain(missing).chain(unused).next()
}

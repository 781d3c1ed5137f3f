//! Checkpoints: everything that going on with a run needs.
//!
//! A run keeps its last checkpoint, in a folder named by its number of updates:
//!
//! | file | content |
//! |---|---|
//! | `model.bpk` | the weights, with the identities that the optimizer knows them by |
//! | `optimizer.bpk` | Adam's moments |
//! | `state.json` | [`TrainingState`] |
//!
//! The best weights so far are the model folder's own `model.safetensors`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use attend_data::DataError;
use attend_data::file::write_file;
use attend_model::Transformer;
use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use serde::{Deserialize, Serialize};

use crate::dataset::Position;
use crate::error::TrainError;

const MODEL: &str = "model.bpk";
const OPTIMIZER: &str = "optimizer.bpk";
const STATE: &str = "state.json";
/// The name that a checkpoint is built under; the others are numbers.
const PARTIAL: &str = "partial";

/// How far a run has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainingState {
    /// Updates taken.
    pub update: usize,
    /// Where the next batch stands.
    pub position: Position,
    /// Seconds spent, pauses between resumed parts left out.
    pub seconds: f64,
    /// The validation whose weights the model folder holds.
    pub best: Option<Best>,
}

/// The best validation so far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The update it was made at.
    pub update: usize,
    /// Its BLEU.
    pub bleu: f64,
}

/// The checkpoints of a run.
#[derive(Clone, Debug)]
pub struct Checkpoints {
    folder: PathBuf,
}

impl Checkpoints {
    /// The checkpoints of the run in `run_folder`.
    #[must_use]
    pub fn of(run_folder: &Path) -> Self {
        Self {
            folder: run_folder.join("checkpoints"),
        }
    }

    /// Writes a checkpoint and then removes older ones: at every moment a whole one is there.
    ///
    /// # Errors
    ///
    /// If a file cannot be written; the older checkpoint stays then.
    pub fn save(
        &self,
        model: &Transformer,
        optimizer: &ModuleOptimizer,
        state: &TrainingState,
    ) -> Result<(), TrainError> {
        let partial = self.folder.join(PARTIAL);
        let write_error = |path: &Path, error: io::Error| DataError::Write {
            path: path.to_owned(),
            error,
        };
        let stale = self.numbered();
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(|error| write_error(&partial, error))?;
        }
        fs::create_dir_all(&partial).map_err(|error| write_error(&partial, error))?;

        let to_bytes = |bytes: Result<Bytes, _>, file: &str| {
            bytes.map_err(|error| write_error(&partial.join(file), io::Error::other(error)))
        };
        let weights = to_bytes(model.clone().into_record().into_bytes(), MODEL)?;
        write_file(partial.join(MODEL), &weights[..])?;
        let moments = to_bytes(optimizer.into_bytes(), OPTIMIZER)?;
        write_file(partial.join(OPTIMIZER), &moments[..])?;
        let json = serde_json::to_string_pretty(state)
            .map_err(|error| write_error(&partial.join(STATE), error.into()))?;
        write_file(partial.join(STATE), json + "\n")?;

        let named = self.folder.join(format!("{:08}", state.update));
        fs::rename(&partial, &named).map_err(|error| write_error(&named, error))?;
        for older in stale {
            fs::remove_dir_all(&older).map_err(|error| write_error(&older, error))?;
        }
        Ok(())
    }

    /// Reads the last checkpoint into a model and an optimizer of the same settings.
    ///
    /// # Errors
    ///
    /// If there is none, or it is damaged.
    pub fn load(
        &self,
        model: Transformer,
        optimizer: ModuleOptimizer,
    ) -> Result<(Transformer, ModuleOptimizer, TrainingState), TrainError> {
        let Some(last) = self.numbered().pop() else {
            return Err(TrainError::NoCheckpoint {
                path: self.folder.clone(),
            });
        };
        let invalid = |file: &str, reason: String| TrainError::InvalidCheckpoint {
            path: last.join(file),
            reason,
        };
        let read = |file: &str| fs::read(last.join(file)).map_err(|error| invalid(file, error.to_string()));

        let state =
            serde_json::from_slice(&read(STATE)?).map_err(|error| invalid(STATE, error.to_string()))?;
        let weights = Bytes::from_bytes_vec(read(MODEL)?);
        let model = ModuleRecord::from_bytes(weights)
            .and_then(|record| model.try_load_record(record))
            .map_err(|error| invalid(MODEL, error.to_string()))?;
        let moments = Bytes::from_bytes_vec(read(OPTIMIZER)?);
        let optimizer = optimizer
            .from_bytes(moments)
            .map_err(|error| invalid(OPTIMIZER, error.to_string()))?;
        Ok((model, optimizer, state))
    }

    /// The folders of whole checkpoints, oldest first.
    fn numbered(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut folders: Vec<PathBuf> = entries
            .map(|entry| entry.path())
            .filter(|path| path.file_name().is_some_and(|name| name != PARTIAL))
            .collect();
        folders.sort();
        folders
    }
}

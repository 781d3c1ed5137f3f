//! Checkpoints: everything that a run needs to go on.
//!
//! A run keeps its last two checkpoints, each in a folder that is named by its number of updates:
//!
//! | file | content |
//! |---|---|
//! | `model.bpk` | the weights, with the identities by which the optimizer knows them |
//! | `optimizer.bpk` | the moments of Adam |
//! | `average.bpk` | the moving average of the weights, if one is asked for |
//! | `state.toml` | how far the run has come ([`TrainingState`]), and the loss scale |
//! | `checksums.toml` | the CRC-32 of each of these files, so that a changed byte is noticed |
//!
//! Of an older checkpoint that an average of checkpoints needs, `model.bpk` and its checksum stay. The best weights so
//! far are not here but in the model folder's `model.safetensors`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use attend_data::{DataError, sync_folder, write_file};
use attend_model::Transformer;
use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;
use crate::loss_scale::LossScale;
use crate::state::TrainingState;
use crate::step::StepState;

/// The folder in a run's folder that holds the checkpoints.
pub(crate) const CHECKPOINTS: &str = "checkpoints";
const MODEL: &str = "model.bpk";
const OPTIMIZER: &str = "optimizer.bpk";
const AVERAGE: &str = "average.bpk";
const STATE: &str = "state.toml";
const CHECKSUMS: &str = "checksums.toml";
/// The name of a checkpoint that is being written. Those of whole ones are numbers.
const PARTIAL: &str = "partial";
/// The name of a checkpoint while another of the same update takes its place.
const REPLACED: &str = "replaced";
/// The number of checkpoints that are kept: if the last one is damaged, the run can go on from the one before.
const KEPT: usize = 2;

/// The CRC-32 of each file of a checkpoint.
type Checksums = BTreeMap<String, u32>;

/// The contents of `state.toml`. TOML gives back every number exactly as it was.
#[derive(Default, Serialize, Deserialize)]
struct StateFile {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    loss_scale: Option<LossScale>,
    #[serde(flatten)]
    run: TrainingState,
}

/// The checkpoints of a run.
#[derive(Clone, Debug)]
pub(crate) struct Checkpoints {
    folder: PathBuf,
}

/// A checkpoint, and why later ones cannot be used.
pub(crate) struct Loaded {
    pub(crate) step: StepState,
    pub(crate) run: TrainingState,
    pub(crate) damages: Vec<TrainError>,
}

impl Checkpoints {
    /// Names the checkpoints of the run in `run_folder`.
    pub(crate) fn of(run_folder: &Path) -> Self {
        Self {
            folder: run_folder.join(CHECKPOINTS),
        }
    }

    /// Writes a checkpoint, and then removes older ones that are no longer needed. At every instant after the first
    /// checkpoint there is a whole one.
    ///
    /// # Errors
    ///
    /// If a file cannot be written. The older checkpoints then stay.
    pub(crate) fn save(&self, step: &StepState, run: &TrainingState) -> Result<(), TrainError> {
        let partial = self.folder.join(PARTIAL);
        remove(&partial)?;
        // Parents are not made: if the run's folder is gone, nobody would look for a checkpoint in a new one.
        fs::create_dir(&partial).map_err(|error| DataError::write(&partial, error))?;

        let mut checksums = Checksums::new();
        let mut write = |file: &str, bytes: Result<Bytes, _>| {
            let path = partial.join(file);
            let bytes: Bytes = bytes.map_err(|error| DataError::write(&path, io::Error::other(error)))?;
            checksums.insert(file.to_owned(), crc32fast::hash(&bytes));
            Ok::<_, TrainError>(write_file(path, &bytes[..])?)
        };
        write(MODEL, step.model.clone().into_record().into_bytes())?;
        write(OPTIMIZER, step.optimizer.to_bytes(&step.model))?;
        if let Some(average) = &step.moving_average {
            write(AVERAGE, average.clone().into_record().into_bytes())?;
        }
        let state = StateFile {
            loss_scale: step.loss_scale,
            run: run.clone(),
        };
        let state = toml::to_string_pretty(&state).expect("numbers always serialize");
        write(STATE, Ok(Bytes::from_bytes_vec(state.into_bytes())))?;
        let checksums = toml::to_string(&checksums).expect("numbers always serialize");
        write_file(partial.join(CHECKSUMS), checksums)?;

        let named = self.numbered(run.update);
        let rename = |from: &Path, to: &Path| {
            fs::rename(from, to)
                .and_then(|()| sync_folder(&self.folder))
                .map_err(|error| DataError::write(to, error))
        };
        // There is one of this update already if a run was stopped at its limit, or if that one was damaged.
        let replaced = self.folder.join(REPLACED);
        if named.exists() {
            remove(&replaced)?;
            rename(&named, &replaced)?;
        }
        rename(&partial, &named)?;
        remove(&replaced)?;
        self.prune(run.update)
    }

    /// Removes the checkpoint of an update, if there is one.
    ///
    /// # Errors
    ///
    /// If it cannot be removed.
    pub(crate) fn discard(&self, update: usize) -> Result<(), TrainError> {
        // The state goes first, so that what an interrupted removal leaves is no checkpoint.
        remove(&self.path(update, STATE))?;
        remove(&self.numbered(update))
    }

    /// Puts a checkpoint back that was about to be replaced when the program was killed.
    fn put_back_replaced(&self) -> Result<(), TrainError> {
        let replaced = self.folder.join(REPLACED);
        let Ok(bytes) = fs::read(replaced.join(STATE)) else {
            return Ok(());
        };
        let state: Result<StateFile, _> = toml::from_slice(&bytes);
        let named = state.map(|state| self.numbered(state.run.update));
        match named {
            Ok(named) if !named.exists() => {
                Ok(fs::rename(&replaced, &named).map_err(|error| DataError::write(&named, error))?)
            }
            _ => remove(&replaced),
        }
    }

    /// Reads the last whole checkpoint of a run whose first step found the state `start`. Returns it with the reasons
    /// why later ones cannot be used; `None` if there is no checkpoint.
    ///
    /// # Errors
    ///
    /// If there are checkpoints, and all are damaged.
    pub(crate) fn load(&self, start: &StepState) -> Result<Option<Loaded>, TrainError> {
        self.put_back_replaced()?;
        let mut damages = Vec::new();
        for update in self.updates().into_iter().rev() {
            match self.read(update, start) {
                Ok((step, run)) => return Ok(Some(Loaded { step, run, damages })),
                Err(damage) => damages.push(damage),
            }
        }
        match damages.into_iter().next() {
            Some(newest) => Err(newest),
            None => Ok(None),
        }
    }

    /// Reads the weights of a checkpoint into `model`, a network of their shape.
    ///
    /// # Errors
    ///
    /// If they are missing or damaged.
    pub(crate) fn weights(&self, update: usize, model: Transformer) -> Result<Transformer, TrainError> {
        self.read_weights(update, MODEL, model)
    }

    /// Checks that the weights of a checkpoint are as they were written.
    ///
    /// # Errors
    ///
    /// If they are missing or damaged.
    pub(crate) fn check_weights(&self, update: usize) -> Result<(), TrainError> {
        self.read_bytes(update, MODEL).map(|_| ())
    }

    fn read(&self, update: usize, start: &StepState) -> Result<(StepState, TrainingState), TrainError> {
        let StateFile { loss_scale, run } = self.state(update)?;
        let optimizer = start
            .optimizer
            .with_moments(self.read_bytes(update, OPTIMIZER)?, run.steps(), &start.model)
            .map_err(|error| damaged(&self.path(update, OPTIMIZER), error))?;
        let average = start.moving_average.clone();
        let step = StepState {
            model: self.read_weights(update, MODEL, start.model.clone())?,
            optimizer,
            moving_average: average
                .map(|average| self.read_weights(update, AVERAGE, average))
                .transpose()?,
            loss_scale,
        };
        Ok((step, run))
    }

    fn state(&self, update: usize) -> Result<StateFile, TrainError> {
        toml::from_slice(&self.read_bytes(update, STATE)?)
            .map_err(|error| damaged(&self.path(update, STATE), error.message()))
    }

    fn read_weights(&self, update: usize, file: &str, model: Transformer) -> Result<Transformer, TrainError> {
        ModuleRecord::from_bytes(self.read_bytes(update, file)?)
            .and_then(|record| model.try_load_record(record))
            .map_err(|error| damaged(&self.path(update, file), error))
    }

    /// Reads a file of a checkpoint, and compares it with its checksum.
    fn read_bytes(&self, update: usize, file: &str) -> Result<Bytes, TrainError> {
        let path = self.path(update, file);
        let bytes = read_file(&path)?;
        let list = self.path(update, CHECKSUMS);
        let checksums: Checksums =
            toml::from_slice(&read_file(&list)?).map_err(|error| damaged(&list, error.message()))?;
        if checksums.get(file) == Some(&crc32fast::hash(&bytes)) {
            Ok(Bytes::from_bytes_vec(bytes))
        } else {
            Err(damaged(&path, "its checksum differs"))
        }
    }

    /// Removes what neither the checkpoint of `update` nor the one before it needs.
    fn prune(&self, update: usize) -> Result<(), TrainError> {
        let mut whole = self.updates();
        whole.retain(|&other| other <= update && self.path(other, STATE).exists());
        let kept = whole.split_off(whole.len().saturating_sub(KEPT));
        let mut averaged = Vec::new();
        for &update in &kept {
            // What a damaged one needs does not matter: nobody will go on from it.
            let state = self.state(update).unwrap_or_default();
            averaged.extend(state.run.averaged.into_iter().map(|averaged| averaged.update));
        }
        for update in self.updates() {
            if averaged.contains(&update) && !kept.contains(&update) {
                for file in [STATE, OPTIMIZER, AVERAGE] {
                    remove(&self.path(update, file))?;
                }
            } else if !kept.contains(&update) {
                self.discard(update)?;
            }
        }
        Ok(())
    }

    /// Lists the updates of which there is a checkpoint, or at least its weights, in their order.
    fn updates(&self) -> Vec<usize> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut updates: Vec<usize> = entries
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .collect();
        updates.sort_unstable();
        updates
    }

    fn numbered(&self, update: usize) -> PathBuf {
        self.folder.join(format!("{update:08}"))
    }

    fn path(&self, update: usize, file: &str) -> PathBuf {
        self.numbered(update).join(file)
    }
}

fn read_file(path: &Path) -> Result<Vec<u8>, TrainError> {
    fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => damaged(path, "it is missing"),
        _ => damaged(path, error),
    })
}

/// Removes a file or a folder, if it is there.
fn remove(path: &Path) -> Result<(), TrainError> {
    let removed = if path.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(DataError::write(path, error).into()),
        _ => Ok(()),
    }
}

fn damaged(path: &Path, reason: impl ToString) -> TrainError {
    TrainError::InvalidCheckpoint {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

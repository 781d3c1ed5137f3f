//! Checkpoints: everything that a run needs to go on.
//!
//! A run keeps its last two checkpoints. Each is a folder, whose name is the number of updates before it:
//!
//! | file | content |
//! |---|---|
//! | `model.bpk` | the weights, with the identities by which the optimizer knows them |
//! | `optimizer.bpk` | the moments of Adam |
//! | `average.bpk` | the moving average of the weights, if one is asked for |
//! | `state.toml` | how far the run has come ([`TrainingState`]), and the loss scale |
//! | `checksums.toml` | the CRC-32 of each of these files, so that a changed byte is noticed |
//!
//! An older checkpoint whose weights are still needed for an average keeps `model.bpk` and `checksums.toml`. The best
//! weights so far are not in a checkpoint, but in `model.safetensors` in the model folder.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use attend_data::{DataError, sync_folder, write_file};
use burn::module::{Module, ModuleDisplay};
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
/// The name of a checkpoint that is being written. The names of whole checkpoints are numbers.
const PARTIAL: &str = "partial";
/// The name of a checkpoint while a new one of the same update replaces it.
const REPLACED: &str = "replaced";
/// The number of checkpoints that are kept. If the last one is damaged, the run can go on from the one before.
const KEPT: usize = 2;

/// The CRC-32 of each file of a checkpoint.
type Checksums = BTreeMap<String, u32>;

/// The contents of `state.toml`. Writing a number as TOML and reading it again does not change it.
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

/// A checkpoint, and the reasons why later ones cannot be used.
pub(crate) struct Loaded<N> {
    pub(crate) step: StepState<N>,
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

    /// Writes a checkpoint, and then removes older ones that are not needed. Once the first checkpoint is written, a
    /// whole one is on disk at every moment.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::Data`] if a file cannot be written. The older checkpoints then stay.
    pub(crate) fn save<N: Module + ModuleDisplay>(
        &self,
        step: &StepState<N>,
        run: &TrainingState,
    ) -> Result<(), TrainError> {
        let partial = self.folder.join(PARTIAL);
        remove(&partial)?;
        // Missing parent folders are not created: if the run's folder was removed, nobody would look for a checkpoint
        // in a new one.
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
        // A checkpoint of this update is there already if a run was stopped at its limit, or if that checkpoint is
        // damaged and the run went on from an earlier one.
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
    /// Returns [`TrainError::Data`] if it cannot be removed.
    pub(crate) fn discard(&self, update: usize) -> Result<(), TrainError> {
        // The state is removed first, so that what an interrupted removal leaves does not count as a checkpoint.
        remove(&self.path(update, STATE))?;
        remove(&self.numbered(update))
    }

    /// Restores the name of a checkpoint that was being replaced when the program was killed.
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

    /// Reads the last whole checkpoint, and returns it with the reasons why later ones cannot be used. Returns `None`
    /// if there is no checkpoint. `start` is the state of the run before its first step, which has the shapes to read.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::InvalidCheckpoint`] if there are checkpoints, and all are damaged.
    pub(crate) fn load<N: Module + ModuleDisplay>(
        &self,
        start: &StepState<N>,
    ) -> Result<Option<Loaded<N>>, TrainError> {
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

    /// Returns `model` with the weights of a checkpoint. `model` must have their shape.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::InvalidCheckpoint`] if they are missing or damaged.
    pub(crate) fn weights<N: Module>(&self, update: usize, model: N) -> Result<N, TrainError> {
        self.read_weights(update, MODEL, model)
    }

    /// Checks that the weights of a checkpoint are as they were written.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::InvalidCheckpoint`] if they are missing or damaged.
    pub(crate) fn check_weights(&self, update: usize) -> Result<(), TrainError> {
        self.read_bytes(update, MODEL).map(|_| ())
    }

    fn read<N: Module + ModuleDisplay>(
        &self,
        update: usize,
        start: &StepState<N>,
    ) -> Result<(StepState<N>, TrainingState), TrainError> {
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

    fn read_weights<N: Module>(&self, update: usize, file: &str, model: N) -> Result<N, TrainError> {
        ModuleRecord::from_bytes(self.read_bytes(update, file)?)
            .and_then(|record| model.try_load_record(record))
            .map_err(|error| damaged(&self.path(update, file), error))
    }

    /// Reads a file of a checkpoint, and compares its CRC-32 with `checksums.toml`.
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

    /// Removes all files that are needed neither by the checkpoint of `update` nor by the one before it. A checkpoint
    /// needs the weights of the updates that it averages.
    fn prune(&self, update: usize) -> Result<(), TrainError> {
        let mut whole = self.updates();
        whole.retain(|&other| other <= update && self.path(other, STATE).exists());
        let kept = whole.split_off(whole.len().saturating_sub(KEPT));
        let mut averaged = Vec::new();
        for &update in &kept {
            // A run cannot go on from a damaged checkpoint, so the files that only it needs may go.
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

    /// Lists the updates that have a checkpoint or at least its weights, in their order.
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

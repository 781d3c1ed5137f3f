//! Checkpoints: everything that going on with a run needs.
//!
//! A run keeps its last two checkpoints, each in a folder named by its number of updates:
//!
//! | file | content |
//! |---|---|
//! | `model.bpk` | the weights, with the identities that the optimizer knows them by |
//! | `optimizer.bpk` | Adam's moments |
//! | `average.bpk` | the moving average of the weights, where one is asked for |
//! | `state.toml` | [`TrainingState`] |
//! | `checksums.toml` | the CRC-32 of each of these files, so that none is read with a byte changed |
//!
//! Of older ones that an average of checkpoints needs, `model.bpk` and its checksum stay. The best weights so far are
//! the model folder's own `model.safetensors`.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use attend_data::{DataError, Position, sync_folder, write_file};
use attend_model::Transformer;
use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;
use crate::loss_scale::LossScale;
use crate::optimizer::Optimizer;

/// The folder in a run's folder that holds the checkpoints.
pub const CHECKPOINTS: &str = "checkpoints";
const MODEL: &str = "model.bpk";
const OPTIMIZER: &str = "optimizer.bpk";
const AVERAGE: &str = "average.bpk";
const STATE: &str = "state.toml";
const CHECKSUMS: &str = "checksums.toml";
/// The name that a checkpoint is built under; the others are numbers.
const PARTIAL: &str = "partial";
/// The name that a checkpoint has while another of the same update takes its place.
const REPLACED: &str = "replaced";
/// How many checkpoints to go on from stay: should the last be damaged, there is the one before.
const KEPT: usize = 2;

/// The CRC-32 of each file of a checkpoint.
type Checksums = BTreeMap<String, u32>;

/// All that changes in the course of a run.
#[derive(Clone)]
pub struct Snapshot {
    /// The network.
    pub model: Transformer,
    /// The optimizer with its moments.
    pub optimizer: Optimizer,
    /// The moving average of the weights, on a device without autodiff, where one is asked for.
    pub moving_average: Option<Transformer>,
    /// The rest.
    pub state: TrainingState,
}

/// How far a run has come.
// TOML, since it gives back every number exactly as it was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainingState {
    /// Updates taken or skipped.
    pub update: usize,
    /// Updates skipped, because the loss or a gradient was not finite.
    pub skipped: usize,
    /// Where products are taken in 16-bit floats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss_scale: Option<LossScale>,
    /// Workers that shared each batch: they decide how dropout falls, and how sums are rounded.
    pub workers: usize,
    /// Seconds spent, pauses between resumed parts left out.
    pub seconds: f64,
    /// The update of the last validation.
    pub validated: usize,
    /// Validations in a row that were no better than the best before them.
    pub validations_since_best: usize,
    /// Where the next batch stands.
    pub position: Position,
    /// The updates since the last record in `metrics.jsonl`.
    pub span: Span,
    /// The validation whose weights the model folder holds.
    pub best: Option<Best>,
    /// The checkpoints whose weights are averaged, in the order of their updates.
    #[serde(default)]
    pub averaged: Vec<Averaged>,
}

impl TrainingState {
    /// Steps that the optimizer took.
    #[must_use]
    pub fn steps(&self) -> usize {
        self.update.saturating_sub(self.skipped)
    }
}

/// Some updates in a row, as the trainer measured them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Span {
    /// Label-smoothed cross-entropy, in nats, summed over the real target tokens.
    pub loss_sum: f64,
    /// Number of real target tokens.
    pub target_tokens: usize,
    /// Learning rate of the last update.
    pub learning_rate: f64,
    /// Global norm of the last update's gradients before clipping.
    pub gradient_norm: f64,
}

/// The best validation so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The update it was made at.
    pub update: usize,
    /// Its score by the run's metric.
    pub score: f64,
    /// The updates whose weights were averaged; none where the weights were those of one update.
    pub averaged: Vec<usize>,
}

/// A checkpoint whose weights are averaged.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Averaged {
    /// Its update.
    pub update: usize,
    /// Its validation score, where the best are averaged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
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
            folder: run_folder.join(CHECKPOINTS),
        }
    }

    /// Writes a checkpoint and then removes what is no longer needed: once there is a whole one, there always is.
    ///
    /// # Errors
    ///
    /// If a file cannot be written; the older checkpoints stay then.
    pub fn save(&self, snapshot: &Snapshot) -> Result<(), TrainError> {
        let partial = self.folder.join(PARTIAL);
        remove(&partial)?;
        // Not with its parents: where the run's folder is gone, nobody would look for the checkpoint.
        fs::create_dir(&partial).map_err(|error| DataError::write(&partial, error))?;

        let mut checksums = Checksums::new();
        let mut write = |file: &str, bytes: Result<Bytes, _>| {
            let path = partial.join(file);
            let bytes: Bytes = bytes.map_err(|error| DataError::write(&path, io::Error::other(error)))?;
            checksums.insert(file.to_owned(), crc32fast::hash(&bytes));
            Ok::<_, TrainError>(write_file(path, &bytes[..])?)
        };
        write(MODEL, snapshot.model.clone().into_record().into_bytes())?;
        write(OPTIMIZER, snapshot.optimizer.to_bytes(&snapshot.model))?;
        if let Some(average) = &snapshot.moving_average {
            write(AVERAGE, average.clone().into_record().into_bytes())?;
        }
        let state = toml::to_string_pretty(&snapshot.state).expect("numbers always serialize");
        write(STATE, Ok(Bytes::from_bytes_vec(state.into_bytes())))?;
        let checksums = toml::to_string(&checksums).expect("numbers always serialize");
        write_file(partial.join(CHECKSUMS), checksums)?;

        let named = self.numbered(snapshot.state.update);
        let rename = |from: &Path, to: &Path| {
            fs::rename(from, to)
                .and_then(|()| sync_folder(&self.folder))
                .map_err(|error| DataError::write(to, error))
        };
        // There is one where a run was interrupted at its limit, or where the last was too damaged to go on from.
        let replaced = self.folder.join(REPLACED);
        if named.exists() {
            remove(&replaced)?;
            rename(&named, &replaced)?;
        }
        rename(&partial, &named)?;
        remove(&replaced)?;
        self.prune(snapshot.state.update)
    }

    /// Removes the checkpoint at `update`, if there is one.
    ///
    /// # Errors
    ///
    /// If it cannot be removed.
    pub fn discard(&self, update: usize) -> Result<(), TrainError> {
        // First the state: what is left of a removal cut short is no checkpoint.
        remove(&self.path(update, STATE))?;
        remove(&self.numbered(update))
    }

    /// Puts back the checkpoint that was about to be replaced when the program was killed.
    fn put_back_replaced(&self) -> Result<(), TrainError> {
        let replaced = self.folder.join(REPLACED);
        let Ok(bytes) = fs::read(replaced.join(STATE)) else {
            return Ok(());
        };
        let state: Result<TrainingState, _> = toml::from_slice(&bytes);
        let named = state.map(|state| self.numbered(state.update));
        match named {
            Ok(named) if !named.exists() => {
                Ok(fs::rename(&replaced, &named).map_err(|error| DataError::write(&named, error))?)
            }
            _ => remove(&replaced),
        }
    }

    /// Reads the last whole checkpoint of a run that began as `start`, and what was wrong with later ones. `None`
    /// where the run has not come to its first.
    ///
    /// # Errors
    ///
    /// If there are checkpoints, and all are damaged.
    pub fn load(&self, start: &Snapshot) -> Result<Option<(Snapshot, Vec<TrainError>)>, TrainError> {
        self.put_back_replaced()?;
        let mut damages = Vec::new();
        for update in self.updates().into_iter().rev() {
            match self.read(update, start) {
                Ok(snapshot) => return Ok(Some((snapshot, damages))),
                Err(damage) => damages.push(damage),
            }
        }
        match damages.into_iter().next() {
            Some(newest) => Err(newest),
            None => Ok(None),
        }
    }

    /// The weights of a checkpoint, read into a model of the same settings.
    ///
    /// # Errors
    ///
    /// If they are missing or damaged.
    pub fn weights(&self, update: usize, model: Transformer) -> Result<Transformer, TrainError> {
        self.read_weights(update, MODEL, model)
    }

    /// Checks that the weights of a checkpoint are as they were written.
    ///
    /// # Errors
    ///
    /// If they are missing or damaged.
    pub fn check_weights(&self, update: usize) -> Result<(), TrainError> {
        self.read_bytes(update, MODEL).map(|_| ())
    }

    fn read(&self, update: usize, start: &Snapshot) -> Result<Snapshot, TrainError> {
        let state = self.state(update)?;
        let optimizer = start
            .optimizer
            .from_bytes(self.read_bytes(update, OPTIMIZER)?, state.steps(), &start.model)
            .map_err(|error| damaged(&self.path(update, OPTIMIZER), error))?;
        let moving_average = start.moving_average.clone();
        Ok(Snapshot {
            model: self.read_weights(update, MODEL, start.model.clone())?,
            optimizer,
            moving_average: moving_average
                .map(|average| self.read_weights(update, AVERAGE, average))
                .transpose()?,
            state,
        })
    }

    fn state(&self, update: usize) -> Result<TrainingState, TrainError> {
        toml::from_slice(&self.read_bytes(update, STATE)?)
            .map_err(|error| damaged(&self.path(update, STATE), error.message()))
    }

    fn read_weights(&self, update: usize, file: &str, model: Transformer) -> Result<Transformer, TrainError> {
        ModuleRecord::from_bytes(self.read_bytes(update, file)?)
            .and_then(|record| model.try_load_record(record))
            .map_err(|error| damaged(&self.path(update, file), error))
    }

    /// A file of a checkpoint, compared with its checksum.
    fn read_bytes(&self, update: usize, file: &str) -> Result<Bytes, TrainError> {
        let path = self.path(update, file);
        let bytes = read_file(&path)?;
        let list = self.path(update, CHECKSUMS);
        let checksums: Checksums =
            toml::from_slice(&read_file(&list)?).map_err(|error| damaged(&list, error.message()))?;
        match checksums.get(file) == Some(&crc32fast::hash(&bytes)) {
            true => Ok(Bytes::from_bytes_vec(bytes)),
            false => Err(damaged(&path, "its checksum differs")),
        }
    }

    /// Removes what neither the checkpoint at `update` nor the one before it needs.
    fn prune(&self, update: usize) -> Result<(), TrainError> {
        let mut whole = self.updates();
        whole.retain(|&other| other <= update && self.path(other, STATE).exists());
        let kept = whole.split_off(whole.len().saturating_sub(KEPT));
        let mut averaged = Vec::new();
        for &update in &kept {
            // One that is damaged, and needs nothing, will be followed by a whole one.
            let state = self.state(update).unwrap_or_default();
            averaged.extend(state.averaged.into_iter().map(|averaged| averaged.update));
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

    /// The updates that there are checkpoints of, or weights of former ones, in their order.
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
    let removed = match path.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
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

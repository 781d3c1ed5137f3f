//! What can go wrong in a training run.

use std::net::SocketAddr;
use std::path::PathBuf;

use attend_data::DataError;
use attend_infer::InferError;
use attend_infer::metric::MetricError;

use crate::recipe::Dtype;
use crate::run_folder::RECIPE;

/// An error of this crate. Its message is one sentence; [`TrainError::hint`] says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// Text, a tokenizer or a file.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The model folder, or translating for validation.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// A recipe that is not what it should be.
    #[error("{place}: {reason}")]
    Recipe {
        /// The file and the line where known, or the override on the command line.
        place: String,
        /// What is wrong, with the field's name.
        reason: String,
        /// A way on, where there is one to suggest.
        hint: Option<String>,
    },
    /// The folder to write to holds something.
    #[error("the output folder {} exists already", path.display())]
    OutputExists {
        /// The folder.
        path: PathBuf,
    },
    /// There is nothing to go on from.
    #[error("{} holds no checkpoint to resume from", path.display())]
    NoCheckpoint {
        /// The run's folder.
        path: PathBuf,
    },
    /// Another program trains there.
    #[error("another training is running in {}", path.display())]
    Busy {
        /// The run's folder.
        path: PathBuf,
    },
    /// The recipe is not that of the run to resume.
    #[error("the recipe differs from that of the run in {}: {changes}", path.display())]
    ChangedRecipe {
        /// The run's folder.
        path: PathBuf,
        /// The keys that differ, with both values.
        changes: String,
    },
    /// Text or tokenizer are not those of the run to resume.
    #[error("{what} changed since the run in {} began", path.display())]
    ChangedInput {
        /// What is different.
        what: String,
        /// The run's folder.
        path: PathBuf,
    },
    /// A checkpoint that cannot be used.
    #[error("the checkpoint {} is damaged: {reason}", path.display())]
    InvalidCheckpoint {
        /// The file.
        path: PathBuf,
        /// What the reader met.
        reason: String,
    },
    /// Training went astray.
    #[error("loss or gradients were not finite in {updates} updates in a row, up to update {update}")]
    NotFinite {
        /// How many updates.
        updates: usize,
        /// The last of them, counted from one.
        update: usize,
    },
    /// No weights were worth keeping.
    #[error("no validation had a finite loss, so there is no model to keep")]
    NoModel,
    /// Devices that would have nothing to do.
    #[error("{devices} devices need as many workers, but --workers is {workers}")]
    IdleDevices {
        /// The workers asked for.
        workers: usize,
        /// The devices.
        devices: usize,
    },
    /// Floats that a device does not compute with.
    #[error("not all of the devices compute in {dtype}")]
    Dtype {
        /// The recipe's.
        dtype: Dtype,
    },
    /// Devices that cannot be served.
    #[error("cannot serve on {address}: {reason}")]
    Server {
        /// Where to listen.
        address: SocketAddr,
        /// What was met.
        reason: String,
    },
    /// The system refused to tell of Ctrl-C.
    #[error("cannot listen for Ctrl-C: {0}")]
    Signals(#[source] std::io::Error),
    /// No held-out pair is left.
    #[error("none of the {pairs} {name} pairs can be scored: the model has {positions} positions")]
    NothingToScore {
        /// What they are for.
        name: &'static str,
        /// Number of pairs read.
        pairs: usize,
        /// The most tokens of a sentence, `</s>` included.
        positions: usize,
    },
    /// No pair is left to train on.
    #[error("the filters dropped all {pairs} training pairs")]
    NothingToTrain {
        /// Number of pairs read.
        pairs: usize,
    },
}

impl From<MetricError> for TrainError {
    fn from(error: MetricError) -> Self {
        InferError::from(error).into()
    }
}

impl TrainError {
    /// What the user can do about the error, where there is something to say beyond the message.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Data(error) => return error.hint(),
            Self::Infer(error) => return error.hint(),
            Self::Recipe { hint, .. } => return hint.clone(),
            Self::OutputExists { .. } => {
                "go on with that run by --resume, or name another folder with --output"
            }
            Self::NoCheckpoint { .. } => "train without --resume into a new folder",
            Self::ChangedRecipe { path, .. } => {
                return Some(format!(
                    "resume with the recipe {} and --output {} (only when a run ends may change: training.epochs, \
                     minutes and patience, and updates where the schedule is not cosine), or train into another folder \
                     by --output",
                    path.join(RECIPE).display(),
                    path.display()
                ));
            }
            Self::ChangedInput { .. } => "put it back as it was, or train into another folder by --output",
            Self::Busy { .. } => "wait until it has ended, or train into another folder by --output",
            Self::InvalidCheckpoint { .. } => {
                "train anew into another folder by --output; the model folder's weights are not affected"
            }
            Self::NotFinite { .. } => {
                "lower training.learning_rate or lengthen training.warmup, then train anew; the last good checkpoint \
                 is intact"
            }
            Self::NoModel => "lower training.learning_rate or lengthen training.warmup, then train anew",
            Self::IdleDevices { .. } => "take a worker for each device, or leave out --workers",
            Self::Dtype { .. } => "take another training.dtype, or other devices",
            Self::Server { .. } => "take another port by --listen, and devices of one backend",
            Self::Signals(_) => "check the limits of this system",
            Self::NothingToScore { .. } => {
                "raise model.max_length, or name files with shorter lines in [data]"
            }
            Self::NothingToTrain { .. } => "raise data.max_length or data.max_ratio, or change data.clean",
        };
        Some(hint.to_owned())
    }
}

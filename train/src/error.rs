//! What can go wrong in a training run.

use std::path::PathBuf;

use attend_data::DataError;
use attend_device::DeviceError;
use attend_infer::InferError;
use attend_infer::metric::MetricError;

use crate::recipe::Dtype;

/// An error of this crate. Its message is one sentence that names the file and the field.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// Text, a tokenizer or a file.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A device, or a thread that computes.
    #[error(transparent)]
    Device(#[from] DeviceError),
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
    /// Floats that a device does not compute with.
    #[error("not all of the devices compute in {dtype}")]
    Dtype {
        /// The recipe's.
        dtype: Dtype,
    },
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

//! The errors of a training run.

use std::path::PathBuf;

use attend_data::DataError;
use attend_device::DeviceError;
use attend_infer::InferError;
use attend_infer::metric::MetricError;
use attend_model::{ConfigError, Precision};

use crate::dataset::LeftOut;
use crate::place::Place;

/// An error of this crate. The message is one sentence that names the file and the field.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// Text, a tokenizer or a file is not what it should be.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A device cannot be opened or does not answer, or the system refuses a thread.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// The model folder cannot be read or written, or a sentence cannot be translated for a validation.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// A recipe cannot be used.
    #[error("{place}: {reason}")]
    Recipe {
        /// The place of the setting.
        place: Place,
        /// What is wrong, with the name of the setting.
        reason: String,
        /// The known key most like an unknown one.
        nearest: Option<String>,
    },
    /// No network has the shape that was asked for.
    #[error("no network can be built: {0}")]
    Config(#[from] ConfigError),
    /// A recipe asks for another shape or vocabulary than those of the model that its run starts from.
    #[error("the recipe asks for {asked}, but the model in {} has {found}", path.display())]
    OtherThanInitial {
        /// The model folder.
        path: PathBuf,
        /// The key and the value of the recipe.
        asked: String,
        /// The value of the model.
        found: String,
    },
    /// The folder of a new run is not empty.
    #[error("the output folder {} exists already", path.display())]
    OutputExists {
        /// The folder.
        path: PathBuf,
    },
    /// A folder holds no run to resume.
    #[error("{} holds no checkpoint to resume from", path.display())]
    NoCheckpoint {
        /// The run's folder.
        path: PathBuf,
    },
    /// Another run is under way in the same folder.
    #[error("another training is running in {}", path.display())]
    Busy {
        /// The run's folder.
        path: PathBuf,
    },
    /// The recipe differs from the one that the run to resume began with.
    #[error("the recipe differs from that of the run in {}: {changes}", path.display())]
    ChangedRecipe {
        /// The run's folder.
        path: PathBuf,
        /// The keys that differ, with both values.
        changes: String,
    },
    /// Text or tokenizer differ from those that the run to resume began with.
    #[error("{what} changed since the run in {} began", path.display())]
    ChangedInput {
        /// What differs.
        what: String,
        /// The run's folder.
        path: PathBuf,
    },
    /// A file of a checkpoint is missing, or was changed after it was written.
    #[error("the checkpoint {} is damaged: {reason}", path.display())]
    InvalidCheckpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Training diverged.
    #[error("loss or gradients were not finite in {updates} updates in a row, up to update {update}")]
    NotFinite {
        /// Number of updates in a row.
        updates: usize,
        /// Number of the last of these updates, counted from 1.
        update: usize,
    },
    /// A run has ended, and none of its validations had a finite loss.
    #[error("no validation had a finite loss, so there is no model to keep")]
    NoModel,
    /// A device does not train in a precision. None trains in [`Precision::Int8`].
    #[error("not all of the devices compute in {precision}")]
    Precision {
        /// The precision that was asked for.
        precision: Precision,
    },
    /// A validation or test text has a label that no training text has.
    #[error("{place}: no training text has the label {label:?}")]
    UnknownLabel {
        /// The file and the line, or the name of the embedded corpus.
        place: String,
        /// The label.
        label: String,
    },
    /// All training texts have the same label, so that there is nothing to learn.
    #[error("all training texts have the label {label:?}, but a network learns to tell labels apart")]
    OneLabel {
        /// The label.
        label: String,
    },
    /// All validation pairs or all test pairs are blank or too long for the model.
    #[error("none of the {} {name} can be scored: {}", left_out.pairs(), why_none(left_out, *positions))]
    NothingToScore {
        /// `validation pairs` or `test pairs`, or `texts` in place of pairs.
        name: &'static str,
        /// The number of pairs that were left out for each reason.
        left_out: LeftOut,
        /// The maximum number of tokens in a sentence, `</s>` included.
        positions: usize,
    },
    /// No training pair is left.
    #[error(
        "the filters dropped all {pairs} training {unit}: {}",
        of_each_filter(dropped)
    )]
    NothingToTrain {
        /// `pairs`, or `texts` with labels.
        unit: &'static str,
        /// Number of pairs or texts read.
        pairs: usize,
        /// The filters that dropped pairs, as [`PreparationReport::dropped`](attend_data::PreparationReport::dropped)
        /// names them, each with the number of pairs.
        dropped: Vec<(&'static str, usize)>,
    },
}

/// Returns why all pairs were left out.
fn why_none(left_out: &LeftOut, positions: usize) -> String {
    let LeftOut { blank, too_long } = *left_out;
    match (blank, too_long) {
        (_, 0) => "all of them have a blank side".to_owned(),
        (0, _) => format!("the model has {positions} positions"),
        _ => format!("{blank} have a blank side, and the model has {positions} positions"),
    }
}

fn of_each_filter(dropped: &[(&str, usize)]) -> String {
    let dropped = dropped
        .iter()
        .map(|(filter, pairs)| format!("{pairs} as {filter}"));
    dropped.collect::<Vec<_>>().join(", ")
}

impl From<MetricError> for TrainError {
    fn from(error: MetricError) -> Self {
        InferError::from(error).into()
    }
}

//! The errors of this crate.

use std::path::{Path, PathBuf};

use attend_data::{DataError, located};
use attend_infer::InferError;

use crate::export::ExportFormat;

/// An error of this crate. Its message is one sentence that names the file, and the tensor or the field in error.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// A file that cannot be read or written.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A model folder that was written from a foreign model, but cannot be loaded.
    #[error(transparent)]
    Infer(Box<InferError>),
    /// A file that is damaged, cut short, or of another format than its name says.
    #[error("{} is damaged or no {format} file: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The format that the file should have.
        format: &'static str,
        /// What is wrong with the file.
        reason: String,
    },
    /// A file that would take too much memory or lead to a file elsewhere if it were trusted.
    #[error("{} is not read: {reason}", path.display())]
    Trap {
        /// The file.
        path: PathBuf,
        /// What it would do, as a sentence without a capital letter.
        reason: String,
    },
    /// A tensor that is missing, left over, of another shape than the model's settings ask for, or not finite.
    #[error("{}: the tensor {tensor} {reason}", path.display())]
    Tensor {
        /// The file of weights.
        path: PathBuf,
        /// The name of the tensor in that file.
        tensor: String,
        /// What is wrong with the tensor, as the end of a sentence whose subject it is.
        reason: String,
    },
    /// A file of settings or of a vocabulary that is not valid.
    #[error("{}: {reason}", path.display())]
    Settings {
        /// The file.
        path: PathBuf,
        /// What is wrong, with the field if it is about one.
        reason: String,
    },
    /// A model that computes something that Attend's networks do not.
    #[error("{} describes a model that Attend does not compute: {found}; {supported}", path.display())]
    Unsupported {
        /// The file that describes the model.
        path: PathBuf,
        /// The field and its value that no network of Attend has.
        found: String,
        /// What Attend takes in its place, as a sentence without a capital letter.
        supported: &'static str,
    },
    /// A model that lacks one of its files.
    #[error("{} has no {missing}", path.display())]
    Missing {
        /// The folder or archive.
        path: PathBuf,
        /// The file that is missing, and what it is for.
        missing: String,
    },
    /// A folder with several files where a model has one, so that it does not say which model it holds.
    #[error("{} has several {kind}, of which any may be meant: {}", path.display(), names.join(", "))]
    Several {
        /// The folder.
        path: PathBuf,
        /// What there are several of, as a plural.
        kind: &'static str,
        /// The names of the files.
        names: Vec<String>,
    },
    /// A model folder of Attend in place of a foreign model.
    #[error("{} is a model folder of Attend already", path.display())]
    OwnFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A model folder with what another format has no place for.
    #[error("{} cannot be exported as {format}: {found}", path.display())]
    NotExportable {
        /// The model folder.
        path: PathBuf,
        /// The format.
        format: ExportFormat,
        /// What has no place there.
        found: String,
    },
    /// A path that holds no model of a format that this crate reads.
    #[error("{} is no model of a known format", located(path))]
    UnknownFormat {
        /// The file or folder.
        path: PathBuf,
    },
    /// A folder to write to that has files in it.
    #[error("{} exists already", path.display())]
    OutputExists {
        /// The folder.
        path: PathBuf,
    },
}

impl From<InferError> for FormatError {
    fn from(error: InferError) -> Self {
        Self::Infer(Box::new(error))
    }
}

impl FormatError {
    pub(crate) fn damaged(path: &Path, format: &'static str, reason: impl ToString) -> Self {
        Self::Damaged {
            path: path.to_owned(),
            format,
            reason: reason.to_string(),
        }
    }

    pub(crate) fn tensor(path: &Path, tensor: &str, reason: impl ToString) -> Self {
        Self::Tensor {
            path: path.to_owned(),
            tensor: tensor.to_owned(),
            reason: reason.to_string(),
        }
    }

    pub(crate) fn settings(path: &Path, reason: impl ToString) -> Self {
        Self::Settings {
            path: path.to_owned(),
            reason: reason.to_string(),
        }
    }
}

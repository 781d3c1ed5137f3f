//! What can go wrong in a measurement.

use std::path::PathBuf;
use std::process::ExitStatus;

use attend_cli::{CliError, Hint};
use attend_data::DataError;
use attend_device::DeviceError;
use attend_formats::FormatError;
use attend_infer::InferError;
use attend_train::TrainError;

/// An error of the program `bench`. The message is one sentence.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error(transparent)]
    Data(#[from] DataError),
    #[error(transparent)]
    Cli(#[from] CliError),
    #[error(transparent)]
    Device(#[from] DeviceError),
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error(transparent)]
    Infer(#[from] InferError),
    #[error(transparent)]
    Train(#[from] TrainError),
    #[error("cannot run {}: {error}", program.display())]
    Start {
        program: PathBuf,
        error: std::io::Error,
        packages: Option<&'static str>,
    },
    #[error("{} ended with {status} and printed {output:?}, no measurement", program.display())]
    NoMeasurement {
        program: PathBuf,
        status: ExitStatus,
        output: String,
        packages: Option<&'static str>,
    },
    #[error("cannot run oha: {error}")]
    NoLoadGenerator { error: std::io::Error },
    #[error("{} ended with {status} before it served", program.display())]
    NoServer {
        program: PathBuf,
        status: String,
        packages: Option<&'static str>,
    },
    #[error("requests were not served: {answers}")]
    Unserved { answers: String },
    #[error("no update was measured: all updates only warmed up, or losses and gradients were not finite")]
    NoUpdates,
    #[error("{} has no sentence to translate", path.display())]
    NoSentence { path: PathBuf },
    #[error("{device} computes something else than the processor: {checks}")]
    Differs { device: String, checks: String },
}

impl Hint for BenchError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Cli(error) => error.hint(),
            Self::Data(error) => error.hint(),
            Self::Device(error) => error.hint(),
            Self::Format(error) => error.hint(),
            Self::Infer(error) => error.hint(),
            Self::Train(error) => error.hint(),
            Self::Start { packages, .. }
            | Self::NoMeasurement { packages, .. }
            | Self::NoServer { packages, .. } => {
                packages.map(|packages| format!("name a Python that has {packages}: --python PYTHON"))
            }
            Self::NoSentence { .. } => Some("name a text with a sentence a line: --input FILE".to_owned()),
            Self::NoLoadGenerator { .. } => Some("install it: cargo install --locked oha".to_owned()),
            Self::Unserved { .. } | Self::NoUpdates | Self::Differs { .. } => None,
        }
    }
}

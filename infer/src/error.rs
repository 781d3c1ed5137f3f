//! What can go wrong between a model folder and a translation.

use std::io;
use std::path::PathBuf;

use attend_data::DataError;
use attend_model::Precision;

use crate::metric::MetricError;
use crate::search::SearchError;

/// An error of this crate. Its message is one sentence; [`InferError::hint`] says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// A file of text or a tokenizer.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Two sets of lines that cannot be scored against each other.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// Options that describe no search.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// A folder without a `config.json`.
    #[error("{} is no model folder: it has no config.json", path.display())]
    NotAModel {
        /// The folder.
        path: PathBuf,
    },
    /// A `config.json` or `generation.json` that does not hold what it should.
    #[error("{}: {reason}", path.display())]
    InvalidSettings {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column where the file is no valid JSON.
        reason: String,
    },
    /// A file that is no safetensors file, or only the beginning of one.
    #[error("{} is damaged or no safetensors file: {reason}", path.display())]
    InvalidWeights {
        /// The file.
        path: PathBuf,
        /// What the reader met.
        reason: String,
    },
    /// Weights with which nothing can be computed.
    #[error("{}: the tensor {tensor} has a number that is not finite", path.display())]
    NotFinite {
        /// The file of weights.
        path: PathBuf,
        /// The first tensor that has one.
        tensor: String,
    },
    /// Weights of another network than `config.json` describes.
    #[error("{} does not fit the config.json beside it: {reason}", path.display())]
    WeightsMismatch {
        /// The file of weights.
        path: PathBuf,
        /// The first tensor that is missing, left over or of another shape.
        reason: String,
    },
    /// A tokenizer of another vocabulary than the network's.
    #[error("{} has {tokens} tokens, but config.json says vocab_size = {vocab_size}", path.display())]
    VocabularyMismatch {
        /// The tokenizer's file.
        path: PathBuf,
        /// Number of tokens in the tokenizer.
        tokens: usize,
        /// Number of tokens in the network.
        vocab_size: usize,
    },
    /// An ensemble of models that count tokens in different ways.
    #[error("{model} has another tokenizer than the first model of the ensemble")]
    EnsembleTokenizers {
        /// Its folder, or its place, counted from one.
        model: String,
    },
    /// A sentence that the model has no positions for.
    #[error(
        "line {line} of {text} has at least {tokens} tokens, but the model takes at most {limit} in a sentence"
    )]
    TooLong {
        /// What it is a line of: the input, or the sources or targets to be scored.
        text: &'static str,
        /// The line, counted from one.
        line: usize,
        /// Its number of tokens, or a smaller one where they were not counted.
        tokens: usize,
        /// The model's limit.
        limit: usize,
    },
    /// A prefix or required words that cannot be in a translation.
    #[error("line {line} of the input asks for {text:?} in its translation: {reason}")]
    Refused {
        /// The line, counted from one.
        line: usize,
        /// The prefix or the required word.
        text: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// A prefix and required words that leave no room.
    #[error(
        "line {line} of the input asks for {tokens} tokens in its translation, which has at most {limit}"
    )]
    RequestTooLong {
        /// The line, counted from one.
        line: usize,
        /// Tokens of its prefix and its required words.
        tokens: usize,
        /// Most tokens of its translation.
        limit: usize,
    },
    /// No translation found that has all required words.
    #[error("no translation with all of the required words was found for line {line} of the input")]
    Unmet {
        /// The line, counted from one.
        line: usize,
    },
    /// A file of prefixes for other lines.
    #[error("{} has {prefixes} lines, but the input has {input}", path.display())]
    Prefixes {
        /// The file.
        path: PathBuf,
        /// Its number of lines.
        prefixes: usize,
        /// Whether the input has `more` or `fewer`.
        input: &'static str,
    },
    /// Threads that the system refuses.
    #[error("cannot start a thread: {0}")]
    Threads(#[source] io::Error),
    /// A name that no device has.
    #[error("no device is named {name:?}")]
    UnknownDevice {
        /// The name asked for.
        name: String,
        /// The name most like it.
        nearest: &'static str,
    },
    /// A backend that this program was built without.
    #[error("this program was built without {feature}{}", but(.compiled_in))]
    DeviceNotCompiledIn {
        /// The backend's feature.
        feature: String,
        /// The features it was built with.
        compiled_in: Vec<&'static str>,
    },
    /// A device that this machine does not have.
    #[error("this machine has no {name}{}", but(.present))]
    NoSuchDevice {
        /// The name asked for.
        name: String,
        /// The devices of that backend that it has.
        present: Vec<String>,
    },
    /// A device named twice, which would be no faster.
    #[error("{name} is named twice")]
    RepeatedDevice {
        /// The second name.
        name: String,
    },
    /// Several devices for what computes on one.
    #[error("{names} are several devices, but this program computes on one")]
    SeveralDevices {
        /// What was asked for.
        names: String,
    },
    /// A device that does not multiply in the precision asked for.
    #[error("the device does not compute in {precision}")]
    Precision {
        /// What was asked for.
        precision: Precision,
    },
    /// A device of another machine that does not answer.
    #[error("cannot connect to {name}: {reason}")]
    Unreachable {
        /// The name asked for.
        name: String,
        /// What was met.
        reason: String,
    },
    /// A device that is there, but not to be used.
    #[error("cannot open {name}: {reason}")]
    CannotOpen {
        /// The device's name.
        name: String,
        /// What was met.
        reason: String,
    },
    /// A device that still answers, but could not do the work.
    #[error("{names} could not compute this: {reason}")]
    DeviceFailed {
        /// The devices, of which it was one.
        names: String,
        /// What was met.
        reason: String,
    },
    /// A device that was there and is gone.
    #[error("lost {names}: {reason}")]
    DeviceLost {
        /// The devices.
        names: String,
        /// What was met at the first of them.
        reason: String,
    },
    /// No device at all.
    #[error("the backends that this program was built with find no device in this machine")]
    NoDevice,
}

impl InferError {
    /// The line of the input, from 1, that cannot be translated; `None` of other errors.
    #[must_use]
    pub fn line(&self) -> Option<usize> {
        match self {
            Self::TooLong { line, .. }
            | Self::Refused { line, .. }
            | Self::RequestTooLong { line, .. }
            | Self::Unmet { line } => Some(*line),
            Self::Prefixes {
                prefixes,
                input: "more",
                ..
            } => Some(prefixes + 1),
            _ => None,
        }
    }

    /// What the user can do about the error, where there is something to say beyond the message.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Data(error) => return error.hint(),
            Self::Metric(_) => "give one hypothesis a line for each line of the reference",
            Self::Search(_) => return None,
            Self::NotAModel { .. } => {
                "train a model first, for example with `just train`, or name another folder"
            }
            Self::InvalidSettings { .. } => "restore the file from the training run that wrote the folder",
            Self::NotFinite { .. } => {
                "take an earlier checkpoint, or train again with a smaller learning rate"
            }
            Self::InvalidWeights { .. } => "copy the file again from where it was trained",
            Self::WeightsMismatch { .. } | Self::VocabularyMismatch { .. } => {
                "take config.json, model.safetensors and tokenizer.json from the same training run"
            }
            Self::EnsembleTokenizers { .. } => "train its models on the same data, with other seeds",
            Self::Threads(_) => "ask for fewer by --workers",
            Self::TooLong { .. } => "split the line into sentences",
            Self::Refused { .. } => return None,
            Self::RequestTooLong { .. } => {
                "ask for a shorter prefix or fewer words, or raise --max-length, as far as the model has positions"
            }
            Self::Unmet { .. } => "ask for fewer words, ban fewer, or raise --max-length",
            Self::Prefixes { .. } => "give a line for each line of the input; it may be empty",
            Self::UnknownDevice { nearest, .. } => {
                return Some(format!(
                    "did you mean {nearest}? `translate devices` lists what there is"
                ));
            }
            Self::DeviceNotCompiledIn { feature, .. } => {
                let backend = match feature.as_str() {
                    "remote" => "flex,remote",
                    feature => feature,
                };
                return Some(format!(
                    "build with `just backend={backend} …`, or `cargo build --features {feature}`"
                ));
            }
            Self::NoSuchDevice { .. } => "`translate devices` lists what there is",
            Self::RepeatedDevice { .. } => "name each device once",
            Self::SeveralDevices { .. } => "name one device by --device, or by ATTEND_DEVICE",
            Self::Precision { .. } => "every device computes in float32",
            Self::Unreachable { .. } => {
                "serve one there by `just remote-server`, and name it remote:ws://HOST:PORT"
            }
            Self::CannotOpen { .. } => {
                "another program may hold it for itself, or its driver not work; `translate devices` lists the others"
            }
            Self::DeviceFailed { .. } => {
                "if its memory is full, have it compute less at once: train with a smaller training.batch_tokens and a \
                 larger training.accumulate, translate with a smaller --batch-tokens"
            }
            Self::DeviceLost { .. } => {
                "start it again, and every remote-server, whose output tells more, or take another; a training goes on \
                 by --resume"
            }
            Self::NoDevice => "build with the feature flex, which computes on any processor",
        };
        Some(hint.to_owned())
    }
}

/// The end of a sentence about what there is not: what there is.
fn but<Name: AsRef<str>>(names: &[Name]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    match names.as_slice() {
        [] => String::new(),
        names => format!(", but {}", names.join(", ")),
    }
}

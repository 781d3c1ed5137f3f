//! What can go wrong between a model folder and a translation.

use std::path::PathBuf;

use attend_data::DataError;
use attend_device::DeviceError;
use attend_model::Precision;

use crate::metric::MetricError;
use crate::search::SearchError;

/// An error of this crate. Its message is one sentence that names the file or the line in error.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// A file of text or a tokenizer.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A device, or a thread that computes.
    #[error(transparent)]
    Device(#[from] DeviceError),
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
    /// Options that ask something of a text that only a line that is one sentence can have.
    #[error(
        "`{field}` is for lines that are one sentence each, but a `language` is given, in which they are texts"
    )]
    OneSentence {
        /// The name of the field of [`TranslateOptions`](crate::TranslateOptions).
        field: &'static str,
    },
    /// A device that does not multiply in the precision asked for.
    #[error("the device does not compute in {precision}")]
    Precision {
        /// What was asked for.
        precision: Precision,
    },
}

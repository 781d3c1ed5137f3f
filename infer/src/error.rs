//! The errors of this crate.

use std::path::PathBuf;

use attend_data::DataError;
use attend_device::DeviceError;
use attend_model::Precision;

use crate::metric::MetricError;
use crate::search::SearchError;

/// An error of this crate. Its message is one sentence that names the file, the line or the field in error.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// A file that cannot be read or written, or a tokenizer that is none.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A device that fails, or a thread that the system refuses.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Hypotheses and references that cannot be scored.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// Options that describe no search.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// A folder that is no model folder.
    #[error("{} is no model folder: it has no config.json", path.display())]
    NotAModel {
        /// The folder.
        path: PathBuf,
    },
    /// A `config.json` or `generation.json` that is no valid JSON or has an invalid value.
    #[error("{}: {reason}", path.display())]
    InvalidSettings {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column if the file is no valid JSON.
        reason: String,
    },
    /// A file of weights that is no safetensors file, or only a part of one.
    #[error("{} is damaged or no safetensors file: {reason}", path.display())]
    InvalidWeights {
        /// The file.
        path: PathBuf,
        /// What is wrong with the file.
        reason: String,
    },
    /// Weights that are not finite numbers, with which nothing can be computed.
    #[error("{}: the tensor {tensor} has a number that is not finite", path.display())]
    NotFinite {
        /// The file of weights.
        path: PathBuf,
        /// The name of the first tensor that has such a number.
        tensor: String,
    },
    /// Weights of another network than the one that `config.json` describes.
    #[error("{} does not fit the config.json beside it: {reason}", path.display())]
    WeightsMismatch {
        /// The file of weights.
        path: PathBuf,
        /// What is wrong with the first tensor that is missing, left over or of another shape.
        reason: String,
    },
    /// A tokenizer whose vocabulary is not that of the network.
    #[error("{} has {tokens} tokens, but config.json says vocab_size = {vocab_size}", path.display())]
    VocabularyMismatch {
        /// The file of the tokenizer.
        path: PathBuf,
        /// Number of tokens in the tokenizer.
        tokens: usize,
        /// Number of tokens in the network.
        vocab_size: usize,
    },
    /// A model of an ensemble that has another tokenizer than the first one.
    #[error("{model} has another tokenizer than the first model of the ensemble")]
    EnsembleTokenizers {
        /// The folder of the model, or its place in the ensemble, counted from 1.
        model: String,
    },
    /// A sentence for which the model has too few positions.
    #[error(
        "line {line} of {text} has at least {tokens} tokens, but the model takes at most {limit} in a sentence"
    )]
    TooLong {
        /// The text that the sentence is a line of: `the input`, or `the sources` or `the targets` to be scored.
        text: &'static str,
        /// The number of the line, counted from 1.
        line: usize,
        /// The number of tokens of the sentence, or a smaller one if counting them all would take long.
        tokens: usize,
        /// The most tokens that the model takes.
        limit: usize,
    },
    /// A prefix or required words that cannot be in a translation.
    #[error("line {line} of the input asks for {text:?} in its translation: {reason}")]
    Refused {
        /// The number of the line, counted from 1.
        line: usize,
        /// The prefix or the required word.
        text: String,
        /// Why it cannot be in a translation.
        reason: &'static str,
    },
    /// A prefix and required words that have more tokens than a translation may have.
    #[error(
        "line {line} of the input asks for {tokens} tokens in its translation, which has at most {limit}"
    )]
    RequestTooLong {
        /// The number of the line, counted from 1.
        line: usize,
        /// The number of tokens of the prefix and the required words.
        tokens: usize,
        /// The most tokens that a translation of the line may have.
        limit: usize,
    },
    /// Required words with which no translation was found.
    #[error("no translation with all of the required words was found for line {line} of the input")]
    Unmet {
        /// The number of the line, counted from 1.
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
    /// A precision in which the device does not compute.
    #[error("the device does not compute in {precision}")]
    Precision {
        /// The precision that was asked for.
        precision: Precision,
    },
}

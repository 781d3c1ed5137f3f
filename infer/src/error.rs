//! The errors of this crate.

use std::path::PathBuf;

use attend_data::{DataError, located};
use attend_device::DeviceError;
use attend_model::Precision;

use crate::metric::MetricError;
use crate::search::SearchError;
use crate::task::TaskKind;

/// An error of this crate. Its message is one sentence that names the file, the line or the field in error.
#[derive(Debug, thiserror::Error)]
pub enum InferError {
    /// A file that cannot be read or written, or a `tokenizer.json` that is not a tokenizer.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A device that fails, or a thread that the system does not start.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// Hypotheses and references that cannot be compared, because their numbers differ or are 0.
    #[error(transparent)]
    Metric(#[from] MetricError),
    /// Search options that are not valid, or that do not go with required or banned words.
    #[error(transparent)]
    Search(#[from] SearchError),
    /// A folder that is not a model folder, since it has no `config.json`.
    #[error("{} is no model folder: it has no config.json", located(path))]
    NotAModel {
        /// The folder.
        path: PathBuf,
    },
    /// A model folder whose model was trained for another task.
    #[error(
        "the model in {} was trained for the task \"{found}\", not for \"{task}\"",
        path.display()
    )]
    OtherTask {
        /// The folder.
        path: PathBuf,
        /// The task for which a model is wanted.
        task: TaskKind,
        /// The task of the model.
        found: TaskKind,
    },
    /// A `config.json` or `generation.json` that is not valid JSON or has a value that is not valid.
    #[error("{}: {reason}", path.display())]
    InvalidSettings {
        /// The file.
        path: PathBuf,
        /// What is wrong, with line and column if the file is not valid JSON.
        reason: String,
    },
    /// A file that is not a lexical shortlist, or contradicts itself or the vocabulary.
    #[error("{} is damaged or no lexical shortlist: {reason}", path.display())]
    InvalidShortlist {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file of weights that is not a safetensors file, or is only the beginning of one.
    #[error("{} is damaged or no safetensors file: {reason}", path.display())]
    InvalidWeights {
        /// The file.
        path: PathBuf,
        /// What is wrong with the file.
        reason: String,
    },
    /// A weight that is infinite or NaN. No translation can be computed with it.
    #[error("{}: the tensor {tensor} has a number that is not finite", path.display())]
    NotFinite {
        /// The file of weights.
        path: PathBuf,
        /// The name of the first tensor that has such a number.
        tensor: String,
    },
    /// Weights that do not fit the network that `config.json` describes.
    #[error("{} does not fit the config.json beside it: {reason}", path.display())]
    WeightsMismatch {
        /// The file of weights.
        path: PathBuf,
        /// What is wrong with the first tensor that is missing, left over or of another shape.
        reason: String,
    },
    /// A tokenizer whose vocabulary has another size than the vocabulary of the network. Only the sizes are compared.
    #[error("{} has {tokens} tokens, but config.json says {field} = {vocab_size}", path.display())]
    VocabularyMismatch {
        /// The file of the tokenizer.
        path: PathBuf,
        /// Number of tokens in the tokenizer.
        tokens: usize,
        /// The field of the configuration: `vocab_size` or `target_vocab_size`.
        field: &'static str,
        /// Number of tokens in the vocabulary of the network.
        vocab_size: usize,
    },
    /// Tokenizers of source and target that cannot be written into a model folder: neither are they the same, nor are
    /// they both SentencePiece models with the vocabularies that the network has.
    #[error("cannot write {}: source and target have tokenizers that no model folder holds", path.display())]
    TwoTokenizers {
        /// The model folder.
        path: PathBuf,
    },
    /// A model of an ensemble that has another tokenizer than the first model.
    #[error("{model} has another tokenizer than the first model of the ensemble")]
    EnsembleTokenizers {
        /// The folder of the model; or `model 2` for the second model of the ensemble, and so on, if no folder is
        /// known.
        model: String,
    },
    /// A sentence for which the model has too few positions.
    #[error(
        "line {line} of {text} has at least {tokens} tokens, but the model takes at most {limit} in a sentence"
    )]
    TooLong {
        /// The text that has the line: `the input` of a translation; `the sources` or `the targets` of scoring;
        /// `the source` or `the translation` of an attention.
        text: &'static str,
        /// The number of the line, counted from 1.
        line: usize,
        /// The number of tokens of the sentence, or a smaller number if counting all tokens would take long.
        tokens: usize,
        /// The maximum number of tokens in a sentence, `</s>` not counted.
        limit: usize,
    },
    /// A sentence, a translation or a labelled text without words, whose attention is asked for.
    #[error("{text} is empty, so there are no words that attend")]
    NothingToAttend {
        /// The text that is empty: `the source`, `the translation` or `the text`.
        text: &'static str,
    },
    /// A prefix or a required word that cannot be in a translation.
    #[error("line {line} of the input asks for {text:?} in its translation: {reason}")]
    Refused {
        /// The number of the line, counted from 1.
        line: usize,
        /// The prefix or the required word.
        text: String,
        /// The reason why the text cannot be in a translation.
        reason: &'static str,
    },
    /// A prefix and required words that have more tokens than a translation may have.
    #[error(
        "line {line} of the input asks for at least {tokens} tokens in its translation, which has at most {limit}"
    )]
    RequestTooLong {
        /// The number of the line, counted from 1.
        line: usize,
        /// The number of tokens of the prefix and the required words, or a smaller number if counting all tokens would
        /// take long.
        tokens: usize,
        /// The maximum number of tokens in a translation of the line.
        limit: usize,
    },
    /// A line for which the search found no translation with all required words.
    #[error("no translation with all of the required words was found for line {line} of the input")]
    Unmet {
        /// The number of the line, counted from 1.
        line: usize,
    },
    /// An option for lines that are one sentence each, given together with a `language`, which makes each line a text.
    #[error("`{field}` is for lines that are one sentence each, but with a `language` each line is a text")]
    OneSentence {
        /// The name of the field of [`TranslateOptions`](crate::TranslateOptions).
        field: &'static str,
    },
    /// A required or banned word that no translation can have.
    #[error(
        "`{field}` has {text:?}, which is no word: it begins with a character that belongs to the one before it, \
         such as a combining mark"
    )]
    NoWord {
        /// The name of the field of [`TranslateOptions`](crate::TranslateOptions): `required` or `banned`.
        field: &'static str,
        /// The word.
        text: String,
    },
    /// A `language`, which makes each line a text, in a build that does not find sentences.
    #[error(
        "with a `language` each line is a text of several sentences, which takes the feature `sentences`"
    )]
    NoSentences,
    /// A target language for a model whose vocabulary has no tokens of languages.
    #[error(
        "the model translates into one language alone: its vocabulary has no token such as >>{language}<<"
    )]
    OneTargetLanguage {
        /// The language that is asked for.
        language: String,
    },
    /// A target language that the model does not have.
    #[error("the model does not translate into {language:?}; it translates into {}", languages(nearest, *count))]
    UnknownTargetLanguage {
        /// The language that is asked for.
        language: String,
        /// The codes of the model's target languages, or of those that are spelt the most like it.
        nearest: Vec<String>,
        /// The number of the model's target languages.
        count: usize,
    },
    /// An alignment of lines with markup or with spans to keep.
    #[error(
        "`alignment` is for lines that the model reads as they are, but with `{field}` it does not read all of a line"
    )]
    NoAlignment {
        /// The name of the field of [`TranslateOptions`](crate::TranslateOptions) that `alignment` does not go with.
        field: &'static str,
    },
    /// A precision for weights in which the device does not compute.
    #[error("the device does not compute in {precision}")]
    Precision {
        /// The precision in which the device does not compute.
        precision: Precision,
    },
}

/// Lists the codes of `count` languages, or some of them.
fn languages(codes: &[String], count: usize) -> String {
    let listed = codes.join(", ");
    if codes.len() < count {
        format!("{count} languages, such as {listed}")
    } else {
        listed
    }
}

//! What can go wrong in the program.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use attend_data::download::DownloadError;
use attend_data::{DataError, named};
use attend_device::DeviceError;
use attend_documents::DocumentError;
use attend_formats::FormatError;
use attend_infer::metric::MetricError;
use attend_infer::{InferError, InvalidTerm, Language, TaskKind};
use attend_serve::KeysError;
use attend_train::{Place, TrainError};

/// An error of a subcommand. The message is one sentence, and its [`Hint`](crate::Hint) names the flags that help.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Text, a tokenizer or another file cannot be read or written.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A corpus cannot be fetched.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// A device is missing or has failed.
    #[error(transparent)]
    Device(#[from] DeviceError),
    /// A foreign model cannot be imported.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// A document cannot be read or written.
    #[error("{}: {error}", path.display())]
    Document {
        /// The file of the document.
        path: PathBuf,
        /// What is wrong with it.
        error: DocumentError,
    },
    /// A model folder cannot be loaded, or a line cannot be translated.
    #[error(transparent)]
    Infer(#[from] InferError),
    /// A training run cannot start or go on.
    #[error("{}", with_flag(.0))]
    Train(#[from] TrainError),
    /// One device is named twice.
    #[error("{name} is named twice")]
    RepeatedDevice {
        /// The name that repeats the device.
        name: String,
    },
    /// Several devices are named for a command that computes on one.
    #[error("{names} are several devices, but this command computes on one")]
    SeveralDevices {
        /// The names, with commas between them.
        names: String,
    },
    /// There are fewer workers than devices, some of which would have nothing to do.
    #[error("{devices} devices need as many workers, but --workers is {workers}")]
    IdleDevices {
        /// The number of workers asked for.
        workers: usize,
        /// The number of devices.
        devices: usize,
    },
    /// A file of prefixes has another number of lines than the input.
    #[error("{} has {prefixes} lines, but the input has {input}", named(path))]
    Prefixes {
        /// The file.
        path: PathBuf,
        /// The number of lines of the file.
        prefixes: usize,
        /// Whether the input has `more` or `fewer` lines.
        input: &'static str,
    },
    /// All sentences of a test set are too long for the model.
    #[error(
        "{}, line {line}: the sentence has at least {tokens} tokens, but the model takes at most {limit}; no sentence of \
         the file fits",
        named(path)
    )]
    TooLong {
        /// The file of the sources.
        path: PathBuf,
        /// The line of the first sentence, counted from 1.
        line: usize,
        /// The number of tokens of that sentence, or a smaller number if counting all tokens would take long.
        tokens: usize,
        /// The maximum number of tokens in a sentence, `</s>` not counted.
        limit: usize,
    },
    /// Two files of sentences and translations have no pair with text on both sides.
    #[error("no line has text both in {} and in {}", named(source_path), named(reference))]
    NoPairs {
        /// The file of the sentences.
        source_path: PathBuf,
        /// The file of the translations.
        reference: PathBuf,
    },
    /// A model that labels is asked for what only a translator has.
    #[error("{asked} is for translators, but this model's task is \"{task}\"")]
    OnlyTranslators {
        /// The flag or the argument.
        asked: &'static str,
        /// The task of the model.
        task: TaskKind,
    },
    /// A translator is to be scored without a file of translations.
    #[error("REFERENCE is missing, the file of the translations")]
    NoReference,
    /// A kind of attention is asked for that no layer of the model has.
    #[error("the model has no {kind}: its layers learn of other positions by recurrence or convolution")]
    NoAttention {
        /// The kind of attention.
        kind: &'static str,
    },
    /// A layer is asked for that the model does not have.
    #[error("{kind} has {count} layers, but --layer is {layer}")]
    NoSuchLayer {
        /// The number of the layer, counted from 1.
        layer: usize,
        /// The kind of attention.
        kind: &'static str,
        /// The number of layers.
        count: usize,
    },
    /// A head is asked for that the model does not have.
    #[error("{kind} has {count} heads in a layer, but --head is {head}")]
    NoSuchHead {
        /// The number of the head, counted from 1.
        head: usize,
        /// The kind of attention.
        kind: &'static str,
        /// The number of heads.
        count: usize,
    },
    /// A model is to be fetched into a folder that is not empty.
    #[error("{} exists and is not empty", folder.display())]
    HasModel {
        /// The folder.
        folder: PathBuf,
    },
    /// Another run fetches the same model.
    #[error("another run is fetching {model}")]
    Busy {
        /// The name of the model.
        model: String,
    },
    /// A model of the hub lacks a file that each MarianMT model has.
    #[error("{model} is no translator that can be imported: it has no {missing}")]
    NoTranslator {
        /// The name of the model.
        model: String,
        /// The name of the file.
        missing: &'static str,
    },
    /// There is no place for the user's models.
    #[error("this system names no folder for the data of programs")]
    NoHome,
    /// None of the user's models translates between two languages.
    #[error("no model translates from {from} to {to}")]
    NoModel {
        /// The language of the text.
        from: Language,
        /// The language of its translation.
        to: Language,
    },
    /// Several of the user's models translate between two languages.
    #[error("several models translate from {from} to {to}: {}", names.join(", "))]
    SeveralModels {
        /// The language of the text.
        from: Language,
        /// The language of its translation.
        to: Language,
        /// The names of the models.
        names: Vec<String>,
    },
    /// No model that names its languages is there to be served.
    #[error("there is nothing to serve: no translator in {} names its languages", models.display())]
    NothingToServe {
        /// The folder of the user's models.
        models: PathBuf,
    },
    /// A model is to be served that does not say between which languages it translates.
    #[error("{} does not say between which languages it translates", folder.display())]
    NoLanguages {
        /// The folder of the model.
        folder: PathBuf,
    },
    /// A file of keys cannot be used.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// A server does not answer that it is well.
    #[error("the server at {address} is not well: {error}")]
    NotWell {
        /// The address.
        address: SocketAddr,
        /// What happened in place of an answer.
        error: Box<ureq::Error>,
    },
    /// A server cannot keep its state in a folder.
    #[error("cannot keep glossaries in {}: {error}", folder.display())]
    State {
        /// The folder.
        folder: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// A line of a glossary is not valid.
    #[error("{}, line {line}: {error}", named(path))]
    Glossary {
        /// The file.
        path: PathBuf,
        /// The number of the line, counted from 1.
        line: usize,
        /// What is wrong with it.
        error: InvalidTerm,
    },
    /// A server cannot listen at its address.
    #[error("cannot serve at {address}: {error}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// A recipe cannot hold a path.
    #[error("the path {} is not UTF-8, so no recipe can hold it", path.display())]
    NotUtf8 {
        /// The path.
        path: PathBuf,
    },
    /// The system refuses to report Ctrl-C.
    #[error("cannot listen for Ctrl-C: {0}")]
    Signals(#[source] io::Error),
}

impl From<MetricError> for CliError {
    fn from(error: MetricError) -> Self {
        InferError::from(error).into()
    }
}

/// Writes the error of a training run, with the flag where it is about what the flag gave.
fn with_flag(error: &TrainError) -> String {
    match error {
        TrainError::Recipe {
            place: Place::Override(assignment),
            ..
        } => {
            // The flag --from sets the key init.
            let flags = if assignment.starts_with("init=") {
                "--from or --set"
            } else {
                "--set"
            };
            format!("{flags} {error}")
        }
        _ => error.to_string(),
    }
}

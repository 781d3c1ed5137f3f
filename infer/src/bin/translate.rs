//! `translate`: lines in, translations out.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use attend_data::cli::{report, write_stdout};
use attend_data::corpus::{parse_lines, read_lines};
use attend_data::error::DataError;
use attend_data::file::write_file;
use attend_infer::cli::WorkerOptions;
use attend_infer::search::SearchOptions;
use attend_infer::{InferError, ModelFolder, Translation, Translator, device};
use attend_model::Precision;
use clap::{Parser, error::ErrorKind};
use serde::Serialize;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Translate sentences, a file, or standard input: one line in, one line out.
#[derive(Parser)]
#[command(name = "translate", version)]
struct Options {
    /// The sentences to translate; without any, the lines of --input or of standard input.
    #[arg(value_name = "SENTENCE", conflicts_with = "input")]
    sentences: Vec<String>,
    /// The model folder.
    #[arg(long, value_name = "FOLDER", default_value = "runs/phrasebook")]
    model: PathBuf,
    /// Read lines from this file (.gz, .xz and .zst are decompressed) in place of standard input.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Write to this file in place of standard output.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Hypotheses kept at each step; 1 is greedy search. [default: the model's]
    #[arg(long, value_name = "N")]
    beam: Option<usize>,
    /// Translations given for each line, best first; more than one needs --json.
    #[arg(long, value_name = "N", default_value_t = 1)]
    nbest: usize,
    /// Exponent alpha of the length penalty ((5 + length) / 6)^alpha that divides a log-probability (Wu et al.,
    /// 2016, equation 14): 0 ranks by probability, larger values favour longer translations. [default: the model's]
    #[arg(long, value_name = "ALPHA")]
    length_penalty: Option<f32>,
    /// Fewest tokens in a translation. [default: the model's]
    #[arg(long, value_name = "N")]
    min_length: Option<usize>,
    /// Most tokens in a translation, which never has more than 50 above its source. [default: the model's]
    #[arg(long, value_name = "N")]
    max_length: Option<usize>,
    /// Print a JSON object a line: the source, and its translations with their scores.
    #[arg(long)]
    json: bool,
    /// Sentences decoded side by side; changes speed and memory, no translation.
    #[arg(long, value_name = "N", default_value_t = 32)]
    batch_size: usize,
    #[command(flatten)]
    workers: WorkerOptions,
    /// What weights are kept and multiplied in: float32, or int8, which is smaller and faster for a small loss.
    #[arg(long, value_name = "TYPE", default_value_t)]
    dtype: Precision,
    /// The device to compute on: flex or ndarray, if built in. [default: the first built in]
    #[arg(long, value_name = "NAME", env = "BURN_DEVICE")]
    device: Option<String>,
}

/// What `--json` prints for a line.
#[derive(Serialize)]
struct TranslatedLine<'a> {
    source: &'a str,
    translations: &'a [Translation],
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.nbest > 1 && !options.json {
        usage_error("--nbest with more than one translation a line needs --json");
    }
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error, error.hint()),
    }
}

fn usage_error(message: &str) -> ! {
    use clap::CommandFactory;
    Options::command()
        .error(ErrorKind::ArgumentConflict, message)
        .exit()
}

fn run(options: &Options) -> Result<(), InferError> {
    let bundle = ModelFolder::load(&options.model, &device::select(options.device.as_deref())?)?;
    let search = SearchOptions {
        beam_size: options.beam.unwrap_or(bundle.generation.beam_size),
        nbest: options.nbest,
        length_penalty: options.length_penalty.unwrap_or(bundle.generation.length_penalty),
        min_length: options.min_length.unwrap_or(bundle.generation.min_length),
        max_length: options.max_length.or(bundle.generation.max_length),
    };
    let translator = Translator::in_precision(bundle, options.dtype)
        .with_search(search)?
        .with_batch_size(options.batch_size)
        .with_workers(options.workers.start()?);

    let lines = input_lines(options)?;
    let translations = translator.translate(&lines)?;
    let text: String = lines
        .iter()
        .zip(&translations)
        .map(|(source, translations)| match options.json {
            true => json_line(source, translations),
            false => translations[0].text.clone() + "\n",
        })
        .collect();
    match &options.output {
        Some(path) => Ok(write_file(path, text)?),
        None => {
            write_stdout(&text).map_err(|error| DataError::write(Path::new("standard output"), error).into())
        }
    }
}

fn input_lines(options: &Options) -> Result<Vec<String>, DataError> {
    if !options.sentences.is_empty() {
        return Ok(options.sentences.clone());
    }
    if let Some(path) = &options.input {
        return read_lines(path);
    }
    let name = Path::new("standard input");
    let mut bytes = Vec::new();
    std::io::stdin()
        .read_to_end(&mut bytes)
        .map_err(|error| DataError::read(name, error))?;
    parse_lines(&bytes, name)
}

fn json_line(source: &str, translations: &[Translation]) -> String {
    let line = TranslatedLine { source, translations };
    serde_json::to_string(&line).expect("strings and numbers always serialize") + "\n"
}

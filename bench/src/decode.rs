//! Measures decoding, beside CTranslate2's.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::slice;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use attend_cli::{DeviceOption, avoid_huge_pages, name_of, print};
use attend_data::{DataError, Tokenizer, read_lines};
use attend_device::{NamedDevice, Workers, is_processor, notice_device_failure};
use attend_formats::{ExportFormat, WeightType, export};
use attend_infer::search::{SearchOptions, Stopping, Unknown};
use attend_infer::{InferError, Languages, Model, ModelFolder, TranslateOptions, Translation, Translator};
use attend_model::{Precision, Preset, Transformer};
use burn::tensor::Device;
use clap::Args;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::error::BenchError;
use crate::measurement::{
    GIBIBYTE, memory_taken, peer_device, print_measurement, run, temporary_folder, this_program,
};
use crate::workload::SPECIAL_TOKENS;

const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/ctranslate2_decode.py");
/// The Python packages that the peer imports.
const PACKAGES: &str = "ctranslate2";
/// The table's head. The columns give for both sides: target tokens a second, peak memory in GiB, seconds from the
/// start of the program to its first translation, and, if sentences come one at a time, the median and the 99th
/// percentile of a sentence's milliseconds.
const HEAD: &str = "\
model  dtype    beam batch workers threads | Attend/s  GiB start     ms    99% | CTranslate2/s  GiB start     ms    99% | ratio
";
/// The vocabulary size of networks with random weights.
const VOCAB_SIZE: usize = 16_000;

#[derive(Args)]
pub(crate) struct Options {
    /// The Python that runs the peer, with ctranslate2. [default: measure Attend alone]
    #[arg(long, value_name = "PYTHON")]
    python: Option<PathBuf>,
    /// The size of a network with random weights, all of whose translations have --length tokens; may be given several
    /// times. [default: small, base]
    #[arg(long = "size", value_name = "SIZE", conflicts_with = "model", value_parser = name_of::<Preset>())]
    sizes: Vec<Preset>,
    /// The number of tokens of every source and translation of a network with random weights.
    #[arg(long, value_name = "N", default_value = "25", conflicts_with = "model")]
    length: NonZeroUsize,
    /// The folder of a trained model, to measure in place of random weights.
    #[arg(long, value_name = "FOLDER", requires = "input")]
    model: Option<PathBuf>,
    /// The text that the trained model translates, one sentence a line.
    #[arg(long, value_name = "FILE", requires = "model")]
    input: Option<PathBuf>,
    /// The beam size; may be given several times. [default: 1, 4]
    #[arg(long = "beam", value_name = "N")]
    beams: Vec<NonZeroUsize>,
    /// How many sentences are decoded together; may be given several times. [default: 1, 8, 32, 64]
    #[arg(long = "batch", value_name = "N")]
    batches: Vec<NonZeroUsize>,
    /// How often both sides are measured, in turn.
    #[arg(long, value_name = "N", default_value = "3")]
    pairs: NonZeroUsize,
    /// The type of number that weights are stored and multiplied in; may be given several times. [default: float32,
    /// int8]
    #[arg(long = "dtype", value_name = "TYPE", value_parser = name_of::<Precision>())]
    dtypes: Vec<Precision>,
    #[command(flatten)]
    device: DeviceOption,
}

#[derive(Args)]
pub(crate) struct DecoderOptions {
    folder: PathBuf,
    text: PathBuf,
    #[arg(long)]
    beam: usize,
    #[arg(long)]
    batch: usize,
    #[arg(long)]
    workers: usize,
    #[arg(long)]
    threads: usize,
    #[arg(long, value_parser = name_of::<Precision>())]
    dtype: Precision,
    #[arg(long)]
    min_length: usize,
    #[arg(long)]
    max_length: usize,
    /// The seconds from 1970 to the start of the program.
    #[arg(long)]
    started: f64,
    #[command(flatten)]
    device: DeviceOption,
}

/// What one run measures. The peer prints the same JSON object.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Decoding {
    /// Target tokens a second.
    tokens_per_second: f64,
    /// The most bytes of memory that the process has taken, or that it holds on a GPU; 0 if they are not known.
    peak_bytes: u64,
    /// The seconds from the start of the program to its first translation.
    start_seconds: f64,
    /// The seconds that each sentence took, if the sentences came one at a time; else none.
    sentence_seconds: Vec<f64>,
}

impl Decoding {
    /// Returns the columns of one side in a row of the table.
    fn columns(&self) -> String {
        let milliseconds = |share: f64| match self.sentence_seconds.as_slice() {
            [] => "-".to_owned(),
            seconds => {
                let mut seconds = seconds.to_vec();
                seconds.sort_by(f64::total_cmp);
                let place = share * (seconds.len() - 1) as f64;
                format!("{:.1}", 1e3 * seconds[place.round() as usize])
            }
        };
        format!(
            "{:>8.0} {:>4.1} {:>5.2} {:>6} {:>6}",
            self.tokens_per_second,
            self.peak_bytes as f64 / GIBIBYTE,
            self.start_seconds,
            milliseconds(0.5),
            milliseconds(0.99),
        )
    }
}

/// The settings of a run, which are those of both sides.
struct Task {
    min_length: usize,
    max_length: usize,
    dtype: Precision,
    beam: usize,
    batch: usize,
    workers: usize,
    threads: usize,
}

impl Task {
    /// Adds the arguments by which a side gets its model, its text and these settings.
    fn add_to(&self, command: &mut Command, model: &Path, text: &Path) {
        command.arg(model).arg(text);
        command.args(["--dtype", &self.dtype.to_string()]);
        let counts = [
            ("--beam", self.beam),
            ("--batch", self.batch),
            ("--workers", self.workers),
            ("--threads", self.threads),
            ("--min-length", self.min_length),
            ("--max-length", self.max_length),
        ];
        for (name, count) in counts {
            command.args([name, &count.to_string()]);
        }
        command.args(["--started", &seconds_since_1970().to_string()]);
    }
}

/// Returns the seconds from 1970 to now.
pub(crate) fn seconds_since_1970() -> f64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs_f64()
}

/// Returns the lines of a text.
///
/// # Errors
///
/// [`BenchError::NoSentence`] if all lines are blank.
pub(crate) fn read_text(path: &Path) -> Result<Vec<String>, BenchError> {
    let lines = read_lines(path)?;
    if lines.iter().all(|line| line.trim().is_empty()) {
        Err(BenchError::NoSentence {
            path: path.to_owned(),
        })
    } else {
        Ok(lines)
    }
}

/// Runs both sides in turn and prints a table, with a row for each pair of runs.
pub(crate) fn compare(options: &Options) -> Result<(), BenchError> {
    let device = options.device.select()?;
    notice_device_failure(slice::from_ref(&device), || compare_on(&device, options))
}

fn compare_on(device: &NamedDevice, options: &Options) -> Result<(), BenchError> {
    let folder = temporary_folder()?;
    let words_file = folder.path().join("words");
    if let (Some(model), Some(input)) = (&options.model, &options.input) {
        let lines = read_text(input)?;
        let ModelFolder {
            source_tokenizer: tokenizer,
            config,
            ..
        } = ModelFolder::load(model, &device.device)?;
        let words = |line: &String| -> String {
            let ids = tokenizer.encode(line);
            let tokens: Vec<String> = ids.iter().map(|&id| tokenizer.vocabulary_entry(id)).collect();
            tokens.join(" ") + "\n"
        };
        let text: String = lines.iter().map(words).collect();
        fs::write(&words_file, text).map_err(|error| DataError::write(&words_file, error))?;
        print(HEAD)?;
        // A translation has one token at least, which is the peer's default, and at most as many as the model has
        // positions, without that of `<s>`.
        let lengths = [1, config.max_length - 1];
        return rows(options, device, "given", model, [input, &words_file], lengths);
    }
    print(HEAD)?;
    let sizes = match options.sizes.as_slice() {
        [] => &[Preset::Small, Preset::Base],
        sizes => sizes,
    };
    for &size in sizes {
        let name = size.to_string();
        let model = folder.path().join(&name);
        random_model(size, &model, &device.device)?;
        random_text(&words_file, options.length.get())?;
        let lengths = [options.length.get(); 2];
        rows(options, device, &name, &model, [&words_file; 2], lengths)?;
    }
    Ok(())
}

/// Prints the rows of one model. The peer reads the text as `words`, with spaces between tokens, and every translation
/// has at least `min_length` and at most `max_length` tokens.
fn rows(
    options: &Options,
    device: &NamedDevice,
    name: &str,
    folder: &Path,
    [text, words]: [&Path; 2],
    [min_length, max_length]: [usize; 2],
) -> Result<(), BenchError> {
    let or = |counts: &[NonZeroUsize], default: &[usize]| match counts {
        [] => default.to_vec(),
        counts => counts.iter().map(|count| count.get()).collect(),
    };
    let dtypes = match options.dtypes.as_slice() {
        [] => &[Precision::Float32, Precision::Int8],
        dtypes => dtypes,
    };
    let exported = temporary_folder()?;
    let peer = match &options.python {
        Some(python) => {
            export_for_peer(folder, exported.path(), &device.device)?;
            Some((python, exported.path()))
        }
        None => None,
    };
    let layouts: &[[usize; 2]] = if is_processor(&device.device) {
        &[[1, 2], [2, 1]]
    } else {
        &[[1, 1]]
    };
    for beam in or(&options.beams, &[1, 4]) {
        for batch in or(&options.batches, &[1, 8, 32, 64]) {
            let layouts = dtypes
                .iter()
                .flat_map(|&dtype| layouts.iter().map(move |&layout| (dtype, layout)));
            for (dtype, [workers, threads]) in layouts {
                let task = Task {
                    min_length,
                    max_length,
                    dtype,
                    beam,
                    batch,
                    workers,
                    threads,
                };
                let title = format!("{name:<6} {dtype:<8} {beam:>4} {batch:>5} {workers:>7} {threads:>7}");
                for _ in 0..options.pairs.get() {
                    let mut command = this_program("decoder")?;
                    task.add_to(&mut command, folder, text);
                    command.args(["--device", &device.name]);
                    let ours: Decoding = run(command, None)?;
                    let peer = match peer {
                        Some((python, model)) => {
                            let mut command = Command::new(python);
                            command.arg(PEER);
                            task.add_to(&mut command, model, words);
                            command.args(["--device", peer_device(device)]);
                            Some(run::<Decoding>(command, Some(PACKAGES))?)
                        }
                        None => None,
                    };
                    print(&row(&title, &ours, peer.as_ref()))?;
                }
            }
        }
    }
    Ok(())
}

/// Writes the model folder `folder` for CTranslate2, into an empty folder.
pub(crate) fn export_for_peer(folder: &Path, output: &Path, device: &Device) -> Result<(), BenchError> {
    let (format, weights) = (ExportFormat::CTranslate2, WeightType::Float32);
    export(folder, output, format, weights, device, |_, _| {})?;
    Ok(())
}

fn row(title: &str, ours: &Decoding, peer: Option<&Decoding>) -> String {
    let mut row = format!("{title} | {}", ours.columns());
    if let Some(peer) = peer {
        let ratio = ours.tokens_per_second / peer.tokens_per_second;
        row += &format!(" |      {} | {ratio:>5.2}", peer.columns());
    }
    row + "\n"
}

/// Writes a model folder with random weights, whose tokens are words.
fn random_model(size: Preset, folder: &Path, device: &Device) -> Result<(), BenchError> {
    fs::create_dir_all(folder).map_err(|error| DataError::write(folder, error))?;
    device.seed(1);
    let words: Vec<String> = (SPECIAL_TOKENS..VOCAB_SIZE).map(word).collect();
    let tokenizer = Tokenizer::train_whitespace(words.iter(), None)?;
    let config = size.config(VOCAB_SIZE);
    let model = Transformer::new(&config, device).expect("presets are valid");
    let model_folder = ModelFolder {
        config,
        model,
        source_tokenizer: tokenizer.clone(),
        target_tokenizer: tokenizer,
        shortlist: None,
        generation: SearchOptions::default(),
        languages: Languages::default(),
    };
    Ok(model_folder.save(folder)?)
}

fn word(number: usize) -> String {
    format!("w{number}")
}

/// Writes sentences of `length` random words.
fn random_text(path: &Path, length: usize) -> Result<(), BenchError> {
    const SENTENCES: usize = 128;
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut sentence = || {
        let words = (0..length).map(|_| {
            let number = random.next_u32() as usize % (VOCAB_SIZE - SPECIAL_TOKENS);
            word(SPECIAL_TOKENS + number)
        });
        words.collect::<Vec<_>>().join(" ") + "\n"
    };
    let text: String = (0..SENTENCES).map(|_| sentence()).collect();
    Ok(fs::write(path, text).map_err(|error| DataError::write(path, error))?)
}

/// Translates the text with Attend and prints the measurement.
pub(crate) fn measure(options: &DecoderOptions) -> Result<(), BenchError> {
    // The program `attend translate` avoids huge pages, too.
    avoid_huge_pages();
    let device = options.device.select()?;
    notice_device_failure(slice::from_ref(&device), || measure_on(&device.device, options))
}

fn measure_on(device: &Device, options: &DecoderOptions) -> Result<(), BenchError> {
    let model = Model::load(&options.folder, device, options.dtype)?;
    let lines = read_text(&options.text)?;
    let search = SearchOptions {
        beam_size: options.beam,
        nbest: 1,
        length_penalty: 0.0,
        // The search stops by the peer's rule, so that both sides take the same steps.
        stopping: Stopping::CTranslate2,
        unknown: Unknown::Keep,
        min_length: options.min_length,
        max_length: Some(options.max_length),
        ..SearchOptions::default()
    };
    let asked = TranslateOptions {
        search,
        ..TranslateOptions::default()
    };
    let workers = Workers::start(options.workers, options.threads)?;
    let translator = Translator::new(model, workers).with_batch_size(options.batch);
    let translate = |lines: &[String]| {
        let results = translator.translate(lines, &asked).into_iter();
        results.collect::<Result<Vec<Vec<Translation>>, InferError>>()
    };
    translate(&lines[..1])?;
    let start_seconds = seconds_since_1970() - options.started;
    translate(&lines[..options.batch.min(lines.len())])?;

    let mut sentence_seconds = Vec::new();
    let start = Instant::now();
    let translations = match options.batch * options.workers {
        1 => {
            let one_at_a_time = lines.chunks(1).map(|line| {
                let start = Instant::now();
                let translations = translate(line)?;
                sentence_seconds.push(start.elapsed().as_secs_f64());
                Ok(translations)
            });
            one_at_a_time.collect::<Result<Vec<_>, InferError>>()?.concat()
        }
        _ => translate(&lines)?,
    };
    let seconds = start.elapsed().as_secs_f64();
    let tokens: usize = translations.iter().map(|best| best[0].tokens.len()).sum();
    print_measurement(&Decoding {
        tokens_per_second: tokens as f64 / seconds,
        peak_bytes: memory_taken(device),
        start_seconds,
        sentence_seconds,
    })
}

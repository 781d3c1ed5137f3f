//! Measures translation with an imported model of Firefox, beside fxtranslate, which computes Firefox's models in 8-bit
//! integers.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::slice;
use std::time::Instant;

use attend_cli::{avoid_huge_pages, name_of, print};
use attend_data::Tokenizer;
use attend_device::{NamedDevice, Workers, notice_device_failure, peak_memory};
use attend_infer::{Model, ModelFolder, TranslateOptions, Translator};
use attend_model::Precision;
use clap::Args;
use serde::{Deserialize, Serialize};

use crate::decode::{read_text, seconds_since_1970};
use crate::error::BenchError;
use crate::measurement::{GIBIBYTE, print_measurement, run, this_program};

const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fxtranslate_decode.py");
/// The Python packages that the peer imports.
const PACKAGES: &str = "fxtranslate";
/// The table's head. The columns give for both sides: target tokens a second, peak memory in GiB, and milliseconds from
/// the start of the program to its first translation; then the share of lines that both translate alike.
const HEAD: &str = "\
dtype    chosen among threads lines | Attend/s  GiB    ms | fxtranslate/s  GiB    ms | ratio  same
";

#[derive(Args)]
pub(crate) struct Options {
    /// The model folder into which a model of Firefox was imported.
    #[arg(long, value_name = "FOLDER")]
    model: PathBuf,
    /// The text to translate, one sentence a line.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// The Python that runs the peer, with fxtranslate. [default: measure Attend alone]
    #[arg(long, value_name = "PYTHON", requires = "firefox")]
    python: Option<PathBuf>,
    /// The folder from which the model was imported, for the peer.
    #[arg(long, value_name = "FOLDER", requires = "python")]
    firefox: Option<PathBuf>,
    /// How often both sides are measured, in turn.
    #[arg(long, value_name = "N", default_value = "3")]
    pairs: NonZeroUsize,
}

#[derive(Args)]
pub(crate) struct TranslatorOptions {
    folder: PathBuf,
    text: PathBuf,
    #[arg(long)]
    threads: usize,
    #[arg(long)]
    one_by_one: bool,
    #[arg(long)]
    all_tokens: bool,
    #[arg(long, value_parser = name_of::<Precision>())]
    dtype: Precision,
    /// The seconds from 1970 to the start of the program.
    #[arg(long)]
    started: f64,
}

/// What one run measures. The peer prints the same JSON object.
#[derive(Debug, Serialize, Deserialize)]
struct Translating {
    /// The seconds that all lines took.
    seconds: f64,
    /// The seconds from the start of the program to its first translation.
    start_seconds: f64,
    /// The most bytes of memory that the process has taken, or 0 if they are not known.
    peak_bytes: u64,
    translations: Vec<String>,
}

impl Translating {
    /// Returns the target tokens a second. Each translation has its tokens and `</s>`.
    fn tokens_per_second(&self, tokenizer: &Tokenizer) -> f64 {
        let tokens: usize = self
            .translations
            .iter()
            .map(|text| tokenizer.encode(text).len() + 1)
            .sum();
        tokens as f64 / self.seconds
    }

    /// Returns the columns of one side in a row of the table.
    fn columns(&self, tokenizer: &Tokenizer) -> String {
        format!(
            "{:>8.0} {:>4.2} {:>5.0}",
            self.tokens_per_second(tokenizer),
            self.peak_bytes as f64 / GIBIBYTE,
            1e3 * self.start_seconds,
        )
    }
}

/// The settings of a run of Attend.
struct Task {
    dtype: Precision,
    all_tokens: bool,
    threads: usize,
    one_by_one: bool,
}

/// The settings that are measured, in the order of the table.
const TASKS: [Task; 5] = [
    task(Precision::Int8, false, 1, false),
    task(Precision::Int8, false, 1, true),
    task(Precision::Int8, false, 2, false),
    task(Precision::Int8, true, 1, false),
    task(Precision::Float32, false, 1, false),
];

const fn task(dtype: Precision, all_tokens: bool, threads: usize, one_by_one: bool) -> Task {
    Task {
        dtype,
        all_tokens,
        threads,
        one_by_one,
    }
}

/// Runs both sides in turn and prints a table, with a row for each pair of runs.
pub(crate) fn compare(options: &Options) -> Result<(), BenchError> {
    let device = attend_device::select("cpu")?;
    let tokenizer = ModelFolder::load(&options.model, &device.device)?.target_tokenizer;
    read_text(&options.input)?;
    print(HEAD)?;
    for task in &TASKS {
        for _ in 0..options.pairs.get() {
            let ours = translate_with_attend(options, task)?;
            let peer = match options.python.as_deref().zip(options.firefox.as_deref()) {
                Some((python, model)) => Some(translate_with_peer(options, task, python, model)?),
                None => None,
            };
            print(&row(task, &ours, peer.as_ref(), &tokenizer))?;
        }
    }
    Ok(())
}

fn translate_with_attend(options: &Options, task: &Task) -> Result<Translating, BenchError> {
    let mut command = this_program("translator")?;
    command.arg(&options.model).arg(&options.input);
    command.args(["--dtype", &task.dtype.to_string()]);
    command.args(["--threads", &task.threads.to_string()]);
    if task.one_by_one {
        command.arg("--one-by-one");
    }
    if task.all_tokens {
        command.arg("--all-tokens");
    }
    command.args(["--started", &seconds_since_1970().to_string()]);
    run(command, None)
}

/// The peer takes one line at a time, and chooses among the tokens of the shortlist where Attend does.
fn translate_with_peer(
    options: &Options,
    task: &Task,
    python: &Path,
    model: &Path,
) -> Result<Translating, BenchError> {
    let mut command = Command::new(python);
    command.arg(PEER).arg(model).arg(&options.input);
    command.args(["--threads", &task.threads.to_string()]);
    if task.all_tokens {
        command.arg("--all-tokens");
    }
    command.args(["--started", &seconds_since_1970().to_string()]);
    run(command, Some(PACKAGES))
}

fn row(task: &Task, ours: &Translating, peer: Option<&Translating>, tokenizer: &Tokenizer) -> String {
    let mut row = format!(
        "{:<8} {:<12} {:>7} {:<5} | {}",
        task.dtype.to_string(),
        if task.all_tokens { "all" } else { "shortlist" },
        task.threads,
        if task.one_by_one { "one" } else { "all" },
        ours.columns(tokenizer),
    );
    if let Some(peer) = peer {
        let ratio = ours.tokens_per_second(tokenizer) / peer.tokens_per_second(tokenizer);
        let both = ours.translations.iter().zip(&peer.translations);
        let same = both.filter(|(one, other)| one == other).count();
        let share = 100.0 * same as f64 / ours.translations.len().max(1) as f64;
        row += &format!(" |      {} | {ratio:>5.2} {share:>4.1}%", peer.columns(tokenizer));
    }
    row + "\n"
}

/// Translates the text with Attend and prints the measurement.
pub(crate) fn measure(options: &TranslatorOptions) -> Result<(), BenchError> {
    // The program `attend translate` avoids huge pages, too.
    avoid_huge_pages();
    let device = attend_device::select("cpu")?;
    notice_device_failure(slice::from_ref(&device), || measure_on(&device, options))
}

fn measure_on(device: &NamedDevice, options: &TranslatorOptions) -> Result<(), BenchError> {
    let model = Model::load(&options.folder, &device.device, options.dtype)?;
    let lines = read_text(&options.text)?;
    let asked = TranslateOptions {
        search: model.options().search.greedy(),
        all_tokens: options.all_tokens,
        ..TranslateOptions::default()
    };
    let translator = Translator::new(model, Workers::start(options.threads, 1)?);
    translator.translate_best(&lines[..1], &asked)?;
    let start_seconds = seconds_since_1970() - options.started;

    let start = Instant::now();
    let at_a_time = if options.one_by_one { 1 } else { lines.len() };
    let parts = lines.chunks(at_a_time);
    let translations = parts.map(|part| translator.translate_best(part, &asked));
    let translations: Vec<Vec<String>> = translations.collect::<Result<_, _>>()?;
    let seconds = start.elapsed().as_secs_f64();
    print_measurement(&Translating {
        seconds,
        start_seconds,
        peak_bytes: peak_memory().unwrap_or(0),
        translations: translations.concat(),
    })
}

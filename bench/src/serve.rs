//! Measures `attend serve` under load, beside a server of CTranslate2 and FastAPI.

mod load;
mod server;

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::slice;
use std::time::Instant;

use attend_cli::{avoid_huge_pages, name_of, print};
use attend_data::{DataError, Tokenizer};
use attend_device::{NamedDevice, Workers, cores, notice_device_failure};
use attend_infer::search::{LengthNormalization, SearchOptions, Stopping, Unknown};
use attend_infer::{InferError, Languages, Model, ModelFolder, TranslateOptions, Translation, Translator};
use attend_model::Precision;
use clap::Args;
use serde_json::json;
use tempfile::TempDir;

use crate::decode::{export_for_peer, read_text};
use crate::error::BenchError;
use crate::measurement::{GIBIBYTE, temporary_folder, this_program};
use load::{Answers, Load};
use server::Server;

const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/ctranslate2_serve.py");
/// The Python packages that the peer imports.
const PACKAGES: &str = "ctranslate2, fastapi, tokenizers and uvicorn";
/// The table's head. The columns give for both sides: target tokens and requests a second, percentiles of the
/// milliseconds that requests take, and memory in GiB; then the ratios of target tokens and of the 99th percentiles,
/// and the share of texts that both translate alike.
const HEAD: &str = "\
dtype    lines clients | Attend/s    req     50%     95%     99%  GiB | CTranslate2/s    req     50%     95%     99%  GiB | ratio   99%   same
";
/// The most texts that requests are made of.
const MOST_TEXTS: usize = 256;
/// The number of clients with which the peer's settings are chosen, memory is measured and overload is compared.
const MANY_CLIENTS: usize = 64;
/// How many requests Attend answers at a time beside the peer, which refuses none.
const QUEUE: usize = 10_000;
/// The number of moments at which memory is measured.
const MOMENTS: usize = 10;
/// How many times as many requests as a server can answer make an overload.
const OVERLOAD: f64 = 10.0;

#[derive(Args)]
pub(crate) struct Options {
    /// The Python that runs the peer, with ctranslate2, fastapi, tokenizers, and uvicorn with its
    /// standard extras. [default: measure Attend alone]
    #[arg(long, value_name = "PYTHON")]
    python: Option<PathBuf>,
    /// The folder of a trained model that names its languages.
    #[arg(long, value_name = "FOLDER")]
    model: PathBuf,
    /// The text to translate, one sentence a line.
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// How many clients there are, each of which sends its next request when the one before is answered; may be given
    /// several times. [default: 1, 8, 64, 256]
    #[arg(long, value_name = "N")]
    clients: Vec<NonZeroUsize>,
    /// The number of lines of a request's text; may be given several times. [default: 1, 16]
    #[arg(long, value_name = "N")]
    lines: Vec<NonZeroUsize>,
    /// The beam size. [default: the model's]
    #[arg(long, value_name = "N")]
    beam: Option<NonZeroUsize>,
    /// The type of number that weights are stored and multiplied in; may be given several times. [default: float32,
    /// int8]
    #[arg(long = "dtype", value_name = "TYPE", value_parser = name_of::<Precision>())]
    dtypes: Vec<Precision>,
    /// How long a row sends requests, in seconds.
    #[arg(long, value_name = "N", default_value = "10")]
    seconds: NonZeroUsize,
    /// How often both sides are measured, in turn.
    #[arg(long, value_name = "N", default_value = "3")]
    pairs: NonZeroUsize,
    /// Instead, send N requests to Attend, and print its memory ten times.
    #[arg(long, value_name = "N", conflicts_with_all = ["python", "pairs", "seconds", "clients"])]
    requests: Option<NonZeroUsize>,
    /// Instead, send ten times as many requests as Attend can answer.
    #[arg(long, conflicts_with_all = ["python", "pairs", "requests", "clients"])]
    overload: bool,
}

/// A model as both sides read it, with the same search.
struct ServedModel {
    folder: TempDir,
    exported: TempDir,
    tokenizer: Tokenizer,
    search: SearchOptions,
    languages: Languages,
    /// The most tokens of a translation, `</s>` not counted.
    max_length: usize,
}

impl ServedModel {
    /// Reads a model, and writes it with a search that CTranslate2 has too.
    fn new(options: &Options, device: &NamedDevice) -> Result<Self, BenchError> {
        let mut model = ModelFolder::load(&options.model, &device.device)?;
        model.generation = SearchOptions {
            beam_size: options.beam.map_or(model.generation.beam_size, NonZeroUsize::get),
            length_penalty: model.generation.length_penalty,
            length_normalization: LengthNormalization::Length,
            stopping: Stopping::CTranslate2,
            unknown: Unknown::Keep,
            min_length: 1,
            ..SearchOptions::default()
        };
        let (folder, exported) = (temporary_folder()?, temporary_folder()?);
        model.save(folder.path())?;
        export_for_peer(folder.path(), exported.path(), &device.device)?;
        Ok(Self {
            folder,
            exported,
            search: model.generation,
            // One position is that of `<s>`.
            max_length: model.config.max_length - 1,
            tokenizer: model.target_tokenizer,
            languages: model.languages,
        })
    }

    /// Returns the body of a request for the translation of a text.
    fn body(&self, text: &str) -> String {
        let Languages { source, target } = &self.languages;
        let code = |language: &Option<_>| language.as_ref().map(ToString::to_string);
        json!({"q": text, "source": code(source), "target": code(target)}).to_string()
    }

    /// Starts Attend's side, which answers so many requests at a time, or as many as it does by default.
    fn serve(&self, dtype: Precision, queue: Option<usize>) -> Result<Server, BenchError> {
        let mut command = this_program("attend")?;
        command.args(["serve", "--port", "0", "--device", "cpu", "--model"]);
        command
            .arg(self.folder.path())
            .args(["--dtype", &dtype.to_string()]);
        if let Some(queue) = queue {
            command.args(["--queue", &queue.to_string()]);
        }
        command.env("RUST_LOG", "warn");
        Server::start(command, None)
    }

    /// Starts the peer.
    fn serve_with_peer(
        &self,
        python: &Path,
        dtype: Precision,
        settings: PeerSettings,
    ) -> Result<Server, BenchError> {
        let mut command = Command::new(python);
        command.arg(PEER).arg(self.exported.path());
        let PeerSettings {
            workers,
            threads,
            batching,
        } = settings;
        for (name, value) in [
            ("--beam", self.search.beam_size.to_string()),
            ("--length-penalty", self.search.length_penalty.to_string()),
            ("--max-length", self.max_length.to_string()),
            ("--workers", workers.to_string()),
            ("--threads", threads.to_string()),
            ("--batching", batching.to_owned()),
            ("--dtype", dtype.to_string()),
        ] {
            command.args([name, &value]);
        }
        Server::start(command, Some(PACKAGES))
    }
}

/// The requests of a load: texts of equally many lines.
struct Requests {
    lines: usize,
    texts: Vec<String>,
    bodies: Vec<String>,
}

impl Requests {
    fn new(model: &ServedModel, text: &[String], lines: usize) -> Self {
        let texts = text.chunks(lines).take(MOST_TEXTS).map(|lines| lines.join("\n"));
        let texts: Vec<String> = texts.collect();
        let bodies = texts.iter().map(|text| model.body(text)).collect();
        Self { lines, texts, bodies }
    }

    /// Returns the mean number of target tokens of a translation.
    fn tokens(&self, tokenizer: &Tokenizer, translations: &[String]) -> f64 {
        let tokens: usize = translations
            .iter()
            .flat_map(|text| text.lines())
            .map(|line| tokenizer.encode(line).len())
            .sum();
        tokens as f64 / self.texts.len() as f64
    }
}

/// How the peer divides its work.
#[derive(Clone, Copy)]
struct PeerSettings {
    workers: usize,
    threads: usize,
    batching: &'static str,
}

impl PeerSettings {
    /// Returns the settings that are tried.
    fn all() -> impl Iterator<Item = Self> {
        let layouts = [[cores(), 1], [1, cores()]];
        layouts.into_iter().flat_map(|[workers, threads]| {
            ["gathered", "asynchronous"].map(|batching| Self {
                workers,
                threads,
                batching,
            })
        })
    }
}

/// A server that answers requests, and what is known of its translations.
struct Side {
    server: Server,
    translations: Vec<String>,
    tokens: f64,
}

impl Side {
    /// Asks the server for the translation of each text once, which also warms it up.
    fn new(server: Server, model: &ServedModel, requests: &Requests) -> Result<Self, BenchError> {
        let translations = server.translate(&requests.bodies)?;
        Ok(Self {
            tokens: requests.tokens(&model.tokenizer, &translations),
            server,
            translations,
        })
    }

    fn answer(&self, load: &Load<'_>) -> Result<Row, BenchError> {
        let answers = load.send(&self.server)?;
        Ok(Row {
            tokens_per_second: answers.served_per_second * self.tokens,
            bytes: self.server.memory(),
            answers,
        })
    }
}

/// What one side measures in a row of the table.
struct Row {
    tokens_per_second: f64,
    answers: Answers,
    /// The memory of the server after the load, or 0 if it is not known.
    bytes: u64,
}

impl Row {
    /// Returns the columns of one side in a row of the table.
    fn columns(&self) -> String {
        let Answers {
            served_per_second,
            milliseconds: [p50, p95, p99],
            ..
        } = self.answers;
        format!(
            "{:>8.0} {served_per_second:>6.1} {p50:>7.1} {p95:>7.1} {p99:>7.1} {:>4.2}",
            self.tokens_per_second,
            self.bytes as f64 / GIBIBYTE,
        )
    }
}

/// Runs both sides in turn and prints a table, with a row for each pair of runs.
pub(crate) fn compare(options: &Options) -> Result<(), BenchError> {
    // The program `attend serve` avoids huge pages, too.
    avoid_huge_pages();
    let device = attend_device::select("cpu")?;
    notice_device_failure(slice::from_ref(&device), || compare_on(&device, options))
}

fn compare_on(device: &NamedDevice, options: &Options) -> Result<(), BenchError> {
    let model = ServedModel::new(options, device)?;
    let text: Vec<String> = read_text(&options.input)?;
    let text: Vec<String> = text.into_iter().filter(|line| !line.trim().is_empty()).collect();
    let dtypes = match options.dtypes.as_slice() {
        [] => &[Precision::Float32, Precision::Int8],
        dtypes => dtypes,
    };
    let lines = or(&options.lines, &[1, 16]);
    let all_requests: Vec<Requests> = lines
        .into_iter()
        .map(|lines| Requests::new(&model, &text, lines))
        .collect();
    let requests = &all_requests[0];
    if let Some(count) = options.requests {
        return measure_memory(&model, requests, dtypes[0], count.get());
    }
    if options.overload {
        return measure_overload(&model, requests, dtypes[0], options.seconds.get());
    }
    for &dtype in dtypes {
        print(&translator_alone(&model, device, dtype, &text)?)?;
        let peer = match &options.python {
            Some(python) => Some((python, best_settings(&model, python, requests, dtype)?)),
            None => None,
        };
        print(HEAD)?;
        for requests in &all_requests {
            let ours = Side::new(model.serve(dtype, Some(QUEUE))?, &model, requests)?;
            let peer = match peer {
                Some((python, settings)) => {
                    let server = model.serve_with_peer(python, dtype, settings)?;
                    Some(Side::new(server, &model, requests)?)
                }
                None => None,
            };
            rows(options, dtype, requests, &ours, peer.as_ref())?;
        }
    }
    Ok(())
}

/// Prints the rows of requests of equally many lines.
fn rows(
    options: &Options,
    dtype: Precision,
    requests: &Requests,
    ours: &Side,
    peer: Option<&Side>,
) -> Result<(), BenchError> {
    let bodies = bodies_file(requests)?;
    for clients in or(&options.clients, &[1, 8, MANY_CLIENTS, 256]) {
        for _ in 0..options.pairs.get() {
            let load = Load::of_seconds(bodies.path(), clients, options.seconds.get());
            let row = ours.answer(&load)?;
            let mut refused = vec![("Attend", row.answers.refused_per_second)];
            let mut line = format!(
                "{dtype:<8} {:>5} {clients:>7} | {}",
                requests.lines,
                row.columns()
            );
            if let Some(peer) = peer {
                let peer_row = peer.answer(&load)?;
                let ratio = row.tokens_per_second / peer_row.tokens_per_second;
                let [p99, peer_p99] = [&row, &peer_row].map(|row| row.answers.milliseconds[2]);
                let both = ours.translations.iter().zip(&peer.translations);
                let same = both.filter(|(one, other)| one == other).count();
                let share = 100.0 * same as f64 / requests.texts.len() as f64;
                line += &format!(
                    " |      {} | {ratio:>5.2} {:>5.2} {share:>5.1}%",
                    peer_row.columns(),
                    p99 / peer_p99
                );
                refused.push(("CTranslate2", peer_row.answers.refused_per_second));
            }
            for (side, refused) in refused.into_iter().filter(|(_, refused)| *refused > 0.0) {
                line += &format!("; {side} refused {refused:.1} requests a second");
            }
            print(&(line + "\n"))?;
        }
    }
    Ok(())
}

/// Prints how fast the peer is with each of its settings, and returns the fastest ones.
fn best_settings(
    model: &ServedModel,
    python: &Path,
    requests: &Requests,
    dtype: Precision,
) -> Result<PeerSettings, BenchError> {
    const SECONDS: usize = 5;
    let bodies = bodies_file(requests)?;
    let mut best: Option<(f64, PeerSettings)> = None;
    for settings in PeerSettings::all() {
        let server = model.serve_with_peer(python, dtype, settings)?;
        let side = Side::new(server, model, requests)?;
        let row = side.answer(&Load::of_seconds(bodies.path(), MANY_CLIENTS, SECONDS))?;
        row.answers.all_served()?;
        let PeerSettings {
            workers,
            threads,
            batching,
        } = settings;
        print(&format!(
            "{dtype}: CTranslate2 with {workers} workers of {threads} threads, {batching}: {:.0} tokens a second\n",
            row.tokens_per_second
        ))?;
        if best.is_none_or(|(most, _)| row.tokens_per_second > most) {
            best = Some((row.tokens_per_second, settings));
        }
    }
    Ok(best.expect("there are settings").1)
}

/// Returns a sentence about the speed of Attend's translator without a server, on as many workers.
fn translator_alone(
    model: &ServedModel,
    device: &NamedDevice,
    dtype: Precision,
    text: &[String],
) -> Result<String, BenchError> {
    let asked = TranslateOptions {
        search: model.search,
        language: model.languages.source.clone(),
        ..TranslateOptions::default()
    };
    let workers = Workers::start(device.workers(), 1)?;
    // By a worker, as in `attend translate`, so that no other thread computes.
    let loaded = workers
        .map([()], |()| Model::load(model.folder.path(), &device.device, dtype))
        .remove(0);
    let translator = Translator::new(loaded?, workers);
    let translate = |lines: &[String]| {
        let start = Instant::now();
        let found = translator.translate(lines, &asked).into_iter();
        let found = found.collect::<Result<Vec<Vec<Translation>>, InferError>>()?;
        let tokens: usize = found.iter().map(|best| best[0].tokens.len()).sum();
        Ok::<_, BenchError>((start.elapsed().as_secs_f64(), tokens))
    };
    let few = &text[..text.len().min(MOST_TEXTS)];
    translate(few)?;
    let (seconds, tokens) = translate(text)?;
    let alone = few.chunks(1).map(|line| Ok(1e3 * translate(line)?.0));
    let mut alone = alone.collect::<Result<Vec<f64>, BenchError>>()?;
    alone.sort_by(f64::total_cmp);
    Ok(format!(
        "{dtype}: Attend without a server makes {:.0} tokens a second of all lines together, and takes {:.1} ms for a \
         line alone (median)\n",
        tokens as f64 / seconds,
        alone[alone.len() / 2],
    ))
}

/// Sends requests to Attend, and prints its memory ten times.
fn measure_memory(
    model: &ServedModel,
    requests: &Requests,
    dtype: Precision,
    count: usize,
) -> Result<(), BenchError> {
    let side = Side::new(model.serve(dtype, None)?, model, requests)?;
    let bodies = bodies_file(requests)?;
    print("requests    MiB\n")?;
    let line = |sent: usize| {
        format!(
            "{sent:>8} {:>6.1}\n",
            side.server.memory() as f64 / (1 << 20) as f64
        )
    };
    print(&line(0))?;
    for moment in 0..MOMENTS {
        let [before, after] = [moment, moment + 1].map(|moment| count * moment / MOMENTS);
        if after > before {
            let load = Load::of_requests(bodies.path(), MANY_CLIENTS, after - before);
            load.send(&side.server)?.all_served()?;
            print(&line(after))?;
        }
    }
    Ok(())
}

/// Prints what Attend serves at its capacity, and then of ten times as many requests.
fn measure_overload(
    model: &ServedModel,
    requests: &Requests,
    dtype: Precision,
    seconds: usize,
) -> Result<(), BenchError> {
    let side = Side::new(model.serve(dtype, None)?, model, requests)?;
    let bodies = bodies_file(requests)?;
    print("requests/s  served/s  refused/s     50%     95%     99%  GiB\n")?;
    let line = |asked: f64, answers: &Answers| {
        let [p50, p95, p99] = answers.milliseconds;
        let (served, refused) = (answers.served_per_second, answers.refused_per_second);
        let memory = side.server.memory() as f64 / GIBIBYTE;
        format!(
            "{asked:>10.1} {served:>9.1} {refused:>10.1} {p50:>7.1} {p95:>7.1} {p99:>7.1} {memory:>4.2}\n"
        )
    };
    let normal = Load::of_seconds(bodies.path(), MANY_CLIENTS, seconds).send(&side.server)?;
    normal.all_served()?;
    let capacity = normal.served_per_second;
    print(&line(capacity, &normal))?;
    let asked = OVERLOAD * capacity;
    let load = Load::of_seconds(bodies.path(), 10 * MANY_CLIENTS, seconds).at_rate(asked);
    Ok(print(&line(asked, &load.send(&side.server)?))?)
}

/// Writes the bodies of requests, one a line.
fn bodies_file(requests: &Requests) -> Result<tempfile::NamedTempFile, BenchError> {
    let error = |error| DataError::write(Path::new("a temporary file"), error);
    let file = tempfile::NamedTempFile::new().map_err(error)?;
    fs::write(file.path(), requests.bodies.join("\n")).map_err(error)?;
    Ok(file)
}

/// Returns the counts that were given, or else the default ones.
fn or(counts: &[NonZeroUsize], default: &[usize]) -> Vec<usize> {
    match counts {
        [] => default.to_vec(),
        counts => counts.iter().map(|count| count.get()).collect(),
    }
}

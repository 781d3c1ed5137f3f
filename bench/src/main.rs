//! The program `bench` measures Attend's speed and memory, beside a peer's where there is one: both run in turn, on the
//! same work. It also compares what devices compute, and what CTranslate2 computes.

mod agree;
mod conformance;
mod decode;
mod error;
mod firefox;
mod layers;
mod measurement;
mod paths;
mod prepare;
mod serve;
mod train;
mod workload;

use std::ffi::OsString;
use std::process::ExitCode;

use attend_cli::report;
use clap::{Parser, Subcommand};

use crate::error::BenchError;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measure Attend's speed and memory, and compare its results with those of its peers and between devices.
#[derive(Parser)]
#[command(name = "bench", version)]
struct Options {
    #[command(subcommand)]
    subject: Subject,
}

/// What is measured or compared.
#[derive(Subcommand)]
enum Subject {
    /// Measure target tokens a second and peak memory of training, beside PyTorch's if a Python with torch is given.
    Train(train::Options),
    /// Measure target tokens a second and peak memory of decoding, beside CTranslate2's if a Python with ctranslate2 is
    /// given.
    Decode(decode::Options),
    /// Measure the layers of the paper's table 1 at growing lengths, beside PyTorch's if a Python with torch is given.
    Layers(layers::Options),
    /// Measure target tokens a second of an imported model of Firefox, beside fxtranslate's if a Python with fxtranslate
    /// is given.
    Firefox(firefox::Options),
    /// Measure how many requests `attend serve` answers a second and how long they take, beside a server of CTranslate2
    /// and FastAPI if a Python with these is given. Needs the program oha.
    Serve(serve::Options),
    /// Compare encoder outputs, logits and hypotheses with those of CTranslate2 for the same weights.
    Agree(agree::Options),
    /// Compare what a device computes with what the processor does, and print how far the two are apart.
    Conformance(conformance::Options),
    /// Train layers of each type to copy the first token of a sequence to its end, and print how often they do.
    Paths(paths::Options),
    /// Measure speed and memory of preparing a large generated corpus, and of drawing batches from it.
    Prepare(prepare::Options),
    /// Measure Attend's side of `train`: training steps on the batches of a file.
    #[command(hide = true)]
    Trainer(train::TrainerOptions),
    /// Measure Attend's side of `layers`: a layer at one length.
    #[command(hide = true)]
    Layer(layers::LayerOptions),
    /// Measure Attend's side of `decode`: the translator, on the lines of a file.
    #[command(hide = true)]
    Decoder(decode::DecoderOptions),
    /// Measure Attend's side of `firefox`: the translator, on the lines of a file.
    #[command(hide = true)]
    Translator(firefox::TranslatorOptions),
    /// Run Attend's side of `serve`: the program `attend` with these arguments.
    #[command(hide = true, disable_help_flag = true)]
    Attend {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let result: Result<(), BenchError> = match Options::parse().subject {
        Subject::Train(options) => train::compare(&options),
        Subject::Trainer(options) => train::measure(&options),
        Subject::Decode(options) => decode::compare(&options),
        Subject::Decoder(options) => decode::measure(&options),
        Subject::Firefox(options) => firefox::compare(&options),
        Subject::Translator(options) => firefox::measure(&options),
        Subject::Serve(options) => serve::compare(&options),
        Subject::Attend { arguments } => return attend_cli::run_with(arguments),
        Subject::Layers(options) => layers::compare(&options),
        Subject::Layer(options) => layers::measure(&options),
        Subject::Agree(options) => agree::compare(&options),
        Subject::Conformance(options) => conformance::compare(&options),
        Subject::Paths(options) => paths::measure(&options),
        Subject::Prepare(options) => prepare::measure(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

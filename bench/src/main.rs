//! `bench`: Attend's speed and memory, beside its peers' where there are some: in turn in one run, on the same work.

mod agree;
mod conformance;
mod decode;
mod error;
mod measurement;
mod prepare;
mod train;
mod workload;

use std::process::ExitCode;

use attend_cli::report;
use clap::{Parser, Subcommand};

use crate::error::BenchError;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measure speed and memory.
#[derive(Parser)]
#[command(name = "bench", version)]
struct Options {
    #[command(subcommand)]
    subject: Subject,
}

/// What is measured.
#[derive(Subcommand)]
enum Subject {
    /// Target tokens a second and peak memory of training, beside PyTorch's where a Python with torch is given.
    Train(train::Options),
    /// Target tokens a second and peak memory of decoding, beside CTranslate2's where a Python with ctranslate2 is
    /// given.
    Decode(decode::Options),
    /// Whether CTranslate2 finds the same encoder outputs, logits and hypotheses with the same weights.
    Agree(agree::Options),
    /// Whether a device computes what the processor does, with a table of how far the two are apart.
    Conformance(conformance::Options),
    /// Speed and memory of preparing a large generated corpus, and of drawing batches from it.
    Prepare(prepare::Options),
    /// One side of `train`: training steps on the batches of a file.
    #[command(hide = true)]
    Trainer(train::TrainerOptions),
    /// One side of `decode`: the translator on the lines of a file.
    #[command(hide = true)]
    Decoder(decode::DecoderOptions),
}

fn main() -> ExitCode {
    let result: Result<(), BenchError> = match Options::parse().subject {
        Subject::Train(options) => train::compare(&options),
        Subject::Trainer(options) => train::measure(&options),
        Subject::Decode(options) => decode::compare(&options),
        Subject::Decoder(options) => decode::measure(&options),
        Subject::Agree(options) => agree::compare(&options),
        Subject::Conformance(options) => conformance::compare(&options),
        Subject::Prepare(options) => prepare::measure(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

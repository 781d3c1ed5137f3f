//! `bench`: Attend beside its peers, in turn in one run, on the same work.

mod error;
mod train;
mod workload;

use std::process::ExitCode;

use attend_data::cli::report;
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
    /// One side of `train`: the trainer on the batches of a file.
    #[command(hide = true)]
    Trainer(train::TrainerOptions),
}

fn main() -> ExitCode {
    let result: Result<(), BenchError> = match Options::parse().subject {
        Subject::Train(options) => train::compare(&options),
        Subject::Trainer(options) => train::measure(&options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error, error.hint()),
    }
}

//! What the command lines of several programs share.

use std::num::NonZeroUsize;
use std::str::FromStr;

use clap::Args;

use crate::error::InferError;
use crate::workers::{Workers, cores};

/// How many workers there are: a number, or `auto` for one a core.
#[derive(Clone, Copy, Debug)]
pub struct WorkerCount(usize);

impl WorkerCount {
    /// The number, at least one.
    #[must_use]
    pub fn get(self) -> usize {
        self.0
    }
}

impl FromStr for WorkerCount {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.parse::<NonZeroUsize>()) {
            ("auto", _) => Ok(Self(cores())),
            (_, Ok(number)) => Ok(Self(number.get())),
            _ => Err("neither a number from 1 nor auto"),
        }
    }
}

/// How many threads translate.
#[derive(Clone, Copy, Debug, Args)]
pub struct WorkerOptions {
    /// Batches decoded at the same time, auto for one a core; changes speed and memory, no translation.
    #[arg(long, value_name = "N", default_value = "auto")]
    workers: WorkerCount,
    /// Threads that share a batch's matrix products, for each worker.
    #[arg(long, value_name = "N", default_value = "1")]
    threads: NonZeroUsize,
}

impl WorkerOptions {
    /// Starts the workers.
    ///
    /// # Errors
    ///
    /// If the system refuses a thread.
    pub fn start(self) -> Result<Workers, InferError> {
        Workers::start(self.workers.get(), self.threads.get())
    }
}

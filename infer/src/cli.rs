//! What the command lines of several programs share.

use std::num::NonZeroUsize;

use clap::Args;

use crate::error::InferError;
use crate::workers::{Workers, cores};

/// How many threads translate.
#[derive(Clone, Copy, Debug, Args)]
pub struct WorkerOptions {
    /// Batches decoded at the same time; changes speed and memory, no translation. [default: the number of cores]
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,
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
        let workers = self.workers.map_or_else(cores, NonZeroUsize::get);
        Workers::start(workers, self.threads.get())
    }
}

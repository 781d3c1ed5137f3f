//! Threads that share work on the CPU.
//!
//! Burn runs many element-wise operations on one core, so workers of one thread each keep more cores busy than one
//! worker of many threads.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};
use std::thread;

use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::InferError;

/// The processor's cores that this program may use, at least one.
#[must_use]
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// A fixed number of workers, each with threads of its own for the products of matrices.
#[derive(Clone, Debug)]
pub struct Workers {
    pools: Arc<[ThreadPool]>,
}

impl Workers {
    /// Starts `count` workers of `threads` threads, at least one of one.
    ///
    /// # Errors
    ///
    /// If the system refuses a thread.
    pub fn start(count: usize, threads: usize) -> Result<Self, InferError> {
        let pool = |_| ThreadPoolBuilder::new().num_threads(threads.max(1)).build();
        Ok(Self {
            pools: (0..count.max(1)).map(pool).collect::<Result<_, _>>()?,
        })
    }

    /// Their number.
    #[must_use]
    pub fn count(&self) -> usize {
        self.pools.len()
    }

    /// Does `work` on each item, in the order of the items, as workers become free. Returns the results in the same
    /// order.
    pub fn map<T: Send, R: Send>(
        &self,
        items: impl IntoIterator<Item = T, IntoIter: Send>,
        work: impl Fn(T) -> R + Sync,
    ) -> Vec<R> {
        let queue = Mutex::new(items.into_iter().enumerate());
        let next = || queue.lock().expect("no iterator over items panics").next();
        let take_turns = || {
            let items = std::iter::from_fn(next);
            items.map(|(place, item)| (place, work(item))).collect::<Vec<_>>()
        };
        let mut results: Vec<(usize, R)> = thread::scope(|scope| {
            let threads: Vec<_> = self
                .pools
                .iter()
                .map(|pool| scope.spawn(|| pool.install(take_turns)))
                .collect();
            let join = |thread: thread::ScopedJoinHandle<'_, _>| match thread.join() {
                Ok(results) => results,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            threads.into_iter().flat_map(join).collect()
        });
        results.sort_unstable_by_key(|(place, _)| *place);
        results.into_iter().map(|(_, result)| result).collect()
    }
}

//! Threads that share work.
//!
//! On the processor, Burn runs many element-wise operations on one core, so several workers of one thread each keep
//! more cores busy than one worker of many threads. Burn's matrix products run on the rayon pool of the thread that
//! asks for them, so each worker is a pool of its own, and its matrix products run inside it.

use std::io;
use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, mpsc};
use std::thread;

use rayon::{Scope, ThreadPool, ThreadPoolBuilder};

use crate::error::DeviceError;

/// Returns the number of the processor's cores that this program may use, at least 1.
#[must_use]
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZeroUsize::get)
}

/// A fixed number of workers, each with threads of its own for matrix products. Clones share the workers.
#[derive(Clone, Debug)]
pub struct Workers {
    pools: Arc<[ThreadPool]>,
}

impl Workers {
    /// Starts `count` workers of `threads` threads each. A number of 0 counts as 1.
    ///
    /// # Errors
    ///
    /// [`DeviceError::Threads`] if the system refuses a thread.
    pub fn start(count: usize, threads: usize) -> Result<Self, DeviceError> {
        let pool = |_| ThreadPoolBuilder::new().num_threads(threads.max(1)).build();
        let pools = (0..count.max(1)).map(pool).collect::<Result<_, _>>();
        Ok(Self {
            pools: pools.map_err(|error| DeviceError::Threads(io::Error::other(error)))?,
        })
    }

    /// Returns the number of workers.
    #[must_use]
    pub fn count(&self) -> usize {
        self.pools.len()
    }

    /// Calls `work` on each item, in the order of the items, as workers become free. Returns the results in the order
    /// of the items. Starts no thread.
    ///
    /// Several threads may call this method at once: each worker then takes items of all callers in turn. If `work`
    /// itself calls the method on the same workers, the worker that runs it does all of those items alone. If the
    /// `work` of two sets of workers calls the other set, both wait for ever.
    ///
    /// # Panics
    ///
    /// If `work` panics, as soon as the items that other workers have begun are done.
    pub fn map<T: Send, R: Send>(
        &self,
        items: impl IntoIterator<Item = T>,
        work: impl Fn(T) -> R + Sync,
    ) -> Vec<R> {
        let is_worker = |pool: &ThreadPool| pool.current_thread_index().is_some();
        if self.pools.iter().any(is_worker) {
            return items.into_iter().map(work).collect();
        }
        let work = &work;
        let mut items = items.into_iter().enumerate();
        let mut results = Vec::new();
        let (done, finished) = mpsc::channel();
        in_scopes(&self.pools, &[], &mut |scopes| {
            // A worker is given one item at a time, so that the items of other callers come in between.
            let mut start_next = |worker: usize| match items.next() {
                None => false,
                Some((place, item)) => {
                    let done = done.clone();
                    scopes[worker].spawn(move |_| {
                        let result = catch_unwind(AssertUnwindSafe(|| work(item)));
                        // Sending fails only if the caller has panicked, so that nobody waits for the result.
                        let _ = done.send((worker, place, result));
                    });
                    true
                }
            };
            let mut busy = (0..scopes.len()).filter(|&worker| start_next(worker)).count();
            let mut has_panicked = false;
            while busy > 0 {
                let (worker, place, result) = finished.recv().expect("`done` is still open");
                has_panicked |= result.is_err();
                results.push((place, result));
                if has_panicked || !start_next(worker) {
                    busy -= 1;
                }
            }
        });
        results.sort_unstable_by_key(|(place, _)| *place);
        let result = |result: thread::Result<R>| result.unwrap_or_else(|panic| resume_unwind(panic));
        results.into_iter().map(|(_, found)| result(found)).collect()
    }
}

/// Calls `body` with `scopes` and, behind them, a scope of each pool. Returns when everything that `body` has spawned
/// in these scopes is done. The function calls itself for the next pool inside the scope of the first, since a scope
/// ends with the call that opened it.
fn in_scopes<'scope>(
    pools: &[ThreadPool],
    scopes: &[&Scope<'scope>],
    body: &mut dyn FnMut(&[&Scope<'scope>]),
) {
    match pools.split_first() {
        None => body(scopes),
        Some((pool, rest)) => {
            pool.in_place_scope(|scope| in_scopes(rest, &[scopes, &[scope]].concat(), body));
        }
    }
}

//! Threads that share work.
//!
//! On the processor, Burn runs many element-wise operations on one core. Therefore several workers with one thread each
//! keep more cores busy than one worker with many threads. Burn computes a matrix product in the rayon pool of the
//! calling thread. Therefore each worker is a rayon pool, which computes the worker's matrix products.

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

/// A fixed number of workers, each with its own threads for matrix products. Clones share the workers.
#[derive(Clone, Debug)]
pub struct Workers {
    pools: Arc<[ThreadPool]>,
}

impl Workers {
    /// Starts `count` workers of `threads` threads each. A number of 0 counts as 1.
    ///
    /// # Errors
    ///
    /// Returns [`DeviceError::Threads`] if the system refuses a thread.
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

    /// Calls `work` on each item. Items are given to workers in their order, whenever a worker is free. Returns the
    /// results in the order of the items. Does not start threads.
    ///
    /// Several threads may call this method at the same time: each worker then takes items of all callers in turn. If
    /// `work` itself calls this method on the same workers, the inner items all run on the worker that runs `work`. Two
    /// sets of workers must not call each other: if the `work` of each calls the other set, both wait for ever.
    ///
    /// # Panics
    ///
    /// Panics if `work` panics. The panic is passed on as soon as the other workers have finished the items that they
    /// have begun.
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
            // Each worker gets one item at a time, so that other callers' items can run between them.
            let mut start_next = |worker: usize| match items.next() {
                None => false,
                Some((index, item)) => {
                    let done = done.clone();
                    scopes[worker].spawn(move |_| {
                        let result = catch_unwind(AssertUnwindSafe(|| work(item)));
                        // Sending fails only if the caller has panicked and does not wait for the result.
                        let _ = done.send((worker, index, result));
                    });
                    true
                }
            };
            let mut busy = (0..scopes.len()).filter(|&worker| start_next(worker)).count();
            let mut has_panicked = false;
            while busy > 0 {
                let (worker, index, result) = finished.recv().expect("`done` is still open");
                has_panicked |= result.is_err();
                results.push((index, result));
                if has_panicked || !start_next(worker) {
                    busy -= 1;
                }
            }
        });
        results.sort_unstable_by_key(|(index, _)| *index);
        let result = |result: thread::Result<R>| result.unwrap_or_else(|panic| resume_unwind(panic));
        results.into_iter().map(|(_, found)| result(found)).collect()
    }
}

/// Opens a scope in each pool, and calls `body` with `scopes` followed by the new scopes. Returns when all tasks that
/// `body` has spawned in the scopes are done. A scope ends with the call that opened it, so the scopes must be nested:
/// the function opens the scope of the first pool, and calls itself inside for the rest.
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

//! Data parallelism on the CPU: each worker computes the gradients of a part of the batch on its own thread.
//!
//! Burn runs many element-wise operations on one core, so workers of one thread each keep more cores busy than one
//! worker of many threads.

use std::thread;

use attend_data::batch::Example;
use attend_model::{Transformer, seed_dropout};
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};

/// The gradients of a loss over a batch, or over a part of it.
pub struct Gradients {
    /// The loss.
    pub loss: f64,
    /// Its gradients.
    pub gradients: GradientsParams,
}

impl Gradients {
    /// The gradients of the sum of two losses of the same model.
    #[must_use]
    pub fn plus(self, other: Self, model: &Transformer) -> Self {
        Self {
            loss: self.loss + other.loss,
            gradients: add(model, self.gradients, other.gradients),
        }
    }
}

/// A fixed number of threads, which share each batch.
pub struct Workers {
    pools: Vec<ThreadPool>,
}

impl Workers {
    /// Starts `count` threads, at least one.
    ///
    /// # Errors
    ///
    /// If the system refuses a thread.
    pub fn start(count: usize) -> Result<Self, ThreadPoolBuildError> {
        let pool = |_| ThreadPoolBuilder::new().num_threads(1).build();
        Ok(Self {
            pools: (0..count.max(1)).map(pool).collect::<Result<_, _>>()?,
        })
    }

    /// Their number.
    #[must_use]
    pub fn count(&self) -> usize {
        self.pools.len()
    }

    /// Divides a batch among the workers and adds up what they find.
    ///
    /// `gradients` computes loss and gradients of a part of the batch on the model it is given: those of a sum over
    /// examples, so that the parts' add up to the batch's. `seed` and the worker's number decide its dropout.
    pub fn run(
        &self,
        model: &Transformer,
        device: &Device,
        batch: &[Example],
        seed: u64,
        gradients: impl Fn(&Transformer, &[Example]) -> Gradients + Sync,
    ) -> Gradients {
        let part_size = batch.len().div_ceil(self.pools.len());
        let gradients = &gradients;
        let parts: Vec<Gradients> = thread::scope(|scope| {
            let threads: Vec<_> = batch
                .chunks(part_size)
                .zip(&self.pools)
                .zip(0..)
                .map(|((part, pool), worker)| {
                    // A clone would share the nodes of the autodiff graph, and workers would wait for each other.
                    let fork = model.clone().fork(device);
                    scope.spawn(move || {
                        pool.install(|| {
                            seed_dropout(seed ^ worker);
                            gradients(&fork, part)
                        })
                    })
                })
                .collect();
            let join = |thread: thread::ScopedJoinHandle<'_, _>| match thread.join() {
                Ok(part) => part,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            threads.into_iter().map(join).collect()
        });
        parts
            .into_iter()
            .reduce(|total, part| total.plus(part, model))
            .expect("a batch has at least one example")
    }
}

/// The sum of two sets of gradients of the same model.
fn add(model: &Transformer, left: GradientsParams, right: GradientsParams) -> GradientsParams {
    struct Add {
        left: GradientsParams,
        right: GradientsParams,
    }
    impl ModuleVisitor for Add {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let sum = match (self.left.remove::<D>(param.id), self.right.remove::<D>(param.id)) {
                (Some(left), Some(right)) => left + right,
                (Some(one), None) | (None, Some(one)) => one,
                (None, None) => return,
            };
            self.left.register(param.id, sum);
        }
    }
    let mut visitor = Add { left, right };
    model.visit(&mut visitor);
    visitor.left
}

//! Data parallelism on the CPU: each worker computes the gradients of a part of the batch on its own thread.

use attend_data::batch::Example;
use attend_infer::Workers;
use attend_model::{Transformer, seed_dropout};
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};

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

/// Divides a batch among the workers and adds up what they find.
///
/// `gradients` computes loss and gradients of a part of the batch on the model it is given: those of a sum over
/// examples, so that the parts' add up to the batch's. `seed` and the part's number decide its dropout.
///
/// # Panics
///
/// If the batch is empty.
pub fn gradients_of_batch(
    workers: &Workers,
    model: &Transformer,
    device: &Device,
    batch: &[Example],
    seed: u64,
    gradients: impl Fn(&Transformer, &[Example]) -> Gradients + Sync,
) -> Gradients {
    let part_size = batch.len().div_ceil(workers.count());
    let parts: Vec<_> = batch
        .chunks(part_size)
        .zip(0..)
        // A clone would share the nodes of the autodiff graph, and workers would wait for each other.
        .map(|(part, number)| (part, number, model.clone().fork(device)))
        .collect();
    let parts = workers.map(parts, |(part, number, fork)| {
        seed_dropout(seed ^ number);
        gradients(&fork, part)
    });
    parts
        .into_iter()
        .reduce(|total, part| total.plus(part, model))
        .expect("a batch has at least one example")
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

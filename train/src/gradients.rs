//! Data parallelism: each worker computes the gradients of a part of the batch on its own thread, on its device.

use attend_data::Example;
use attend_infer::Workers;
use attend_infer::device::values;
use attend_model::{Transformer, seed_dropout};
use attend_ops::sum_of_squares;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};

/// The gradients of a loss over a batch, or over a part of it.
pub struct Gradients {
    /// The loss: `[1]`, outside the autodiff graph.
    pub loss: Tensor<1>,
    /// Its gradients.
    pub gradients: GradientsParams,
}

impl Gradients {
    /// Those of `loss`, which `model` gave.
    #[must_use]
    pub fn of(loss: Tensor<1>, model: &Transformer) -> Self {
        Self {
            loss: loss.clone().inner(),
            gradients: GradientsParams::from_grads(loss.backward(), model),
        }
    }

    /// The gradients of the sum of two losses of the same model.
    #[must_use]
    pub fn plus(self, other: Self, model: &Transformer) -> Self {
        Self {
            loss: self.loss + other.loss,
            gradients: add(model, self.gradients, other.gradients),
        }
    }

    fn on_device(self, device: &Device, model: &Transformer) -> Self {
        if self.loss.device() == *device {
            return self;
        }
        Self {
            loss: self.loss.to_device(device),
            gradients: self.gradients.to_device(device, model),
        }
    }
}

/// Divides a batch among the workers and adds up what they find, on the model's device.
///
/// The parts, one for each worker and all of the same size, go to the devices in turn, each of which has a copy of the
/// model's weights for the time. (Burn's collectives would bring the gradients together, too, but flex has none, and a
/// remote device none with another server's.) `gradients` computes loss and gradients of a part of the batch on the
/// model and the device it is given: those of a sum over examples, so that the parts' add up to the batch's. `seed` and
/// the part's number decide its dropout.
///
/// # Panics
///
/// If the batch is empty, or there is no device.
pub fn gradients_of_batch(
    workers: &Workers,
    model: &Transformer,
    devices: &[Device],
    batch: &[Example],
    seed: u64,
    gradients: impl Fn(&Transformer, &Device, &[Example]) -> Gradients + Sync,
) -> Gradients {
    let part_size = batch.len().div_ceil(workers.count());
    let parts: Vec<_> = batch
        .chunks(part_size)
        .zip(devices.iter().cycle())
        .zip(0..)
        .collect();
    let home = devices[0].clone().without_autodiff();
    // Weights and gradients come and go on the thread that uses them: a remote server keeps the order of a thread's
    // operations alone.
    let parts = workers.map(parts, |((part, device), number)| {
        // A clone would share the nodes of the autodiff graph, and workers would wait for each other.
        let fork = model.clone().fork(device);
        seed_dropout(seed ^ number);
        gradients(&fork, device, part).on_device(&home, &fork)
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

/// The loss and the global norm of its gradients, over all weights at once: the one time that an update reads from the
/// device.
pub(crate) fn loss_and_norm(model: &Transformer, gradients: &Gradients) -> (f64, f64) {
    let mut vectors = Vectors {
        gradients: &gradients.gradients,
        vectors: Vec::new(),
    };
    model.visit(&mut vectors);
    let numbers = values(Tensor::cat(
        vec![gradients.loss.clone(), sum_of_squares(vectors.vectors)],
        0,
    ));
    (numbers[0].into(), f64::from(numbers[1]).sqrt())
}

/// What brings gradients of the global norm `norm` to at most `max_norm` (Pascanu et al., 2013); 0 means no limit.
pub(crate) fn clip_factor(norm: f64, max_norm: f64) -> f64 {
    match max_norm == 0.0 || norm <= max_norm {
        true => 1.0,
        false => max_norm / norm,
    }
}

/// Each gradient as a vector.
struct Vectors<'a> {
    gradients: &'a GradientsParams,
    vectors: Vec<Tensor<1>>,
}

impl ModuleVisitor for Vectors<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = self.gradients.get::<D>(param.id);
        self.vectors
            .extend(gradient.map(|gradient| gradient.reshape([-1])));
    }
}

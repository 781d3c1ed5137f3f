//! Data parallelism: each worker computes the gradients of a part of the batch, on a thread and a device of its own.

use attend_data::Example;
use attend_device::{Workers, values};
use attend_model::seed_dropout;
use attend_ops::sum_of_squares;
use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};

/// A loss and its gradients.
pub(crate) struct Gradients {
    /// The loss: `[1]`, outside the autodiff graph.
    pub(crate) loss: Tensor<1>,
    /// The gradient of each weight, in the weight's shape.
    pub(crate) gradients: GradientsParams,
}

impl Gradients {
    /// Computes the gradients of a loss that `model` has computed: the backward pass.
    pub(crate) fn of(loss: Tensor<1>, model: &impl Module) -> Self {
        Self {
            loss: loss.clone().inner(),
            gradients: GradientsParams::from_grads(loss.backward(), model),
        }
    }

    /// Returns the sum of two losses of `model`, and the gradients of this sum.
    pub(crate) fn plus(self, other: Self, model: &impl Module) -> Self {
        Self {
            loss: self.loss + other.loss,
            gradients: add(model, self.gradients, other.gradients),
        }
    }

    fn on_device(self, device: &Device, model: &impl Module) -> Self {
        if self.loss.device() == *device {
            return self;
        }
        Self {
            loss: self.loss.to_device(device),
            gradients: self.gradients.to_device(device, model),
        }
    }
}

/// Divides a batch among the workers, and returns the sum of their losses and gradients, on the model's device.
///
/// The batch is cut into one part for each worker. All parts have the same size, except that the last may be smaller.
/// The parts go to the devices in turn, each with a copy of the model's weights. `gradients` is called with such a
/// copy, its device and a part. It computes the loss, summed over the examples of the part, and its gradients. `seed`
/// and the index of a part decide the part's dropout.
///
/// Burn's collective operations are not used: the backend `flex` has none, and remote devices of different servers have
/// none between them.
///
/// # Panics
///
/// Panics if the batch is empty, or there is no device.
pub(crate) fn gradients_of_batch<N: Module + Sync>(
    workers: &Workers,
    model: &N,
    devices: &[Device],
    batch: &[Example],
    seed: u64,
    gradients: impl Fn(&N, &Device, &[Example]) -> Gradients + Sync,
) -> Gradients {
    let part_size = batch.len().div_ceil(workers.count());
    let parts: Vec<_> = batch
        .chunks(part_size)
        .zip(devices.iter().cycle())
        .zip(0..)
        .collect();
    let home = devices[0].clone().without_autodiff();
    // Weights and gradients are moved between devices on the thread that computes with them, because a remote server
    // keeps operations in order only within a thread.
    let parts = workers.map(parts, |((part, device), number)| {
        // A clone would share nodes of the autodiff graph, so that workers would wait for each other.
        let fork = model.clone().fork(device);
        seed_dropout(seed ^ number);
        gradients(&fork, device, part).on_device(&home, &fork)
    });
    parts
        .into_iter()
        .reduce(|total, part| total.plus(part, model))
        .expect("a batch has at least one example")
}

/// Adds two sets of gradients of `model`, weight by weight.
fn add(model: &impl Module, left: GradientsParams, right: GradientsParams) -> GradientsParams {
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

/// Reads the loss and the global gradient norm from the device. The norm is √(Σ g²) over the gradients g of all
/// weights. Both are read at once and nothing else is read in an update, so that an update waits for the device only
/// once.
pub(crate) fn loss_and_norm(model: &impl Module, gradients: &Gradients) -> (f64, f64) {
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

/// Returns the factor that scales gradients of the global norm `norm` down to at most `max_norm` (Pascanu et al.,
/// 2013). For a norm of 2 and a maximum of 1, it is 0.5. A `max_norm` of 0 turns clipping off.
pub(crate) fn clip_factor(norm: f64, max_norm: f64) -> f64 {
    if max_norm == 0.0 || norm <= max_norm {
        1.0
    } else {
        max_norm / norm
    }
}

/// Collects the gradient of each weight as a vector.
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

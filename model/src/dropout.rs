//! Dropout (section 5.4). Each thread draws the random numbers from a generator of its own.

use std::cell::RefCell;

use attend_ops::dropout;
use burn::module::Module;
use burn::tensor::Tensor;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

thread_local! {
    static GENERATOR: RefCell<SmallRng> = RefCell::new(SmallRng::seed_from_u64(0));
}

/// Seeds the dropout of the calling thread. After the same seed, the same calls drop the same elements. Because each
/// thread has its own generator, workers that train in parallel can repeat a run exactly; the device has only one
/// generator for all threads.
pub fn seed_dropout(seed: u64) {
    GENERATOR.with_borrow_mut(|generator| *generator = SmallRng::seed_from_u64(seed));
}

/// Sets each element to 0 with a probability `p`, and multiplies the others by `1 / (1 - p)`, which keeps the expected
/// value of each element (Srivastava et al., 2014).
///
/// There is no train/eval switch: dropout is active exactly when the device has autodiff.
#[derive(Module, Debug)]
pub struct Dropout {
    probability: f64,
}

impl Dropout {
    /// Returns dropout with this probability, which must be in [0, 1).
    #[must_use]
    pub fn new(probability: f64) -> Self {
        Self { probability }
    }

    /// Applies dropout to a tensor of any shape. The output has the same shape.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        if self.probability == 0.0 || !x.device().is_autodiff() {
            return x;
        }
        let seed = GENERATOR.with_borrow_mut(SmallRng::next_u64);
        dropout(x, self.probability, seed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn drop(x: Tensor<2>, seed: u64) -> Vec<f32> {
        seed_dropout(seed);
        Dropout::new(0.3).forward(x).into_data().iter::<f32>().collect()
    }

    #[test]
    fn it_drops_the_share_asked_for_and_keeps_the_expectation() {
        let x = Tensor::<2>::ones([200, 500], &Device::default().autodiff());
        let dropped = drop(x.clone(), 1);
        let zeros = dropped.iter().filter(|value| **value == 0.0).count() as f64 / 1e5;
        // Five standard deviations of the share of 100,000 draws.
        assert!((zeros - 0.3).abs() < 5.0 * (0.3f64 * 0.7 / 1e5).sqrt(), "{zeros}");
        assert!(
            dropped
                .iter()
                .all(|value| *value == 0.0 || (value - 1.0 / 0.7).abs() < 1e-6)
        );
        assert_eq!(dropped, drop(x.clone(), 1));
        assert_ne!(dropped, drop(x, 2));
    }

    #[test]
    fn it_does_nothing_without_autodiff() {
        let x = Tensor::<2>::ones([2, 3], &Device::default());
        assert_eq!(drop(x, 1), [1.0; 6]);
    }
}

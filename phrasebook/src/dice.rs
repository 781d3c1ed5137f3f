//! Random choices by a specified generator, so that a seed gives the same corpus everywhere.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A seeded source of choices.
pub(crate) struct Dice(ChaCha8Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Draws a number from 0 to `n - 1`. The probabilities of two numbers differ by a factor of at most 1 + n / 2³².
    pub(crate) fn below(&mut self, n: usize) -> usize {
        debug_assert!(n > 0 && n <= u32::MAX as usize);
        ((u64::from(self.0.next_u32()) * n as u64) >> 32) as usize
    }

    /// Draws a number from `first` to `last`, both included.
    pub(crate) fn between(&mut self, first: u32, last: u32) -> u32 {
        first + self.below((last - first + 1) as usize) as u32
    }

    /// Draws one of the choices, all with equal probability.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    /// Draws whether an event of this probability, in percent, happens.
    pub(crate) fn percent(&mut self, probability: usize) -> bool {
        self.below(100) < probability
    }

    /// Draws one of the choices, each given behind its weight.
    pub(crate) fn weighted<T: Copy>(&mut self, choices: &[(usize, T)]) -> T {
        let mut ticket = self.below(choices.iter().map(|(weight, _)| weight).sum());
        for (weight, choice) in choices {
            if ticket < *weight {
                return *choice;
            }
            ticket -= weight;
        }
        unreachable!("a ticket is below the sum of the weights")
    }
}

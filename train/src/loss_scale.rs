//! What keeps small gradients above zero in 16-bit floats.

use serde::{Deserialize, Serialize};

/// A run's first factor, which the first updates halve as often as need be.
const FIRST: f64 = 65_536.0;
/// Updates in a row without an overflow, after which a larger factor is tried.
const PATIENCE: usize = 2_000;

/// The factor that the loss is multiplied by before its gradients are computed in 16-bit floats, whose smallest number
/// is 6e-8, and that the gradients are divided by afterwards. Where one was too large for them, the update is skipped
/// and the factor halved (Micikevicius et al., 2018, section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LossScale {
    factor: f64,
    /// Updates since the factor changed.
    updates: usize,
}

impl Default for LossScale {
    fn default() -> Self {
        Self {
            factor: FIRST,
            updates: 0,
        }
    }
}

impl LossScale {
    /// A power of two, at least 1.
    #[must_use]
    pub fn factor(self) -> f64 {
        self.factor
    }

    /// What follows an update whose gradients were finite.
    #[must_use]
    pub fn after_update(self) -> Self {
        match self.updates + 1 {
            PATIENCE => Self {
                factor: 2.0 * self.factor,
                updates: 0,
            },
            updates => Self { updates, ..self },
        }
    }

    /// What follows an update whose gradients were not finite; `None` where no smaller factor could help.
    #[must_use]
    pub fn after_overflow(self) -> Option<Self> {
        (self.factor > 1.0).then_some(Self {
            factor: self.factor / 2.0,
            updates: 0,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_halves_at_an_overflow_and_doubles_in_patience() {
        let halved = LossScale::default().after_overflow().unwrap();
        assert_eq!(halved.factor(), FIRST / 2.0);
        let waiting = (1..PATIENCE).fold(halved, |scale, _| scale.after_update());
        assert_eq!(waiting.factor(), FIRST / 2.0);
        assert_eq!(waiting.after_update().factor(), FIRST);
        let interrupted = waiting.after_overflow().unwrap().after_update();
        assert_eq!(interrupted.factor(), FIRST / 4.0);
    }

    #[test]
    fn it_ends_at_one() {
        let smallest = (0..16).try_fold(LossScale::default(), |scale, _| scale.after_overflow());
        assert_eq!(smallest.unwrap().factor(), 1.0);
        assert_eq!(smallest.unwrap().after_overflow(), None);
    }
}

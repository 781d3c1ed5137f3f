//! The loss scale, which keeps small gradients above zero in 16-bit floats.

use serde::{Deserialize, Serialize};

/// The first factor of a run. The first updates halve it as often as needed.
const FIRST: f64 = 65_536.0;
/// Number of updates in a row without an overflow after which the factor is doubled.
const PATIENCE: usize = 2_000;

/// The factor by which the loss is multiplied before its gradients are computed in 16-bit floats, whose smallest number
/// is 6·10⁻⁸. The gradients are divided by the factor afterwards. If one of them was too large for 16 bits, the update
/// is skipped and the factor halved (Micikevicius et al., 2018, section 3.2).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LossScale {
    factor: f64,
    /// Number of updates since the factor changed.
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
    /// Returns the factor, a power of two of at least 1.
    pub(crate) fn factor(self) -> f64 {
        self.factor
    }

    /// Returns the scale that follows an update whose gradients were finite.
    pub(crate) fn after_update(self) -> Self {
        match self.updates + 1 {
            PATIENCE => Self {
                factor: 2.0 * self.factor,
                updates: 0,
            },
            updates => Self { updates, ..self },
        }
    }

    /// Returns the scale that follows an update whose gradients were not finite; `None` if the factor is 1 already.
    pub(crate) fn after_overflow(self) -> Option<Self> {
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

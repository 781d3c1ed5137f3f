//! The loss scale, which keeps small gradients from being rounded to 0 in float16.

use serde::{Deserialize, Serialize};

/// The factor at the start of a run. The first updates halve it as often as needed.
const FIRST: f64 = 65_536.0;
/// The factor is doubled after this many updates in a row without an overflow.
const PATIENCE: usize = 2_000;

/// The factor by which the loss is multiplied before its gradients are computed in float16. The smallest positive
/// float16 is 6·10⁻⁸, and smaller gradients would become 0. The gradients are divided by the factor afterwards. If a
/// multiplied gradient is too large for float16, the update is skipped and the factor halved (Micikevicius et al.,
/// 2018, section 3.2).
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

    /// Returns the scale that follows an update whose gradients were not finite; `None` if the factor is 1 and cannot
    /// be halved.
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

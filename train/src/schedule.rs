//! The learning rate over the updates of a run.

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};

/// The name of a [`Schedule`] in a recipe.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, VariantNames,
)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum ScheduleKind {
    /// The schedule [`Schedule::Noam`].
    Noam,
    /// The schedule [`Schedule::InverseSquareRoot`].
    #[default]
    InverseSquareRoot,
    /// The schedule [`Schedule::Cosine`]. The rate reaches 0 at `training.updates`, so the recipe must set that limit.
    Cosine,
    /// The schedule [`Schedule::Constant`].
    Constant,
}

/// The learning rate as a function of `update`, the number of the update counted from 1. Each schedule begins with a
/// warm-up, in which the rate rises linearly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Schedule {
    /// `scale · d_model^-0.5 · min(update^-0.5, update · warmup^-1.5)` (Vaswani et al., 2017, equation 3). The rate is
    /// highest at the end of the warm-up: `scale / √(d_model · warmup)`.
    Noam {
        /// The factor. Vaswani et al. have 1.
        scale: f64,
        /// Width of the model.
        d_model: usize,
        /// Number of updates in the warm-up.
        warmup: usize,
    },
    /// `peak · min(update / warmup, √(warmup / update))`: the schedule of Vaswani et al. (2017), scaled so that its
    /// highest rate is `peak`.
    InverseSquareRoot {
        /// Learning rate at the end of the warm-up.
        peak: f64,
        /// Number of updates in the warm-up.
        warmup: usize,
    },
    /// `peak · update / warmup` during the warm-up, and then
    /// `peak · (1 + cos(π · (update - warmup) / (updates - warmup))) / 2`, which falls from `peak` to 0 at the last
    /// update (Loshchilov and Hutter, 2017).
    Cosine {
        /// Learning rate at the end of the warm-up.
        peak: f64,
        /// Number of updates in the warm-up.
        warmup: usize,
        /// Number of updates of the whole run.
        updates: usize,
    },
    /// `peak · min(update / warmup, 1)`: `peak` from the end of the warm-up on.
    Constant {
        /// Learning rate at the end of the warm-up.
        peak: f64,
        /// Number of updates in the warm-up.
        warmup: usize,
    },
}

impl Schedule {
    /// Returns the learning rate of an update, counted from 1.
    ///
    /// ```
    /// use attend_train::Schedule;
    ///
    /// let schedule = Schedule::InverseSquareRoot { peak: 0.001, warmup: 100 };
    /// assert_eq!(schedule.learning_rate(50), 0.0005);
    /// assert_eq!(schedule.learning_rate(400), 0.0005);
    /// ```
    #[must_use]
    pub fn learning_rate(&self, update: usize) -> f64 {
        let step = update as f64;
        match *self {
            Self::Noam {
                scale,
                d_model,
                warmup,
            } => {
                let rising = step * (warmup as f64).powf(-1.5);
                scale * (d_model as f64).powf(-0.5) * step.powf(-0.5).min(rising)
            }
            Self::InverseSquareRoot { peak, warmup } => {
                let warmup = warmup as f64;
                peak * (step / warmup).min((warmup / step).sqrt())
            }
            Self::Cosine { peak, warmup, .. } if update <= warmup => peak * step / warmup as f64,
            Self::Cosine {
                peak,
                warmup,
                updates,
            } => {
                let done = (update - warmup) as f64 / updates.saturating_sub(warmup).max(1) as f64;
                peak * 0.5 * (1.0 + (PI * done.min(1.0)).cos())
            }
            Self::Constant { peak, warmup } => peak * (step / warmup as f64).min(1.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// lrate = d_model^-0.5 · min(step^-0.5, step · warmup^-1.5), whose highest value is (d_model · warmup)^-0.5.
    #[test]
    fn noam_and_the_inverse_square_root_are_the_papers_schedule() {
        // The formula worked out for d_model = 512 and 4000 updates of warm-up.
        let figures = [
            (1, 1.746_928_107_421_711e-7),
            (100, 1.746_928_107_421_711e-5),
            (4_000, 6.987_712_429_686_843e-4),
            (16_000, 3.493_856_214_843_421_4e-4),
            (100_000, 1.397_542_485_937_368_7e-4),
        ];
        let noam = Schedule::Noam {
            scale: 2.0,
            d_model: 512,
            warmup: 4_000,
        };
        let inverse_square_root = Schedule::InverseSquareRoot {
            peak: 6.987_712_429_686_843e-4,
            warmup: 4_000,
        };
        for (update, rate) in figures {
            assert!(
                (noam.learning_rate(update) / (2.0 * rate) - 1.0).abs() < 1e-12,
                "{update}"
            );
            assert!(
                (inverse_square_root.learning_rate(update) / rate - 1.0).abs() < 1e-12,
                "{update}"
            );
        }
    }

    #[test]
    fn cosine_rises_to_its_peak_and_ends_at_zero() {
        let schedule = Schedule::Cosine {
            peak: 0.4,
            warmup: 10,
            updates: 110,
        };
        // cos(π/3) = 1/2, cos(π/2) = 0, cos(2π/3) = -1/2.
        let figures = [(1, 0.04), (5, 0.2), (10, 0.4), (60, 0.2), (110, 0.0), (200, 0.0)];
        for (update, rate) in figures {
            assert!((schedule.learning_rate(update) - rate).abs() < 1e-15, "{update}");
        }
        let thirds = Schedule::Cosine {
            peak: 0.4,
            warmup: 1,
            updates: 301,
        };
        assert!((thirds.learning_rate(101) - 0.3).abs() < 1e-15);
        assert!((thirds.learning_rate(201) - 0.1).abs() < 1e-15);
    }

    #[test]
    fn constant_stays_at_its_peak() {
        let schedule = Schedule::Constant { peak: 0.4, warmup: 4 };
        let rates: Vec<f64> = [1, 2, 4, 5, 1_000_000]
            .map(|update| schedule.learning_rate(update))
            .into();
        assert_eq!(rates, [0.1, 0.2, 0.4, 0.4, 0.4]);
    }
}

//! Leaving out examples that would harm or break training.

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::batch::Example;

/// Which examples to keep. Lengths are in tokens, with the final `</s>`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Filter {
    /// The most tokens on either side.
    pub max_length: usize,
    /// The most times that one side may be longer than the other; `None` for no limit.
    pub max_ratio: Option<f32>,
}

/// How many examples a [`Filter`] kept, and how many it dropped for which reason. An example counts once, under the
/// first reason that applies, in the order of the fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilterReport {
    /// Kept.
    pub kept: usize,
    /// Dropped because a side has no token but `</s>`.
    pub empty: usize,
    /// Dropped because a side is longer than [`Filter::max_length`].
    pub too_long: usize,
    /// Dropped because the lengths differ by more than [`Filter::max_ratio`].
    pub ratio: usize,
}

impl Filter {
    /// Splits off what is not worth training on: returns the examples kept, in their order, and the report to show.
    #[must_use]
    pub fn apply(&self, examples: Vec<Example>) -> (Vec<Example>, FilterReport) {
        let mut report = FilterReport::default();
        let kept = examples
            .into_iter()
            .filter(|example| {
                let longer = example.longest_side();
                let shorter = example.source.len().min(example.target.len());
                let ratio = longer as f32 / shorter as f32;
                let (count, keep) = if shorter <= 1 {
                    (&mut report.empty, false)
                } else if longer > self.max_length {
                    (&mut report.too_long, false)
                } else if self.max_ratio.is_some_and(|limit| ratio > limit) {
                    (&mut report.ratio, false)
                } else {
                    (&mut report.kept, true)
                };
                *count += 1;
                keep
            })
            .collect();
        (kept, report)
    }
}

impl FilterReport {
    /// The number of examples that were dropped.
    #[must_use]
    pub fn dropped(&self) -> usize {
        self.empty + self.too_long + self.ratio
    }
}

impl AddAssign for FilterReport {
    fn add_assign(&mut self, other: Self) {
        self.kept += other.kept;
        self.empty += other.empty;
        self.too_long += other.too_long;
        self.ratio += other.ratio;
    }
}

//! Dropping examples whose lengths in tokens would harm training or make it fail.

#[cfg(test)]
mod tests;

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::batch::Example;

/// The rules by which examples are dropped for the lengths of their two sides. Lengths are numbers of tokens, `</s>`
/// included. An example is always dropped if one of its sides consists of `</s>` alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Filter {
    /// The maximum number of tokens in a side.
    pub max_length: usize,
    /// The maximum ratio of the longer side to the shorter one; `None` for no limit.
    pub max_ratio: Option<f32>,
}

/// The number of examples that a [`Filter`] has kept, and the numbers of examples that it has dropped for each reason.
/// An example that could be dropped for several reasons counts for the first one, in the order of the fields. The
/// manifest of a prepared folder holds these numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FilterCounts {
    /// Examples kept.
    pub(crate) kept: usize,
    /// Examples dropped because a side consists of `</s>` alone.
    pub(crate) empty: usize,
    /// Examples dropped because a side is longer than [`Filter::max_length`].
    pub(crate) too_long: usize,
    /// Examples dropped because the ratio of their lengths is above [`Filter::max_ratio`].
    pub(crate) ratio: usize,
}

impl Filter {
    /// Returns the examples to keep, in their order, and the numbers of examples that were kept and dropped.
    pub(crate) fn apply(&self, examples: Vec<Example>) -> (Vec<Example>, FilterCounts) {
        let mut counts = FilterCounts::default();
        let kept = examples
            .into_iter()
            .filter(|example| {
                let longer = example.longest_side();
                let shorter = example.source.len().min(example.target.len());
                let ratio = longer as f32 / shorter as f32;
                let (count, keep) = if shorter <= 1 {
                    (&mut counts.empty, false)
                } else if longer > self.max_length {
                    (&mut counts.too_long, false)
                } else if self.max_ratio.is_some_and(|limit| ratio > limit) {
                    (&mut counts.ratio, false)
                } else {
                    (&mut counts.kept, true)
                };
                *count += 1;
                keep
            })
            .collect();
        (kept, counts)
    }
}

impl FilterCounts {
    /// Returns the number of examples that were kept or dropped.
    pub(crate) fn read(&self) -> usize {
        self.kept + self.empty + self.too_long + self.ratio
    }
}

impl AddAssign for FilterCounts {
    fn add_assign(&mut self, other: Self) {
        self.kept += other.kept;
        self.empty += other.empty;
        self.too_long += other.too_long;
        self.ratio += other.ratio;
    }
}

//! Dropping examples whose lengths in tokens would harm or break training.

#[cfg(test)]
mod tests;

use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use crate::batch::Example;

/// Which examples to keep, judged by the lengths of their sides in tokens, the final `</s>` included. An example of
/// which a side has no token but `</s>` is always dropped.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Filter {
    /// The most tokens that a side may have.
    pub max_length: usize,
    /// The most times that a side may be as long as the other; `None` for no limit.
    pub max_ratio: Option<f32>,
}

/// How many examples a [`Filter`] has kept, and how many it has dropped for which reason. An example counts once, under
/// the first reason that applies, in the order of the fields. The manifest of a prepared folder holds these numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FilterCounts {
    /// Examples kept.
    pub(crate) kept: usize,
    /// Examples dropped because a side has no token but `</s>`.
    pub(crate) empty: usize,
    /// Examples dropped because a side is longer than [`Filter::max_length`].
    pub(crate) too_long: usize,
    /// Examples dropped because the lengths differ by more than [`Filter::max_ratio`].
    pub(crate) ratio: usize,
}

impl Filter {
    /// Returns the examples to keep, in their order, and how many were dropped.
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
    /// Returns the number of examples that were judged.
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

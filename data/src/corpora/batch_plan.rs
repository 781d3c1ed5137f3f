//! Dividing an epoch into batches under a budget of tokens.

use std::ops::Range;

use rand_chacha::rand_core::Rng;

use crate::batch::Lengths;
use crate::corpora::random::batch_random;

/// The batches of an epoch in their order. Each batch is a list of the indices of its examples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchPlan {
    /// The indices of the examples of all batches.
    examples: Vec<u32>,
    /// The range of each batch in `examples`.
    batches: Vec<Range<u32>>,
}

impl BatchPlan {
    /// Divides the examples of an epoch into batches. Each example is given as its index and its lengths. An example
    /// that is passed n times appears n times in the batches.
    ///
    /// A batch satisfies `rows × longest side ≤ max_tokens`. The longest side is the number of tokens in the longest
    /// source or target sentence of the batch. An example that is longer than `max_tokens` is a batch by itself.
    /// Examples of similar lengths share a batch, so that a batch has little padding (Vaswani et al., 2017, section
    /// 5.1).
    ///
    /// `seed` and `epoch` decide the order of examples of equal lengths and the order of the batches. The order is the
    /// same on every platform.
    ///
    /// The maximum number of examples is `u32::MAX`. Planning takes 24 bytes of memory for each example, and the plan 4
    /// bytes.
    #[must_use]
    pub fn new(
        examples: impl IntoIterator<Item = (u32, Lengths)>,
        max_tokens: usize,
        seed: u64,
        epoch: u64,
    ) -> Self {
        let mut random = batch_random(seed, epoch);
        let mut by_length: Vec<(u32, u32, u32, u64, u32)> = examples
            .into_iter()
            .map(|(number, Lengths { source, target })| {
                (source.max(target), source, target, random.next_u64(), number)
            })
            .collect();
        by_length.sort_unstable();

        let mut batches: Vec<Range<u32>> = Vec::new();
        let mut start = 0;
        for (end, (longest, ..)) in (0..).zip(&by_length) {
            if end > start && (end - start + 1) as usize * *longest as usize > max_tokens {
                batches.push(start..end);
                start = end;
            }
        }
        if !by_length.is_empty() {
            batches.push(start..by_length.len() as u32);
        }

        // The batches are sorted by random keys, because the order of a library's `shuffle` may change with its
        // release.
        let mut shuffled: Vec<(u64, Range<u32>)> = batches
            .into_iter()
            .map(|batch| (random.next_u64(), batch))
            .collect();
        shuffled.sort_unstable_by_key(|(key, batch)| (*key, batch.start));
        Self {
            examples: by_length.into_iter().map(|(.., number)| number).collect(),
            batches: shuffled.into_iter().map(|(_, batch)| batch).collect(),
        }
    }

    /// Returns the number of batches.
    #[must_use]
    pub fn len(&self) -> usize {
        self.batches.len()
    }

    /// Returns whether there is no batch.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Returns the indices of the examples of the batch at `index`; `None` if `index` is not below [`BatchPlan::len`].
    #[must_use]
    pub fn batch(&self, index: usize) -> Option<&[u32]> {
        let Range { start, end } = self.batches.get(index)?.clone();
        Some(&self.examples[start as usize..end as usize])
    }

    /// Returns the batches in their order.
    pub fn iter(&self) -> impl Iterator<Item = &[u32]> {
        (0..self.len()).filter_map(|index| self.batch(index))
    }
}

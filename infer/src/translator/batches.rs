//! Work on many sentences, shared by workers.

use std::cmp::Reverse;

use super::Translator;

/// The most hypotheses that are decoded side by side, unless a single sentence has more. Each takes memory.
const MAX_ROWS: usize = 1_000;

/// The number of lines that a worker encodes at a time.
const ENCODED_TOGETHER: usize = 64;

/// The most that a batch holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum BatchLimit {
    /// A number of tokens, those of sources and targets together.
    Tokens(usize),
    /// A number of sentences.
    Sentences(usize),
}

/// A sentence that is to be put into a batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    /// The place of the sentence among all sentences of the call.
    pub(super) place: usize,
    /// The number of tokens of the source, `</s>` not counted.
    pub(super) source: usize,
    /// The most tokens of the target, `</s>` not counted.
    pub(super) target: usize,
}

impl BatchLimit {
    /// Divides items into batches, and returns the places of each batch's items. An item takes `rows_per_item` rows of a
    /// decoder.
    ///
    /// Sentences of similar lengths share a batch, so that little of it is padding; the longest come first, so that
    /// `workers` end at about the same time.
    pub(super) fn plan(self, mut items: Vec<Item>, rows_per_item: usize, workers: usize) -> Vec<Vec<usize>> {
        items.sort_by_key(|item| Reverse(item.source));
        let mut rest = items.as_slice();
        let sizes = self.sizes(rest, rows_per_item, workers);
        sizes
            .into_iter()
            .map(|size| {
                let (batch, others) = rest.split_at(size);
                rest = others;
                batch.iter().map(|item| item.place).collect()
            })
            .collect()
    }

    /// Returns the size of each batch of items, which are sorted by their sources, the longest first. If there are few
    /// items, every worker gets some.
    fn sizes(self, items: &[Item], rows_per_item: usize, workers: usize) -> Vec<usize> {
        let share = items.len().div_ceil(workers);
        let mut sizes = Vec::new();
        let mut start = 0;
        while let Some(item) = items.get(start) {
            let most = match self {
                Self::Sentences(sentences) => sentences,
                // With the </s> of the one and the <s> of the other.
                Self::Tokens(tokens) => tokens / (item.source + 1 + item.target + 1),
            };
            let most = most.min(MAX_ROWS / rows_per_item);
            let size = most.min(share).clamp(1, items.len() - start);
            sizes.push(size);
            start += size;
        }
        sizes
    }
}

impl Translator {
    /// Does `work` on each batch, which is the places of its items. `work` returns a result for each item of the batch.
    /// Returns the results of all items, in the order of their places.
    pub(super) fn in_batches<R: Send>(
        &self,
        batches: &[Vec<usize>],
        work: impl Fn(&[usize]) -> Vec<R> + Sync,
    ) -> Vec<R> {
        let found = self.workers.map(batches, |batch| {
            let results = work(batch);
            if let Some(observer) = &self.observer {
                (observer.0)(batch.len());
            }
            results
        });
        let mut results: Vec<(usize, R)> = batches
            .iter()
            .zip(found)
            .flat_map(|(batch, results)| batch.iter().copied().zip(results))
            .collect();
        results.sort_unstable_by_key(|(place, _)| *place);
        results.into_iter().map(|(_, result)| result).collect()
    }

    /// Does `work` on each line, and returns the results in order.
    pub(super) fn for_each<L: Sync, R: Send>(&self, lines: &[L], work: impl Fn(&L) -> R + Sync) -> Vec<R> {
        let chunks = self.workers.map(lines.chunks(ENCODED_TOGETHER), |lines| {
            lines.iter().map(&work).collect::<Vec<_>>()
        });
        chunks.into_iter().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_tokens_and_leave_no_worker_idle() {
        let items = |lengths: &[[usize; 2]]| -> Vec<Item> {
            let item = |(place, &[source, target]): (usize, &[usize; 2])| Item {
                place,
                source,
                target,
            };
            lengths.iter().enumerate().map(item).collect()
        };
        let sizes =
            |limit: BatchLimit, lengths: &[[usize; 2]], workers| limit.sizes(&items(lengths), 1, workers);
        // A sentence of 9 tokens takes 10, and its translation 60; one of 200 takes 201 and 256.
        let mixed = [[200, 255]].into_iter().chain([[9, 59]; 7]).collect::<Vec<_>>();
        let tokens = BatchLimit::Tokens;
        assert_eq!(sizes(tokens(140), &[[9, 59]; 5], 1), [2, 2, 1]);
        assert_eq!(sizes(tokens(139), &[[9, 59]; 3], 1), [1, 1, 1]);
        assert_eq!(sizes(tokens(457), &mixed, 1), [1, 6, 1]);
        assert_eq!(sizes(tokens(1), &[[9, 59]; 2], 1), [1, 1]);
        assert_eq!(sizes(tokens(10_000), &[[9, 59]; 7], 1), [7]);
        assert_eq!(sizes(tokens(10_000), &[[9, 59]; 7], 2), [4, 3]);
        assert_eq!(sizes(tokens(10_000), &[[9, 59]; 2], 4), [1, 1]);
        assert!(sizes(tokens(10_000), &[], 2).is_empty());
        assert_eq!(sizes(BatchLimit::Sentences(3), &[[200, 255]; 4], 1), [3, 1]);

        let plan = tokens(457).plan(items(&[[9, 59], [200, 255], [9, 59], [30, 59]]), 1, 1);
        assert_eq!(plan, [vec![1], vec![3, 0, 2]]);
    }
}

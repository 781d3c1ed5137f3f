//! Batches of sentences, and their division among workers.

use std::cmp::Reverse;

use attend_device::Workers;

use super::Translator;

/// The maximum number of rows of a decoder in a batch, one for each hypothesis that is decoded side by side; each takes
/// memory. A single sentence has no more than this, since [`MAX_BEAM_SIZE`](crate::search::MAX_BEAM_SIZE) is as large.
const MAX_ROWS: usize = 1_000;

/// The number of lines that a worker encodes into tokens at a time.
const ENCODED_TOGETHER: usize = 64;

/// The limit of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BatchLimit {
    /// The maximum number of tokens of sources and targets together, with padding.
    Tokens(usize),
    /// The maximum number of sentences.
    Sentences(usize),
}

/// A sentence that will be put into a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    /// The index of the sentence among all sentences of the call.
    pub(crate) place: usize,
    /// The number of tokens of the source, `</s>` not counted.
    pub(crate) source: usize,
    /// The maximum number of tokens of the target, `</s>` not counted.
    pub(crate) target: usize,
}

impl BatchLimit {
    /// Divides items into batches. Returns the indices (see [`Item`]) of each batch's items. An item takes
    /// `rows_per_item` rows of a decoder.
    ///
    /// Sentences of similar lengths share a batch, so that little of it is padding. The longest sentences come first,
    /// so that all `workers` end at about the same time.
    pub(crate) fn plan(self, mut items: Vec<Item>, rows_per_item: usize, workers: usize) -> Vec<Vec<usize>> {
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

    /// Returns the maximum number of items in a batch of which `longest` is the item with the longest source. It is 0 if
    /// the limit has no room for that item.
    pub(crate) fn most(self, longest: &Item, rows_per_item: usize) -> usize {
        let most = match self {
            Self::Sentences(sentences) => sentences,
            // The source has a </s>, and the target a <s>.
            Self::Tokens(tokens) => tokens / (longest.source + 1 + longest.target + 1),
        };
        most.min(MAX_ROWS / rows_per_item)
    }

    /// Returns the number of items of each batch. The items are sorted by the lengths of their sources, the longest
    /// first. Few items are divided among all workers, even if one batch could hold them.
    fn sizes(self, items: &[Item], rows_per_item: usize, workers: usize) -> Vec<usize> {
        let share = items.len().div_ceil(workers);
        let mut sizes = Vec::new();
        let mut start = 0;
        while let Some(item) = items.get(start) {
            let size = self
                .most(item, rows_per_item)
                .min(share)
                .clamp(1, items.len() - start);
            sizes.push(size);
            start += size;
        }
        sizes
    }
}

impl Translator {
    /// Calls `work` with each batch on the workers. A batch is the indices of its items, and `work` returns a result
    /// for each item. Returns the results of all items, in the order of their indices.
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
        in_order(batches, found)
    }

    /// Calls `work` with each line on the workers. Returns the results in the order of the lines.
    pub(super) fn for_each<L: Sync, R: Send>(&self, lines: &[L], work: impl Fn(&L) -> R + Sync) -> Vec<R> {
        for_each(&self.workers, lines, work)
    }
}

/// Calls `work` with each line on the workers. Returns the results in the order of the lines.
pub(crate) fn for_each<L: Sync, R: Send>(
    workers: &Workers,
    lines: &[L],
    work: impl Fn(&L) -> R + Sync,
) -> Vec<R> {
    let chunks = workers.map(lines.chunks(ENCODED_TOGETHER), |lines| {
        lines.iter().map(&work).collect::<Vec<_>>()
    });
    chunks.into_iter().flatten().collect()
}

/// Returns the results of all batches in the order of their items. A batch is the indices of its items, and `results`
/// has a list for each batch with a result for each item.
pub(crate) fn in_order<R>(batches: &[Vec<usize>], results: Vec<Vec<R>>) -> Vec<R> {
    let mut results: Vec<(usize, R)> = batches
        .iter()
        .zip(results)
        .flat_map(|(batch, results)| batch.iter().copied().zip(results))
        .collect();
    results.sort_unstable_by_key(|(place, _)| *place);
    results.into_iter().map(|(_, result)| result).collect()
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

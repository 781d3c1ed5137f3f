//! Work on many sentences, shared by workers.

use std::cmp::Reverse;

use super::Translator;
use crate::error::InferError;
use crate::workers::Workers;

/// Most hypotheses that are decoded side by side, where a sentence alone has not more: each takes memory.
const MAX_ROWS: usize = 1_000;

/// Lines that a worker encodes at a time.
const ENCODED_TOGETHER: usize = 64;

/// What a batch may hold.
#[derive(Clone, Copy, Debug)]
pub(super) enum BatchLimit {
    Tokens(usize),
    Sentences(usize),
}

impl Translator {
    /// Does `work` on batches of `items`, and returns what it finds for each, in order. An item takes so many rows of a
    /// decoder; `lengths` are its numbers of source and target tokens. Where it has more source tokens than another, it
    /// must have as many target tokens at least.
    pub(super) fn in_batches<T: Sync, R: Send>(
        &self,
        workers: &Workers,
        items: &[T],
        rows_per_item: usize,
        lengths: impl Fn(&T) -> [usize; 2],
        work: impl Fn(&[&T]) -> Result<Vec<R>, InferError> + Sync,
    ) -> Result<Vec<R>, InferError> {
        // Sentences of similar lengths share a batch, so that little of it is padding; the longest first, so that
        // workers end at about the same time.
        let mut order: Vec<(usize, [usize; 2])> = items.iter().map(lengths).enumerate().collect();
        order.sort_by_key(|&(_, [source, _])| Reverse(source));
        let (order, lengths): (Vec<usize>, Vec<[usize; 2]>) = order.into_iter().unzip();
        let sizes = self.batch_sizes(&lengths, rows_per_item, workers.count());
        let mut rest = order.as_slice();
        let batches: Vec<&[usize]> = sizes
            .iter()
            .map(|&size| rest.split_off(..size).expect("as many"))
            .collect();
        let found = workers.map(&batches, |batch| {
            let batch: Vec<&T> = batch.iter().map(|&item| &items[item]).collect();
            work(&batch)
        });
        let mut results = Vec::with_capacity(items.len());
        for (batch, found) in batches.iter().zip(found) {
            results.extend(batch.iter().zip(found?));
        }
        results.sort_unstable_by_key(|(item, _)| **item);
        Ok(results.into_iter().map(|(_, result)| result).collect())
    }

    /// How many items each batch takes of some that have so many source and, at most, target tokens, the longest first.
    /// Where they are few, all workers get some.
    fn batch_sizes(&self, lengths: &[[usize; 2]], rows_per_item: usize, workers: usize) -> Vec<usize> {
        let share = lengths.len().div_ceil(workers);
        let mut sizes = Vec::new();
        let mut start = 0;
        while let Some([source, target]) = lengths.get(start) {
            let most = match self.batch_limit {
                BatchLimit::Sentences(sentences) => sentences,
                // With the </s> of the one and the <s> of the other.
                BatchLimit::Tokens(tokens) => tokens / (source + 1 + target + 1),
            };
            let most = most.min(MAX_ROWS / rows_per_item);
            let size = most.min(share).clamp(1, lengths.len() - start);
            sizes.push(size);
            start += size;
        }
        sizes
    }
}

/// Does `work` on each line, in order.
pub(super) fn for_each<L: Sync, R: Send>(
    workers: &Workers,
    lines: &[L],
    work: impl Fn(&L) -> Result<R, InferError> + Sync,
) -> Result<Vec<R>, InferError> {
    let chunks = workers.map(lines.chunks(ENCODED_TOGETHER), |lines| {
        lines.iter().map(&work).collect::<Vec<_>>()
    });
    chunks.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use attend_data::Tokenizer;
    use attend_model::{Transformer, TransformerConfig};

    use super::*;
    use crate::model_folder::ModelFolder;
    use crate::search::SearchOptions;

    #[test]
    fn batches_hold_tokens_and_leave_no_worker_idle() {
        let tokenizer = Tokenizer::train_whitespace(["a b c"].iter(), None).unwrap();
        let config = TransformerConfig::tiny(tokenizer.vocab_size());
        let translator = Translator::new(ModelFolder {
            model: Transformer::new(&config, &crate::device::auto().unwrap().device).unwrap(),
            config,
            tokenizer,
            generation: SearchOptions::default(),
        });
        // A sentence of 9 tokens takes 10, and its translation 60; one of 200 takes 201 and 256.
        let mixed = [[200, 255]].into_iter().chain([[9, 59]; 7]).collect::<Vec<_>>();
        let tokens = |tokens| translator.clone().with_batch_tokens(tokens);
        assert_eq!(tokens(140).batch_sizes(&[[9, 59]; 5], 1, 1), [2, 2, 1]);
        assert_eq!(tokens(139).batch_sizes(&[[9, 59]; 3], 1, 1), [1, 1, 1]);
        assert_eq!(tokens(457).batch_sizes(&mixed, 1, 1), [1, 6, 1]);
        assert_eq!(tokens(1).batch_sizes(&[[9, 59]; 2], 1, 1), [1, 1]);
        assert_eq!(tokens(10_000).batch_sizes(&[[9, 59]; 7], 1, 1), [7]);
        assert_eq!(tokens(10_000).batch_sizes(&[[9, 59]; 7], 1, 2), [4, 3]);
        assert_eq!(tokens(10_000).batch_sizes(&[[9, 59]; 2], 1, 4), [1, 1]);
        assert!(tokens(10_000).batch_sizes(&[], 1, 2).is_empty());
        let sentences = |sentences| translator.clone().with_batch_size(sentences);
        assert_eq!(sentences(3).batch_sizes(&[[200, 255]; 4], 1, 1), [3, 1]);
        assert_eq!(sentences(0).batch_sizes(&[[9, 59]; 2], 1, 1), [1, 1]);
    }
}

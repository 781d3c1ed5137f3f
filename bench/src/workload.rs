//! What both sides train on: batches of random tokens, with sentences as long as those of Multi30k.

use attend_data::batch::{Example, plan_batches};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

/// Distinct tokens, about those of Multi30k's published dictionary.
pub(crate) const VOCAB_SIZE: usize = 10_000;
/// The number of special tokens: `<pad>`, `<s>`, `</s>` and `<unk>`.
pub(crate) const SPECIAL_TOKENS: usize = 4;
/// The id of `<s>`.
pub(crate) const BEGIN: u32 = 1;
/// The id of `</s>`.
const END: u32 = 2;
/// Sentence pairs that the batches are made of, as many as Multi30k has.
const PAIRS: usize = 29_000;

/// A file of batches.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Workload {
    pub(crate) vocab_size: usize,
    pub(crate) batches: Vec<WorkBatch>,
}

/// Token ids, a sentence a row, each ending with `</s>`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WorkBatch {
    source: Vec<Vec<u32>>,
    target: Vec<Vec<u32>>,
}

impl Workload {
    /// The first `count` batches of as many epochs as that takes, each of at most `batch_tokens` tokens a side.
    pub(crate) fn generate(count: usize, batch_tokens: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let examples: Vec<Example> = (0..PAIRS).map(|_| pair(&mut random, VOCAB_SIZE)).collect();
        let epochs = (0..).map(|epoch| {
            let lengths = (0..).zip(examples.iter().map(Example::lengths));
            plan_batches(lengths, batch_tokens, 1, epoch)
        });
        let batches = epochs.flat_map(|plan| {
            let batch = |numbers: &[u32]| {
                let examples = || numbers.iter().map(|&number| &examples[number as usize]);
                WorkBatch {
                    source: examples().map(|example| example.source.clone()).collect(),
                    target: examples().map(|example| example.target.clone()).collect(),
                }
            };
            plan.iter().map(batch).collect::<Vec<_>>()
        });
        Self {
            vocab_size: VOCAB_SIZE,
            batches: batches.take(count).collect(),
        }
    }
}

impl WorkBatch {
    /// Returns the batch as a training step takes it.
    pub(crate) fn examples(self) -> Vec<Example> {
        let rows = self.source.into_iter().zip(self.target);
        rows.map(|(source, target)| Example { source, target }).collect()
    }
}

/// The words of a source, 5 at least and `4 + sides` on average, and of a target that is up to a quarter longer or
/// shorter.
pub(crate) fn pair_lengths(random: &mut ChaCha8Rng, sides: u32) -> [u32; 2] {
    let mut below = |limit: u32| random.next_u32() % limit;
    // The sum of two dice has a mode in the middle, as sentence lengths have.
    let source = 5 + below(sides) + below(sides);
    let target = source - source / 4 + below(source / 2 + 1);
    [source, target]
}

/// A source of 5 to 25 words and its target.
pub(crate) fn pair(random: &mut ChaCha8Rng, vocab_size: usize) -> Example {
    let [source_length, target_length] = pair_lengths(random, 11);
    let mut sentence = |length: u32| {
        let words = vocab_size - SPECIAL_TOKENS;
        let word = |_| SPECIAL_TOKENS as u32 + random.next_u32() % words as u32;
        (0..length).map(word).chain([END]).collect()
    };
    Example {
        source: sentence(source_length),
        target: sentence(target_length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_as_many_batches_as_asked_for() {
        // An epoch has fewer than ten of these, and more than a hundred of those.
        for (count, batch_tokens) in [(40, 1 << 16), (500, 4096), (7, 4096)] {
            let batches = Workload::generate(count, batch_tokens).batches;
            assert_eq!(batches.len(), count);
            assert!(
                batches
                    .iter()
                    .all(|batch| !batch.source.is_empty() && batch.source.len() == batch.target.len())
            );
        }
    }
}

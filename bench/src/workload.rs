//! What both sides train on: batches of random tokens, with sentences as long as those of Multi30k.

use attend_data::batch::{Example, plan_batches};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::size::SPECIAL_TOKENS;

/// Distinct tokens, about those of Multi30k's published dictionary.
pub(crate) const VOCAB_SIZE: usize = 10_000;
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
    /// The first `count` batches of an epoch, each of at most `batch_tokens` tokens a side.
    pub(crate) fn generate(count: usize, batch_tokens: usize) -> Self {
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let examples: Vec<Example> = (0..PAIRS).map(|_| pair(&mut random)).collect();
        let lengths = (0..).zip(examples.iter().map(Example::lengths));
        let plan = plan_batches(lengths, batch_tokens, 1, 0);
        let batches = plan.iter().take(count).map(|batch| {
            let examples = || batch.iter().map(|&number| &examples[number as usize]);
            WorkBatch {
                source: examples().map(|example| example.source.clone()).collect(),
                target: examples().map(|example| example.target.clone()).collect(),
            }
        });
        Self {
            vocab_size: VOCAB_SIZE,
            batches: batches.collect(),
        }
    }
}

impl WorkBatch {
    /// As the trainer takes it.
    pub(crate) fn examples(self) -> Vec<Example> {
        let rows = self.source.into_iter().zip(self.target);
        rows.map(|(source, target)| Example { source, target }).collect()
    }
}

/// A source of 5 to 25 words, 15 on average, and a target that is up to a quarter longer or shorter.
fn pair(random: &mut ChaCha8Rng) -> Example {
    let mut below = |limit: u32| random.next_u32() % limit;
    // The sum of two dice has a mode in the middle, as sentence lengths have.
    let source_length = 5 + below(11) + below(11);
    let target_length = source_length - source_length / 4 + below(source_length / 2 + 1);
    let mut sentence = |length: u32| {
        let words = VOCAB_SIZE - SPECIAL_TOKENS;
        let word = |_| SPECIAL_TOKENS as u32 + below(words as u32);
        (0..length).map(word).chain([END]).collect()
    };
    Example {
        source: sentence(source_length),
        target: sentence(target_length),
    }
}

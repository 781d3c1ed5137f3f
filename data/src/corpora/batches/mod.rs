//! The endless sequence of a run's batches.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::batch::Example;
use crate::corpora::batch_plan::BatchPlan;
use crate::corpora::mixture::Mixture;
use crate::corpora::random::dropout_random;
use crate::tokenizer::Tokenizer;

/// How far a run has come through its data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The index of the epoch, counted from 0. An epoch is a pass through the training data.
    pub epoch: u64,
    /// The number of batches of this epoch that have been taken.
    pub batch: usize,
}

/// BPE-dropout: [`Tokenizer::encode_with_dropout`] cuts each sentence into tokens anew whenever it is trained on.
#[derive(Clone, Debug)]
pub struct BpeDropout {
    /// The tokenizer that encoded the sentences.
    pub tokenizer: Tokenizer,
    /// The probability, in [0, 1], with which each applicable merge is skipped.
    pub probability: f64,
    /// The maximum number of tokens in a sentence, `</s>` included. A sentence that would become longer is encoded
    /// without dropout.
    pub max_length: usize,
}

impl BpeDropout {
    /// Cuts an example anew. `index` is the index of the example in the epoch, which decides the random numbers.
    fn cut(&self, example: Example, seed: u64, epoch: u64, index: u64) -> Example {
        let mut random = dropout_random(seed, epoch, index);
        let mut cut_side = |ids: Vec<u32>| {
            let text = self.tokenizer.decode(&ids);
            let mut cut = self
                .tokenizer
                .encode_with_dropout(&text, self.probability, &mut random);
            cut.push(self.tokenizer.eos_id());
            if cut.len() <= self.max_length { cut } else { ids }
        };
        Example {
            source: cut_side(example.source),
            target: cut_side(example.target),
        }
    }
}

/// The endless sequence of batches that a run trains on, epoch after epoch.
///
/// The batches of an epoch depend only on the examples, the maximum number of tokens in a batch, the seed and the
/// epoch. So a run that goes on from a [`Position`] takes the batches that it would have taken without the stop.
#[derive(Clone, Debug)]
pub struct Batches {
    examples: Arc<Mixture>,
    bpe_dropout: Option<BpeDropout>,
    max_tokens: usize,
    seed: u64,
    position: Position,
    /// The batches of the epoch at `position`.
    plan: BatchPlan,
}

impl Batches {
    /// Begins at `position`. A batch satisfies `rows × longest side ≤ max_tokens`; see [`BatchPlan::new`].
    ///
    /// # Panics
    /// Panics if `examples` is empty.
    #[must_use]
    pub fn starting_at(examples: Arc<Mixture>, max_tokens: usize, seed: u64, position: Position) -> Self {
        assert!(!examples.is_empty(), "batches are made of examples");
        Self {
            plan: plan(&examples, max_tokens, seed, position.epoch),
            examples,
            bpe_dropout: None,
            max_tokens,
            seed,
            position,
        }
    }

    /// Cuts each sentence anew by BPE-dropout whenever it is taken. The batches are still planned by the lengths
    /// without dropout, so that a batch may have more tokens than `max_tokens`.
    #[must_use]
    pub fn with_bpe_dropout(self, dropout: BpeDropout) -> Self {
        Self {
            bpe_dropout: Some(dropout),
            ..self
        }
    }

    /// Returns the position of the next batch. After the last batch of an epoch, it is one past the end of this epoch,
    /// not the start of the next.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Returns the number of passes through the data so far. The current pass counts as a fraction.
    #[must_use]
    pub fn epochs(&self) -> f64 {
        self.position.epoch as f64 + self.position.batch as f64 / self.plan.len() as f64
    }

    /// Returns all batches of the current epoch, including those that have been taken.
    #[must_use]
    pub fn plan(&self) -> &BatchPlan {
        &self.plan
    }

    /// Takes the next batch, and returns its examples.
    pub fn next_batch(&mut self) -> Vec<Example> {
        loop {
            let position = self.position;
            if let Some(batch) = self.plan.batch(position.batch) {
                self.position.batch += 1;
                // An epoch has fewer than 2³² examples, and so has a batch.
                let indices = (position.batch as u64) << 32..;
                let examples = batch.iter().zip(indices);
                return examples
                    .map(|(&number, index)| self.example(number, position.epoch, index))
                    .collect();
            }
            let epoch = self.position.epoch + 1;
            self.position = Position { epoch, batch: 0 };
            self.plan = plan(&self.examples, self.max_tokens, self.seed, epoch);
        }
    }

    /// Reads the example at index `number` of the mixture. BPE-dropout, if there is one, cuts it by the random numbers
    /// of its index `index` in the epoch.
    fn example(&self, number: u32, epoch: u64, index: u64) -> Example {
        let example = self.examples.get(number);
        match &self.bpe_dropout {
            Some(dropout) => dropout.cut(example, self.seed, epoch, index),
            None => example,
        }
    }
}

/// Plans the batches of an epoch.
fn plan(examples: &Mixture, max_tokens: usize, seed: u64, epoch: u64) -> BatchPlan {
    // The indices are collected first, because planning takes half the memory if the number of examples is known.
    let numbers: Vec<u32> = examples.epoch(seed, epoch).collect();
    let lengths = numbers
        .into_iter()
        .map(|number| (number, examples.lengths(number)));
    BatchPlan::new(lengths, max_tokens, seed, epoch)
}

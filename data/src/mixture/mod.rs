//! Several prepared corpora as one, each with a weight.

use rand_chacha::rand_core::Rng;

use crate::batch::{BatchPlan, Example, Lengths, epoch_random, plan_batches};
use crate::error::DataError;
use crate::examples::Examples;

/// A corpus to mix with others.
#[derive(Debug)]
pub struct WeightedCorpus {
    /// What errors call it.
    pub name: String,
    /// Its examples; there may be none.
    pub examples: Examples,
    /// How often an epoch takes each of them, on average; see [`epoch_numbers`].
    pub weight: f64,
}

/// Corpora to train on, and how often an epoch takes each. Their examples are numbered through, corpus after corpus.
#[derive(Debug)]
pub struct Mixture {
    corpora: Vec<Examples>,
    weights: Vec<f64>,
    /// The first number of each corpus, and at the end the number of all examples.
    starts: Vec<u32>,
}

impl Mixture {
    /// Mixes `corpora`.
    ///
    /// # Errors
    /// [`DataError::Mixture`] when a weight is no number above 0, or an epoch would have more than 2³² − 1 examples;
    /// [`DataError::UnusedCorpus`] when an epoch would have none of a corpus that has some.
    pub fn new(corpora: Vec<WeightedCorpus>) -> Result<Self, DataError> {
        check(&corpora)?;
        let weights = corpora.iter().map(|corpus| corpus.weight).collect();
        let corpora: Vec<Examples> = corpora.into_iter().map(|corpus| corpus.examples).collect();
        let mut starts = vec![0];
        for examples in &corpora {
            starts.push(starts[starts.len() - 1] + examples.len() as u32);
        }
        Ok(Self {
            corpora,
            weights,
            starts,
        })
    }

    /// The number of examples of all corpora, whatever their weights.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts[self.corpora.len()] as usize
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What tells these examples from others: the [fingerprints](Examples::fingerprint) of all corpora.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let fingerprints: Vec<&str> = self.corpora.iter().map(Examples::fingerprint).collect();
        fingerprints.join(" ")
    }

    /// The lengths of the example of this number, its tokens unread.
    ///
    /// # Panics
    /// If `number` is not below [`Mixture::len`].
    #[must_use]
    pub fn lengths(&self, number: u32) -> Lengths {
        let (corpus, index) = self.locate(number);
        corpus.lengths(index)
    }

    /// The example of this number.
    ///
    /// # Panics
    /// If `number` is not below [`Mixture::len`].
    #[must_use]
    pub fn get(&self, number: u32) -> Example {
        let (corpus, index) = self.locate(number);
        corpus.get(index)
    }

    /// The batches of an epoch; see [`epoch_numbers`] and [`plan_batches`].
    #[must_use]
    pub fn plan(&self, max_tokens: usize, seed: u64, epoch: u64) -> BatchPlan {
        let sizes: Vec<usize> = self.corpora.iter().map(Examples::len).collect();
        // Collected first: a plan that knows how many are to come takes half the memory.
        let numbers: Vec<u32> = epoch_numbers(&sizes, &self.weights, seed, epoch).collect();
        let examples = numbers.into_iter().map(|number| (number, self.lengths(number)));
        plan_batches(examples, max_tokens, seed, epoch)
    }

    fn locate(&self, number: u32) -> (&Examples, usize) {
        let corpus = self.starts.partition_point(|start| *start <= number) - 1;
        (&self.corpora[corpus], (number - self.starts[corpus]) as usize)
    }
}

/// Which examples an epoch takes from corpora of these `sizes`, numbered through, in the order of their numbers.
///
/// A weight of 2 takes each example of its corpus twice. Of a weight's fraction, such as the half of 0.5 or 2.5, each
/// epoch draws that part of the corpus anew, no example twice; `seed` and `epoch` decide which.
pub fn epoch_numbers(sizes: &[usize], weights: &[f64], seed: u64, epoch: u64) -> impl Iterator<Item = u32> {
    let mut start = 0;
    let corpora: Vec<_> = (1..)
        .zip(sizes.iter().zip(weights))
        .map(|(stream, (&size, &weight))| {
            let mut random = epoch_random(seed, epoch, stream);
            let mut wanted = drawn_examples(size, weight);
            let first = start;
            start += size as u32;
            (0..size as u32).flat_map(move |index| {
                // Knuth's algorithm S: of those left, each is drawn with the same chance.
                let left = size as u64 - u64::from(index);
                let drawn = wanted > 0 && below(left, random.next_u64()) < wanted;
                wanted -= u64::from(drawn);
                std::iter::repeat_n(first + index, weight as usize + usize::from(drawn))
            })
        })
        .collect();
    corpora.into_iter().flatten()
}

/// A random number below `limit` from one of 64 bits.
fn below(limit: u64, random: u64) -> u64 {
    ((u128::from(limit) * u128::from(random)) >> 64) as u64
}

/// How many examples of a corpus each epoch draws for the fraction of its weight.
fn drawn_examples(size: usize, weight: f64) -> u64 {
    (weight.fract() * size as f64).round() as u64
}

fn check(corpora: &[WeightedCorpus]) -> Result<(), DataError> {
    let error = |reason: String| Err(DataError::Mixture { reason });
    let mut most = 0.0;
    for corpus in corpora {
        let (size, weight) = (corpus.examples.len(), corpus.weight);
        if !(weight.is_finite() && weight > 0.0) {
            return error(format!("the weight {weight} is no number above 0"));
        }
        if size > 0 && weight < 1.0 && drawn_examples(size, weight) == 0 {
            return Err(DataError::UnusedCorpus {
                name: corpus.name.clone(),
                pairs: size,
                weight,
            });
        }
        most += size as f64 * weight.max(1.0);
    }
    if most > f64::from(u32::MAX) {
        return error(format!(
            "an epoch would have {most:.0} pairs, but the most is {}",
            u32::MAX
        ));
    }
    Ok(())
}

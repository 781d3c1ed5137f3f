//! A mixture: several prepared corpora, each with a weight, as one list of examples.

#[cfg(test)]
mod tests;

use rand_chacha::rand_core::Rng;

use crate::batch::{Example, Lengths};
use crate::corpora::examples::Examples;
use crate::corpora::random::corpus_random;
use crate::corpora::report::PreparationReport;
use crate::error::DataError;

/// Corpora to train on, each with a weight. An example has an index in the mixture: the examples of the first corpus
/// come first, then those of the second corpus, and so on.
///
/// The weight of a corpus is the number of times that an epoch takes each of its examples, on average. With a weight of
/// 2, an epoch takes each example twice. With a weight of 2.25, it takes a quarter of the examples three times and the
/// others twice. That quarter is drawn anew for each epoch.
#[derive(Debug)]
pub struct Mixture {
    corpora: Vec<Examples>,
    weights: Vec<f64>,
    /// The index of the first example of each corpus, and at the end the number of all examples.
    starts: Vec<u32>,
}

impl Mixture {
    /// Mixes corpora, each given with its weight. A corpus may have no examples.
    ///
    /// # Errors
    /// Returns [`DataError::Mixture`] if a weight is not a number above 0, or if an epoch would have more than 2³² − 1
    /// examples. Returns [`DataError::UnusedCorpus`] if an epoch would take none of the examples of a corpus.
    pub fn new(corpora: impl IntoIterator<Item = (Examples, f64)>) -> Result<Self, DataError> {
        let (corpora, weights): (Vec<Examples>, Vec<f64>) = corpora.into_iter().unzip();
        check(&corpora, &weights)?;
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

    /// Returns the number of examples of all corpora. Weights do not change it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts[self.corpora.len()] as usize
    }

    /// Returns whether there is no example.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the [fingerprints](Examples::fingerprint) of all corpora. Mixtures of different examples have different
    /// fingerprints.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let fingerprints: Vec<&str> = self.corpora.iter().map(Examples::fingerprint).collect();
        fingerprints.join(" ")
    }

    /// Reads the lengths of the example at `index`, without its tokens.
    ///
    /// # Panics
    /// Panics if `index` is not below [`Mixture::len`].
    #[must_use]
    pub fn lengths(&self, index: u32) -> Lengths {
        let (corpus, index) = self.locate(index);
        corpus.lengths(index)
    }

    /// Reads the example at `index`.
    ///
    /// # Panics
    /// Panics if `index` is not below [`Mixture::len`].
    #[must_use]
    pub fn get(&self, index: u32) -> Example {
        let (corpus, index) = self.locate(index);
        corpus.get(index)
    }

    /// Returns what became of the pairs of the corpora when they were prepared.
    #[must_use]
    pub fn report(&self) -> PreparationReport {
        PreparationReport::new(self.corpora.iter().map(Examples::report))
    }

    /// Returns the indices of the examples that an epoch takes, in ascending order. An example that the epoch takes
    /// several times appears several times.
    pub(crate) fn epoch(&self, seed: u64, epoch: u64) -> impl Iterator<Item = u32> {
        let sizes: Vec<usize> = self.corpora.iter().map(Examples::len).collect();
        epoch_numbers(&sizes, &self.weights, seed, epoch)
    }

    fn locate(&self, index: u32) -> (&Examples, usize) {
        let corpus = self.starts.partition_point(|start| *start <= index) - 1;
        (&self.corpora[corpus], (index - self.starts[corpus]) as usize)
    }
}

/// Returns the indices of the examples that an epoch takes of corpora with these `sizes` and `weights`, in ascending
/// order.
///
/// The whole part of a weight is the number of times that each example of the corpus is taken. The fraction of a
/// weight, such as 0.5 of 2.5, is the share of the examples that are taken once more. `seed` and `epoch` decide which
/// examples these are.
fn epoch_numbers(
    sizes: &[usize],
    weights: &[f64],
    seed: u64,
    epoch: u64,
) -> impl Iterator<Item = u32> + use<> {
    let mut start = 0;
    let corpora: Vec<_> = (0..)
        .zip(sizes.iter().zip(weights))
        .map(|(corpus, (&size, &weight))| {
            let mut random = corpus_random(seed, epoch, corpus);
            let mut wanted = drawn_examples(size, weight);
            let first = start;
            start += size as u32;
            (0..size as u32).flat_map(move |index| {
                // Knuth's algorithm S: each of the examples left is drawn with the same chance.
                let left = size as u64 - u64::from(index);
                let drawn = wanted > 0 && below(left, random.next_u64()) < wanted;
                wanted -= u64::from(drawn);
                std::iter::repeat_n(first + index, weight as usize + usize::from(drawn))
            })
        })
        .collect();
    corpora.into_iter().flatten()
}

/// Maps `random`, a random number of 64 bits, to a random number below `limit`.
fn below(limit: u64, random: u64) -> u64 {
    ((u128::from(limit) * u128::from(random)) >> 64) as u64
}

/// Returns the number of examples of a corpus that an epoch draws for the fraction of the weight.
fn drawn_examples(size: usize, weight: f64) -> u64 {
    (weight.fract() * size as f64).round() as u64
}

fn check(corpora: &[Examples], weights: &[f64]) -> Result<(), DataError> {
    let error = |reason: String| Err(DataError::Mixture { reason });
    let mut most = 0.0;
    for (examples, &weight) in corpora.iter().zip(weights) {
        let size = examples.len();
        if !(weight.is_finite() && weight > 0.0) {
            return error(format!("the weight {weight} is no number above 0"));
        }
        if size > 0 && weight < 1.0 && drawn_examples(size, weight) == 0 {
            return Err(DataError::UnusedCorpus {
                name: examples.name().to_owned(),
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

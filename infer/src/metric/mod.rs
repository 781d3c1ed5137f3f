//! Corpus-level translation metrics, equal to those of the `sacrebleu` program.
//!
//! A score compares one hypothesis with one reference a line, counts over the whole corpus and divides once, so
//! it is no mean of sentence scores. Text goes in as the reader sees it, detokenized.

mod bleu;
mod chrf;
mod tokenize;

use std::collections::HashMap;
use std::hash::Hash;

pub use bleu::{Bleu, corpus_bleu};
pub use chrf::{Chrf, corpus_chrf};
pub use tokenize::BleuTokenizer;

/// What signatures name as the program that computed a score.
const VERSION: &str = concat!("attend-", env!("CARGO_PKG_VERSION"));

/// A corpus that cannot be scored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetricError {
    /// Some line has no partner.
    #[error("{hypotheses} hypotheses for {references} references: both must have the same number of lines")]
    UnequalCounts {
        /// Number of hypotheses.
        hypotheses: usize,
        /// Number of references.
        references: usize,
    },
    /// There is no line at all.
    #[error("0 hypotheses for 0 references: an empty corpus has no score")]
    EmptyCorpus,
}

/// Pairs each hypothesis with its reference.
fn sentence_pairs<'a, H: AsRef<str>, R: AsRef<str>>(
    hypotheses: &'a [H],
    references: &'a [R],
) -> Result<impl Iterator<Item = (&'a str, &'a str)>, MetricError> {
    if hypotheses.len() != references.len() {
        return Err(MetricError::UnequalCounts {
            hypotheses: hypotheses.len(),
            references: references.len(),
        });
    }
    if hypotheses.is_empty() {
        return Err(MetricError::EmptyCorpus);
    }
    Ok(hypotheses
        .iter()
        .map(AsRef::as_ref)
        .zip(references.iter().map(AsRef::as_ref)))
}

/// How many n-grams of `items` there are, repetitions counted.
fn ngram_count<T>(items: &[T], order: usize) -> u64 {
    items.windows(order).len() as u64
}

/// How many n-grams of the hypothesis are also in the reference, each at most as often as it occurs there.
fn ngram_matches<T: Eq + Hash>(hypothesis: &[T], reference: &[T], order: usize) -> u64 {
    let mut unmatched: HashMap<&[T], u64> = HashMap::new();
    for ngram in reference.windows(order) {
        *unmatched.entry(ngram).or_default() += 1;
    }
    let mut matches = 0;
    for ngram in hypothesis.windows(order) {
        if let Some(count) = unmatched.get_mut(ngram)
            && *count > 0
        {
            *count -= 1;
            matches += 1;
        }
    }
    matches
}

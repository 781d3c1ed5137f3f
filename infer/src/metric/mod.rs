//! Corpus-level translation metrics, equal to those of the program `sacrebleu`.
//!
//! Each hypothesis, a translation, is compared with one reference. The counts are summed over the whole corpus before
//! they are divided, so the score of a corpus is not the mean of the scores of its sentences. Hypotheses and
//! references must be text as people write it, without the spaces that a tokenizer puts around punctuation.
//!
//! ```
//! use attend_infer::metric::{BleuTokenizer, corpus_bleu, corpus_chrf};
//!
//! let hypotheses = ["The cat sat on the mat."];
//! let references = ["The cat sat on a mat."];
//! let bleu = corpus_bleu(&hypotheses, &references, BleuTokenizer::default())?;
//! // Words found in the reference: 6 of 7, 4 of 6 pairs, 2 of 5 triples, 1 of 4 quadruples.
//! assert_eq!(bleu.matches, [6, 4, 2, 1]);
//! assert!((bleu.score - 48.89).abs() < 0.01);
//! println!("{bleu}\n{}", corpus_chrf(&hypotheses, &references)?);
//! # Ok::<(), attend_infer::metric::MetricError>(())
//! ```

mod bleu;
mod chrf;
mod tokenize;

use std::collections::HashMap;
use std::hash::Hash;

pub use bleu::{Bleu, corpus_bleu};
pub use chrf::{Chrf, corpus_chrf};
pub use tokenize::BleuTokenizer;

/// The name of this program in signatures.
const VERSION: &str = concat!("attend-", env!("CARGO_PKG_VERSION"));

/// The reason why a corpus cannot be scored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetricError {
    /// The numbers of hypotheses and references differ.
    #[error("{hypotheses} hypotheses for {references} references: both must have the same number of lines")]
    UnequalCounts {
        /// Number of hypotheses.
        hypotheses: usize,
        /// Number of references.
        references: usize,
    },
    /// There are neither hypotheses nor references.
    #[error("0 hypotheses for 0 references: an empty corpus has no score")]
    EmptyCorpus,
}

/// Returns each hypothesis with its reference, or a [`MetricError`] if their numbers differ or are 0.
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

/// Returns the number of n-grams of `order` items in `items`. Repeated n-grams count each time.
fn ngram_count<T>(items: &[T], order: usize) -> u64 {
    items.windows(order).len() as u64
}

/// Returns the number of n-grams of `order` items of the hypothesis that are also in the reference. An n-gram counts
/// at most as often as it occurs in the reference.
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

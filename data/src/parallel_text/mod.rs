//! Corpora to train on, which need not fit into memory.

pub mod pairs;
mod sgm;

use std::path::PathBuf;

use crate::cleaning::{Cleaned, Cleaning};
use crate::error::DataError;
use crate::parallel_text::pairs::{SentencePair, SentencePairs};

/// Where sentence pairs come from. Reading takes them one by one, so a corpus may be larger than the memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParallelText {
    /// Two files; see [`SentencePairs::open_files`].
    Files {
        /// The source sentences.
        source: PathBuf,
        /// Their translations.
        target: PathBuf,
    },
    /// One file of two columns; see [`SentencePairs::open_tsv`].
    Tsv(PathBuf),
    /// Pairs in memory.
    Pairs(Vec<SentencePair>),
}

/// Sentence pairs, one after the other. The first error should end the reading.
pub type PairReader<'a> = Box<dyn Iterator<Item = Result<SentencePair, DataError>> + Send + 'a>;

impl ParallelText {
    /// Reads the pairs in their order.
    ///
    /// # Errors
    /// A file cannot be opened; in place of a pair, those of [`SentencePairs`].
    pub fn pairs(&self) -> Result<PairReader<'_>, DataError> {
        Ok(match self {
            Self::Files { source, target } => Box::new(SentencePairs::open_files(source, target)?),
            Self::Tsv(path) => Box::new(SentencePairs::open_tsv(path)?),
            Self::Pairs(pairs) => Box::new(pairs.iter().cloned().map(Ok)),
        })
    }

    /// Reads the pairs that `cleaning` keeps.
    ///
    /// # Errors
    /// As for [`ParallelText::pairs`].
    pub fn cleaned_pairs(&self, cleaning: &Cleaning) -> Result<Cleaned<PairReader<'_>>, DataError> {
        Ok(cleaning.clean(self.pairs()?))
    }
}

/// At most `limit` of the pairs that `cleaning` keeps of `texts`, taken one after the other and spread evenly over
/// them; all, where there are no more. The texts are read once to count the pairs, and again to take them.
///
/// # Errors
/// As for [`ParallelText::pairs`]; in place of a pair, too, where a file changes meanwhile.
pub fn sample_pairs<'a>(
    texts: &[&'a ParallelText],
    cleaning: &Cleaning,
    limit: usize,
) -> Result<impl Iterator<Item = Result<SentencePair, DataError>> + Send + 'a, DataError> {
    let mut total = 0;
    for text in texts {
        for pair in text.cleaned_pairs(cleaning)? {
            pair?;
            total += 1;
        }
    }
    let readers: Vec<_> = texts
        .iter()
        .map(|text| text.cleaned_pairs(cleaning))
        .collect::<Result<_, _>>()?;
    // How many of the first n pairs are taken: it grows by one at most, and ends at the limit.
    let taken = move |n: usize| (n as u128 * limit.min(total) as u128 / total.max(1) as u128) as usize;
    let pairs = readers.into_iter().flatten().enumerate();
    Ok(pairs
        .filter_map(move |(index, pair)| (pair.is_err() || taken(index + 1) > taken(index)).then_some(pair)))
}

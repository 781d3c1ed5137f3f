//! Where sentence pairs are, and reading them.

mod pairs;
mod sgm;

use std::path::PathBuf;

use crate::corpora::cleaning::{Cleaned, Cleaning};
use crate::corpora::compression::without_compression;
use crate::error::DataError;
use crate::sentence_pair::SentencePair;
use pairs::Pairs;

/// Where the sentence pairs of a corpus are. Files are read pair by pair, so that a corpus may be larger than the
/// memory; those whose names end in `.gz`, `.xz` or `.zst` are decompressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParallelText {
    /// Two files in which sentence n of one translates sentence n of the other. Each holds a sentence a line, or, if
    /// its name ends in `.sgm`, in each `<seg id="…">` tag; two `.sgm` files must have equal ids in equal order.
    Files {
        /// The file of source sentences.
        source: PathBuf,
        /// The file of target sentences.
        target: PathBuf,
    },
    /// A file with a source sentence, a tab and a target sentence on each line.
    Tsv(PathBuf),
    /// Pairs in memory.
    Memory {
        /// What reports and errors call the corpus.
        name: String,
        /// The pairs.
        pairs: Vec<SentencePair>,
    },
}

impl ParallelText {
    /// Returns what reports and errors call the corpus. Of files, that is the name of the two-column or source file
    /// without the endings for language, format and compression: `europarl-v7.de-en` for
    /// `corpora/europarl-v7.de-en.en.gz`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Files { source: path, .. } | Self::Tsv(path) => without_compression(path)
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            Self::Memory { name, .. } => name.clone(),
        }
    }

    /// Reads the pairs, one at a time and in their order. An error ends the iterator.
    ///
    /// # Errors
    /// [`DataError::Read`] if a file cannot be opened. In place of a pair, the iterator gives an error if the rest
    /// cannot be read, a line is not UTF-8 or not of the file's format, a sentence has no partner, or files hold no
    /// pair at all.
    pub fn pairs(
        &self,
    ) -> Result<impl Iterator<Item = Result<SentencePair, DataError>> + Send + use<'_>, DataError> {
        self.open()
    }

    /// Reads all pairs into memory.
    ///
    /// # Errors
    /// The errors of [`ParallelText::pairs`].
    pub fn read_all(&self) -> Result<Vec<SentencePair>, DataError> {
        self.open()?.collect()
    }

    /// Reads at most `limit` of the pairs that `cleaning` keeps of `texts`, spread evenly over the texts in their
    /// order: of two texts of 70 and 30 pairs, a limit of 10 takes every tenth pair. The texts are read once to count
    /// the pairs and once to take them.
    ///
    /// # Errors
    /// The errors of [`ParallelText::pairs`].
    pub fn sample<'a>(
        texts: &[&'a Self],
        cleaning: &Cleaning,
        limit: usize,
    ) -> Result<impl Iterator<Item = Result<SentencePair, DataError>> + Send + use<'a>, DataError> {
        let mut total = 0;
        for text in texts {
            for pair in text.cleaned(cleaning)? {
                pair?;
                total += 1;
            }
        }
        let readers: Vec<_> = texts
            .iter()
            .map(|text| text.cleaned(cleaning))
            .collect::<Result<_, _>>()?;
        // How many of the first n pairs are taken: it grows by one at most, and ends at the limit.
        let taken = move |n: usize| (n as u128 * limit.min(total) as u128 / total.max(1) as u128) as usize;
        let pairs = readers.into_iter().flatten().enumerate();
        Ok(pairs.filter_map(move |(index, pair)| {
            (pair.is_err() || taken(index + 1) > taken(index)).then_some(pair)
        }))
    }

    /// Reads the pairs that `cleaning` keeps.
    pub(crate) fn cleaned(&self, cleaning: &Cleaning) -> Result<Cleaned<Pairs<'_>>, DataError> {
        Ok(cleaning.clean(self.open()?))
    }

    fn open(&self) -> Result<Pairs<'_>, DataError> {
        match self {
            Self::Files { source, target } => Pairs::of_files(source, target),
            Self::Tsv(path) => Pairs::of_tsv(path),
            Self::Memory { pairs, .. } => Ok(Pairs::of_memory(pairs)),
        }
    }
}

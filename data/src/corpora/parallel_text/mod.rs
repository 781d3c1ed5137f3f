//! Parallel text: the files or the memory that hold sentence pairs, and how they are read.

mod format;
mod pairs;
mod references;
mod sentences;
mod sgm;
mod wmt_xml;

use std::path::PathBuf;

use crate::corpora::cleaning::{Cleaned, Cleaning};
use crate::corpora::compression::without_compression;
use crate::error::DataError;
use crate::file::check_rereadable;
use crate::sentence_pair::SentencePair;
use pairs::Pairs;

pub use references::{References, Sources};
pub use sentences::open_sources;

/// The source of the sentence pairs of a corpus: files or memory. Files are read pair by pair, so that a corpus may be
/// larger than the memory. Compressed files are decompressed, as by [`Lines`](crate::Lines).
#[derive(Clone, Debug, PartialEq)]
pub enum ParallelText {
    /// Two files in which sentence n of one translates sentence n of the other. Each file has one sentence on each
    /// line, unless its name ends in `.sgm` or `.xml`, or it begins as WMT's test sets of these formats do. An `.sgm`
    /// file has one sentence in each `<seg id="…">` tag. Two `.sgm` files must have the same ids in the same order. An
    /// `.xml` file may be both files: the sources are in `<src>`, and the targets are those of the first `<ref>`.
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
        /// The name of the corpus in reports and errors.
        name: String,
        /// The pairs.
        pairs: Vec<SentencePair>,
    },
    /// Pairs of another text in capital letters: both sides as [`str::to_uppercase`] writes them. Pairs that this does
    /// not change are left out.
    Capitals {
        /// The other text.
        text: Box<Self>,
        /// The share of the pairs of `text` that are taken, in [0, 1]. They are spread evenly over the text.
        share: f64,
    },
}

impl ParallelText {
    /// Returns the name of the corpus in reports and errors. For files, it is the name of the source file or the
    /// two-column file, without the endings for language, format and compression. For `corpora/europarl-v7.de-en.en.gz`
    /// it is `europarl-v7.de-en`.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Files { source: path, .. } | Self::Tsv(path) => without_compression(path)
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            Self::Memory { name, .. } => name.clone(),
            Self::Capitals { text, .. } => text.name() + " in capitals",
        }
    }

    /// Reads the pairs, one at a time and in their order. Each side is a [single line](crate::single_line). An error
    /// ends the iterator.
    ///
    /// # Errors
    /// Returns [`DataError::Read`] if a file cannot be opened, [`DataError::ReadOnce`] if both files are the same pipe,
    /// [`DataError::Encoding`] or [`DataError::Archive`] if a file is not text in UTF-8, and [`DataError::Xml`],
    /// [`DataError::RepeatedText`] or [`DataError::NoSegments`] if an `.xml` file cannot be used. The iterator returns
    /// an error in these cases:
    ///
    /// - [`DataError::Read`] if the rest of a file cannot be read;
    /// - [`DataError::InvalidUtf8`] or [`DataError::LongLine`] if a line is not text in UTF-8;
    /// - [`DataError::Columns`] or [`DataError::Segment`] if a line is not of the file's format;
    /// - [`DataError::UnequalLengths`] or [`DataError::UnequalSegments`] if the two files do not match;
    /// - [`DataError::EmptyCorpus`] if the files hold no pair.
    pub fn pairs(
        &self,
    ) -> Result<impl Iterator<Item = Result<SentencePair, DataError>> + Send + use<'_>, DataError> {
        self.open()
    }

    /// Reads all pairs into memory.
    ///
    /// # Errors
    /// Returns the errors of [`ParallelText::pairs`].
    pub fn read_all(&self) -> Result<Vec<SentencePair>, DataError> {
        self.open()?.collect()
    }

    /// Reads at most `limit` pairs of `texts`, from the pairs that `cleaning` keeps. The pairs are spread evenly over
    /// the texts, and returned in their order. If two texts have 70 and 30 pairs and the limit is 10, every tenth pair
    /// is returned. The texts are read twice: once to count the pairs, and once to return them.
    ///
    /// # Errors
    /// Returns the errors of [`ParallelText::pairs`] and [`ParallelText::check_rereadable`].
    pub fn sample<'a>(
        texts: &[&'a Self],
        cleaning: &Cleaning,
        limit: usize,
    ) -> Result<impl Iterator<Item = Result<SentencePair, DataError>> + Send + use<'a>, DataError> {
        let mut total = 0;
        for text in texts {
            text.check_rereadable()?;
            for pair in text.cleaned(cleaning)? {
                pair?;
                total += 1;
            }
        }
        let readers: Vec<_> = texts
            .iter()
            .map(|text| text.cleaned(cleaning))
            .collect::<Result<_, _>>()?;
        // The number of the first n pairs that are returned. It grows by at most one from n to n + 1, and ends at the
        // limit.
        let taken = move |n: usize| (n as u128 * limit.min(total) as u128 / total.max(1) as u128) as usize;
        let pairs = readers.into_iter().flatten().enumerate();
        Ok(pairs.filter_map(move |(index, pair)| {
            (pair.is_err() || taken(index + 1) > taken(index)).then_some(pair)
        }))
    }

    /// Checks that the text can be read several times. A training run reads its text to learn the tokenizer, to encode
    /// the pairs, and again when it is resumed.
    ///
    /// # Errors
    /// Returns [`DataError::ReadOnce`] if a file is a pipe, a socket, or a device other than `/dev/null`, which is
    /// empty.
    pub fn check_rereadable(&self) -> Result<(), DataError> {
        match self {
            Self::Files { source, target } => {
                check_rereadable(source)?;
                check_rereadable(target)
            }
            Self::Tsv(path) => check_rereadable(path),
            Self::Memory { .. } => Ok(()),
            Self::Capitals { text, .. } => text.check_rereadable(),
        }
    }

    /// Reads the pairs that `cleaning` keeps.
    pub(crate) fn cleaned(&self, cleaning: &Cleaning) -> Result<Cleaned<Pairs<'_>>, DataError> {
        Ok(cleaning.clean(self.open()?))
    }

    fn open(&self) -> Result<Pairs<'_>, DataError> {
        match self {
            Self::Files { source, target } => {
                if source == target {
                    check_rereadable(source)?;
                }
                Pairs::of_files(source, target)
            }
            Self::Tsv(path) => Pairs::of_tsv(path),
            Self::Memory { pairs, .. } => Ok(Pairs::of_memory(pairs)),
            Self::Capitals { text, share } => Ok(Pairs::in_capitals(text.open()?, *share)),
        }
    }
}

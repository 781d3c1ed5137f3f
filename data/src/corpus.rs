//! Parallel text.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::error::DataError;

/// A sentence and its translation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SentencePair {
    /// The sentence to translate.
    pub source: String,
    /// Its translation.
    pub target: String,
}

/// Where sentence pairs come from. Reading takes them one by one, so a corpus may be larger than the memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParallelText {
    /// Two files in which line n of one translates line n of the other; see [`Lines`].
    Files {
        /// The source sentences.
        source: PathBuf,
        /// Their translations.
        target: PathBuf,
    },
    /// One file of two columns, source and target, separated by a tab; see [`Lines`].
    Tsv(PathBuf),
    /// Pairs in memory.
    Pairs(Vec<SentencePair>),
}

/// Sentence pairs, one after the other. The first error should end the reading.
pub type PairReader<'a> = Box<dyn Iterator<Item = Result<SentencePair, DataError>> + Send + 'a>;

impl ParallelText {
    /// Reads the pairs in their order. A side may be an empty sentence: [`Filter`](crate::filter::Filter) drops and
    /// counts those.
    ///
    /// # Errors
    /// A file cannot be opened. In place of a pair: it cannot be read or is not UTF-8, the numbers of lines differ, a
    /// line does not have exactly one tab, or files have no pair at all.
    pub fn pairs(&self) -> Result<PairReader<'_>, DataError> {
        Ok(match self {
            Self::Files { source, target } => Box::new(FilePairs {
                source: Lines::open(source)?,
                target: Lines::open(target)?,
                read: 0,
            }),
            Self::Tsv(path) => Box::new(TsvPairs {
                lines: Lines::open(path)?,
                read: 0,
            }),
            Self::Pairs(pairs) => Box::new(pairs.iter().cloned().map(Ok)),
        })
    }
}

/// At most `limit` pairs of `texts`, taken one after the other and spread evenly over them; all, where there are no
/// more. The texts are read once to count the pairs, and again to take them.
///
/// # Errors
/// As for [`ParallelText::pairs`]; in place of a pair, too, where a file changes meanwhile.
pub fn sample_pairs<'a>(
    texts: &[&'a ParallelText],
    limit: usize,
) -> Result<impl Iterator<Item = Result<SentencePair, DataError>> + Send + 'a, DataError> {
    let mut total = 0;
    for text in texts {
        for pair in text.pairs()? {
            pair?;
            total += 1;
        }
    }
    let readers: Vec<PairReader<'a>> = texts.iter().map(|text| text.pairs()).collect::<Result<_, _>>()?;
    // How many of the first n pairs are taken: it grows by one at most, and ends at the limit.
    let taken = move |n: usize| (n as u128 * limit.min(total) as u128 / total.max(1) as u128) as usize;
    let pairs = readers.into_iter().flatten().enumerate();
    Ok(pairs
        .filter_map(move |(index, pair)| (pair.is_err() || taken(index + 1) > taken(index)).then_some(pair)))
}

/// Sentence pairs in the order of their files; never empty when read from files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParallelCorpus {
    /// The pairs. A side may be an empty sentence: [`Filter`](crate::filter::Filter) drops and counts those.
    pub pairs: Vec<SentencePair>,
}

impl ParallelCorpus {
    /// Reads all pairs of `text` into memory.
    ///
    /// # Errors
    /// Those of [`ParallelText::pairs`].
    pub fn read(text: &ParallelText) -> Result<Self, DataError> {
        Ok(Self {
            pairs: text.pairs()?.collect::<Result<_, _>>()?,
        })
    }

    /// Reads [`ParallelText::Files`] into memory.
    ///
    /// # Errors
    /// Those of [`ParallelText::pairs`].
    pub fn read_files(source: impl AsRef<Path>, target: impl AsRef<Path>) -> Result<Self, DataError> {
        Self::read(&ParallelText::Files {
            source: source.as_ref().to_owned(),
            target: target.as_ref().to_owned(),
        })
    }

    /// Reads [`ParallelText::Tsv`] into memory.
    ///
    /// # Errors
    /// Those of [`ParallelText::pairs`].
    pub fn read_tsv(path: impl AsRef<Path>) -> Result<Self, DataError> {
        Self::read(&ParallelText::Tsv(path.as_ref().to_owned()))
    }
}

/// The pairs of two files.
struct FilePairs {
    source: Lines<FileReader>,
    target: Lines<FileReader>,
    read: usize,
}

impl Iterator for FilePairs {
    type Item = Result<SentencePair, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (source, target) = match (self.source.next(), self.target.next()) {
            (Some(source), Some(target)) => (source, target),
            (None, None) => return no_more_pairs(self.read, &self.source.path),
            (Some(Err(error)), None) | (None, Some(Err(error))) => return Some(Err(error)),
            (source, target) => {
                let source_lines = self.read + usize::from(source.is_some()) + self.source.by_ref().count();
                let target_lines = self.read + usize::from(target.is_some()) + self.target.by_ref().count();
                return Some(Err(DataError::UnequalLines {
                    source_path: self.source.path.clone(),
                    source_lines,
                    target_path: self.target.path.clone(),
                    target_lines,
                }));
            }
        };
        self.read += 1;
        Some(source.and_then(|source| {
            Ok(SentencePair {
                source,
                target: target?,
            })
        }))
    }
}

/// The pairs of a file of two columns.
struct TsvPairs {
    lines: Lines<FileReader>,
    read: usize,
}

impl Iterator for TsvPairs {
    type Item = Result<SentencePair, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Some(line) = self.lines.next() else {
            return no_more_pairs(self.read, &self.lines.path);
        };
        self.read += 1;
        Some(line.and_then(|line| match line.split_once('\t') {
            Some((source, target)) if !target.contains('\t') => Ok(SentencePair {
                source: source.to_owned(),
                target: target.to_owned(),
            }),
            _ => Err(DataError::Columns {
                path: self.lines.path.clone(),
                line: self.read,
                columns: line.split('\t').count(),
            }),
        }))
    }
}

/// What follows the last of `read` pairs: nothing, or an error where files have none.
fn no_more_pairs(read: usize, path: &Path) -> Option<Result<SentencePair, DataError>> {
    (read == 0).then(|| {
        Err(DataError::EmptyCorpus {
            path: path.to_owned(),
        })
    })
}

/// The bytes of a text file, decompressed where need be.
type FileReader = Box<dyn BufRead + Send>;

/// The lines of UTF-8 text, one after the other.
///
/// Only a line feed ends a line (with a carriage return before it, if there is one), so sentences that contain
/// Unicode's own line separators stay whole. Empty lines are kept; the last line needs no line feed. A byte order
/// mark at the start of the text is no part of its first line.
///
/// In place of a line comes [`DataError::InvalidUtf8`] with its number, or [`DataError::Read`], which is the last.
pub struct Lines<R> {
    reader: R,
    path: PathBuf,
    read: usize,
    failed: bool,
}

impl Lines<FileReader> {
    /// The lines of a file, which is decompressed when its name ends in `.gz`.
    ///
    /// # Errors
    /// [`DataError::Read`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|error| DataError::read(path, error))?;
        let reader: FileReader = match path.extension() {
            Some(extension) if extension == "gz" => Box::new(BufReader::new(MultiGzDecoder::new(file))),
            _ => Box::new(BufReader::with_capacity(1 << 16, file)),
        };
        Ok(Self::new(reader, path))
    }
}

impl<R: BufRead> Lines<R> {
    /// The lines that `reader` gives; `path` is what an error calls it.
    pub fn new(reader: R, path: &Path) -> Self {
        Self {
            reader,
            path: path.to_owned(),
            read: 0,
            failed: false,
        }
    }

    /// The bytes of the next line, without what ends it.
    fn next_bytes(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        self.reader.read_until(b'\n', &mut line)?;
        if self.read == 0 && line.starts_with(b"\xEF\xBB\xBF") {
            line.drain(..3);
        }
        if line.is_empty() {
            return Ok(None);
        }
        for end in [b'\n', b'\r'] {
            line.pop_if(|last| *last == end);
        }
        Ok(Some(line))
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<String, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let line = match self.next_bytes() {
            Ok(line) => line?,
            Err(error) => {
                self.failed = true;
                return Some(Err(DataError::read(&self.path, error)));
            }
        };
        self.read += 1;
        Some(String::from_utf8(line).map_err(|_| DataError::InvalidUtf8 {
            path: self.path.clone(),
            line: self.read,
        }))
    }
}

/// Reads all [`Lines`] of a file into memory, decompressing it when its name ends in `.gz`.
///
/// # Errors
/// [`DataError::Read`] or, with the number of the line, [`DataError::InvalidUtf8`].
pub fn read_lines(path: impl AsRef<Path>) -> Result<Vec<String>, DataError> {
    Lines::open(path)?.collect()
}

/// Divides text into [`Lines`]; `path` is what an error calls it.
///
/// # Errors
/// [`DataError::InvalidUtf8`] with the number of the line.
pub fn parse_lines(bytes: &[u8], path: &Path) -> Result<Vec<String>, DataError> {
    Lines::new(bytes, path).collect()
}

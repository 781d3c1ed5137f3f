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

/// Sentence pairs in the order of their files; never empty when read from files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParallelCorpus {
    /// The pairs. A side may be an empty sentence: [`Filter`](crate::filter::Filter) drops and counts those.
    pub pairs: Vec<SentencePair>,
}

impl ParallelCorpus {
    /// Reads the pairs of [`SentencePairs::open_files`].
    ///
    /// # Errors
    /// Those of [`SentencePairs`].
    pub fn read_files(source: impl AsRef<Path>, target: impl AsRef<Path>) -> Result<Self, DataError> {
        Ok(Self {
            pairs: SentencePairs::open_files(source, target)?.collect::<Result<_, _>>()?,
        })
    }

    /// Reads the pairs of [`SentencePairs::open_tsv`].
    ///
    /// # Errors
    /// Those of [`SentencePairs`].
    pub fn read_tsv(path: impl AsRef<Path>) -> Result<Self, DataError> {
        Ok(Self {
            pairs: SentencePairs::open_tsv(path)?.collect::<Result<_, _>>()?,
        })
    }
}

/// The pairs of files, one after the other. In place of a pair comes an error, after which reading should end: a file
/// cannot be read or is not UTF-8, the numbers of lines differ, a line does not have exactly one tab, or there is no
/// pair at all.
pub struct SentencePairs {
    files: Files,
    read: usize,
}

enum Files {
    Two {
        source: Lines<FileReader>,
        target: Lines<FileReader>,
    },
    Tsv(Lines<FileReader>),
}

impl SentencePairs {
    /// Opens two files in which line n of `target` translates line n of `source`; see [`Lines`].
    ///
    /// # Errors
    /// [`DataError::Read`].
    pub fn open_files(source: impl AsRef<Path>, target: impl AsRef<Path>) -> Result<Self, DataError> {
        Ok(Self {
            files: Files::Two {
                source: Lines::open(source)?,
                target: Lines::open(target)?,
            },
            read: 0,
        })
    }

    /// Opens one file of two columns, source and target, separated by a tab; see [`Lines`].
    ///
    /// # Errors
    /// [`DataError::Read`].
    pub fn open_tsv(path: impl AsRef<Path>) -> Result<Self, DataError> {
        Ok(Self {
            files: Files::Tsv(Lines::open(path)?),
            read: 0,
        })
    }
}

impl Iterator for SentencePairs {
    type Item = Result<SentencePair, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        let pair = match &mut self.files {
            Files::Two { source, target } => next_of_two(source, target),
            Files::Tsv(lines) => next_of_tsv(lines),
        };
        let pair = match pair {
            Ok(None) if self.read == 0 => Err(DataError::EmptyCorpus {
                path: match &self.files {
                    Files::Two { source: lines, .. } | Files::Tsv(lines) => lines.path.clone(),
                },
            }),
            pair => pair,
        };
        self.read += 1;
        pair.transpose()
    }
}

fn next_of_two(
    source: &mut Lines<FileReader>,
    target: &mut Lines<FileReader>,
) -> Result<Option<SentencePair>, DataError> {
    match (source.next().transpose()?, target.next().transpose()?) {
        (None, None) => Ok(None),
        (Some(source), Some(target)) => Ok(Some(SentencePair { source, target })),
        _ => {
            let count_all = |lines: &mut Lines<FileReader>| {
                lines.for_each(drop);
                lines.read
            };
            Err(DataError::UnequalLines {
                source_lines: count_all(source),
                source_path: source.path.clone(),
                target_lines: count_all(target),
                target_path: target.path.clone(),
            })
        }
    }
}

fn next_of_tsv(lines: &mut Lines<FileReader>) -> Result<Option<SentencePair>, DataError> {
    let Some(line) = lines.next().transpose()? else {
        return Ok(None);
    };
    match line.split_once('\t') {
        Some((source, target)) if !target.contains('\t') => Ok(Some(SentencePair {
            source: source.to_owned(),
            target: target.to_owned(),
        })),
        _ => Err(DataError::Columns {
            path: lines.path.clone(),
            line: lines.read,
            columns: line.split('\t').count(),
        }),
    }
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

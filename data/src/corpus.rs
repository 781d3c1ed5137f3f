//! Parallel text.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

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
    /// Reads two files in which line n of `target` translates line n of `source`; see [`read_lines`].
    ///
    /// # Errors
    /// A file cannot be read or is not UTF-8, the numbers of lines differ, or there are none.
    pub fn read_files(source: impl AsRef<Path>, target: impl AsRef<Path>) -> Result<Self, DataError> {
        let (source, target) = (source.as_ref(), target.as_ref());
        let source_lines = read_lines(source)?;
        let target_lines = read_lines(target)?;
        if source_lines.len() != target_lines.len() {
            return Err(DataError::UnequalLines {
                source_path: source.to_owned(),
                source_lines: source_lines.len(),
                target_path: target.to_owned(),
                target_lines: target_lines.len(),
            });
        }
        let pairs = source_lines
            .into_iter()
            .zip(target_lines)
            .map(|(source, target)| SentencePair { source, target })
            .collect();
        Self::non_empty(pairs, source)
    }

    /// Reads one file of two columns, source and target, separated by a tab; see [`read_lines`].
    ///
    /// # Errors
    /// The file cannot be read, is not UTF-8 or is empty, or a line does not have exactly one tab.
    pub fn read_tsv(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        let pairs = read_lines(path)?
            .iter()
            .enumerate()
            .map(|(index, line)| match line.split_once('\t') {
                Some((source, target)) if !target.contains('\t') => Ok(SentencePair {
                    source: source.to_owned(),
                    target: target.to_owned(),
                }),
                _ => Err(DataError::Columns {
                    path: path.to_owned(),
                    line: index + 1,
                    columns: line.split('\t').count(),
                }),
            })
            .collect::<Result<_, _>>()?;
        Self::non_empty(pairs, path)
    }

    fn non_empty(pairs: Vec<SentencePair>, path: &Path) -> Result<Self, DataError> {
        if pairs.is_empty() {
            return Err(DataError::EmptyCorpus {
                path: path.to_owned(),
            });
        }
        Ok(Self { pairs })
    }
}

/// Reads the lines of a UTF-8 text file, decompressing it when its name ends in `.gz`.
///
/// Only a line feed ends a line (with a carriage return before it, if there is one), so sentences that contain
/// Unicode's own line separators stay whole. Empty lines are kept; the last line needs no line feed. A byte order
/// mark at the start of the file is no part of its first line.
///
/// # Errors
/// [`DataError::Read`] or, with the number of the line, [`DataError::InvalidUtf8`].
pub fn read_lines(path: impl AsRef<Path>) -> Result<Vec<String>, DataError> {
    let path = path.as_ref();
    let bytes = read_bytes(path).map_err(|error| DataError::Read {
        path: path.to_owned(),
        error,
    })?;
    parse_lines(&bytes, path)
}

/// Divides text into lines as [`read_lines`] does; `path` is what an error calls it.
///
/// # Errors
/// [`DataError::InvalidUtf8`] with the number of the line.
pub fn parse_lines(bytes: &[u8], path: &Path) -> Result<Vec<String>, DataError> {
    let text = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    if text.is_empty() {
        return Ok(Vec::new());
    }
    text.strip_suffix(b"\n")
        .unwrap_or(text)
        .split(|&byte| byte == b'\n')
        .enumerate()
        .map(|(index, line)| {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            match std::str::from_utf8(line) {
                Ok(line) => Ok(line.to_owned()),
                Err(_) => Err(DataError::InvalidUtf8 {
                    path: path.to_owned(),
                    line: index + 1,
                }),
            }
        })
        .collect()
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    if path.extension().is_none_or(|extension| extension != "gz") {
        return fs::read(path);
    }
    let mut bytes = Vec::new();
    MultiGzDecoder::new(File::open(path)?).read_to_end(&mut bytes)?;
    Ok(bytes)
}

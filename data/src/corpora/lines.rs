//! Text files, line by line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::mem;
use std::path::{Path, PathBuf};

use crate::content::{check_text, without_mark};
use crate::corpora::compression::{beginning, decompress};
use crate::error::DataError;

/// The maximum number of bytes in a line, its line break included. A longer line is hardly text, and would fill the
/// memory.
const LONGEST_LINE: usize = 64 << 20;

/// The lines of a UTF-8 text, read one at a time.
///
/// A line ends with a line feed, or with a carriage return and a line feed. Unicode's other line separators do not end
/// a line. Empty lines count. The last line needs no line feed. A byte order mark at the start of the text is skipped.
/// The text is decompressed if it begins as files of bzip2, gzip, xz or Zstandard do, or if the name of its file ends
/// in `.bz2`, `.gz`, `.xz` or `.zst`.
///
/// The iterator returns [`DataError::LongLine`] for a line of more than 64 MiB, [`DataError::InvalidUtf8`] for a line
/// that is not UTF-8, and [`DataError::Read`] if reading fails. If the text begins like text in UTF-16 or UTF-32, or
/// like an archive, it returns [`DataError::Encoding`] or [`DataError::Archive`], and the iterator ends.
pub struct Lines {
    reader: Box<dyn BufRead + Send>,
    path: PathBuf,
    /// Whether the beginning of the text has been looked at.
    has_begun: bool,
    /// The number of lines read so far.
    line: usize,
    bytes: Vec<u8>,
}

impl Lines {
    /// Opens a file.
    ///
    /// # Errors
    /// Returns [`DataError::Read`] if the file cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|error| DataError::read(path, error))?;
        Ok(Self::new(BufReader::new(file), path))
    }

    /// Reads lines from `reader`. Errors name the text by `path`.
    #[must_use]
    pub fn new(reader: impl BufRead + Send + 'static, path: impl Into<PathBuf>) -> Self {
        Self {
            reader: Box::new(reader),
            path: path.into(),
            has_begun: false,
            line: 0,
            bytes: Vec::new(),
        }
    }

    /// Returns the path by which errors name the text.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the number of the line read last, counted from one.
    #[must_use]
    pub fn line(&self) -> usize {
        self.line
    }

    /// Returns the first bytes of the text without taking them, as many as come at once. The text is decompressed.
    ///
    /// # Errors
    /// Returns [`DataError::Read`] if the text cannot be read, and [`DataError::Encoding`] or [`DataError::Archive`] if
    /// it is none.
    pub(crate) fn beginning(&mut self) -> Result<&[u8], DataError> {
        self.begin()?;
        beginning(&mut self.reader).map_err(|error| DataError::read(&self.path, error))
    }

    /// Looks at the beginning of the text, which shows whether it is compressed, and whether it is text.
    fn begin(&mut self) -> Result<(), DataError> {
        if mem::replace(&mut self.has_begun, true) {
            return Ok(());
        }
        let unreadable = |error| DataError::read(&self.path, error);
        let reader = mem::replace(&mut self.reader, Box::new(io::empty()));
        let mut reader = decompress(reader, &self.path).map_err(unreadable)?;
        check_text(beginning(&mut reader).map_err(unreadable)?, &self.path)?;
        self.reader = reader;
        Ok(())
    }
}

impl Iterator for Lines {
    type Item = Result<String, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.begin() {
            return Some(Err(error));
        }
        self.bytes.clear();
        let mut reader = self.reader.by_ref().take(LONGEST_LINE as u64 + 1);
        if let Err(error) = reader.read_until(b'\n', &mut self.bytes) {
            return Some(Err(DataError::read(&self.path, error)));
        }
        if self.bytes.len() > LONGEST_LINE {
            return Some(Err(DataError::LongLine {
                path: self.path.clone(),
                line: self.line + 1,
                mebibytes: LONGEST_LINE >> 20,
            }));
        }
        let mut line = self.bytes.as_slice();
        if self.line == 0 {
            line = without_mark(line);
        }
        if line.is_empty() {
            return None;
        }
        self.line += 1;
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        Some(match std::str::from_utf8(line) {
            Ok(line) => Ok(line.to_owned()),
            Err(_) => Err(DataError::InvalidUtf8 {
                path: self.path.clone(),
                line: self.line,
            }),
        })
    }
}

/// Reads all [`Lines`] of a file.
///
/// # Errors
/// Returns [`DataError::Read`] if the file cannot be read, and the errors of [`Lines`].
pub fn read_lines(path: impl AsRef<Path>) -> Result<Vec<String>, DataError> {
    Lines::open(path)?.collect()
}

//! Text files, line by line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;

use crate::corpora::compression::compression;
use crate::error::DataError;

/// The maximum number of bytes in a line, its line break included. A longer line is hardly text, and would fill the
/// memory.
const LONGEST_LINE: usize = 64 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The lines of a UTF-8 text, read one at a time.
///
/// A line ends with a line feed, or with a carriage return and a line feed. Unicode's other line separators do not end
/// a line. Empty lines count. The last line needs no line feed. A byte order mark at the start of the text is skipped.
///
/// The iterator returns [`DataError::LongLine`] for a line of more than 64 MiB, [`DataError::InvalidUtf8`] for a line
/// that is not UTF-8, and [`DataError::Read`] if reading fails.
pub struct Lines {
    reader: Box<dyn BufRead + Send>,
    path: PathBuf,
    /// The number of lines read so far.
    line: usize,
    bytes: Vec<u8>,
}

impl Lines {
    /// Opens a file. It is decompressed if its name ends in `.gz`, `.xz` or `.zst`.
    ///
    /// # Errors
    /// Returns [`DataError::Read`] if the file cannot be opened.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        let reader = open(path).map_err(|error| DataError::read(path, error))?;
        Ok(Self::new(reader, path))
    }

    /// Reads lines from `reader`. Errors name the text by `path`.
    #[must_use]
    pub fn new(reader: impl BufRead + Send + 'static, path: impl Into<PathBuf>) -> Self {
        Self {
            reader: Box::new(reader),
            path: path.into(),
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
}

impl Iterator for Lines {
    type Item = Result<String, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
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
            line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line);
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
/// Returns [`DataError::Read`] if the file cannot be read, [`DataError::InvalidUtf8`] if a line is not UTF-8, and
/// [`DataError::LongLine`] if a line is too long.
pub fn read_lines(path: impl AsRef<Path>) -> Result<Vec<String>, DataError> {
    Lines::open(path)?.collect()
}

fn open(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    let file = BufReader::new(File::open(path)?);
    Ok(match compression(path) {
        // In each of these formats a file may consist of several compressed parts, one after the other.
        Some("gz") => Box::new(BufReader::new(MultiGzDecoder::new(file))),
        Some("xz") => Box::new(BufReader::new(XzDecoder::new_multi_decoder(file))),
        Some("zst") => Box::new(BufReader::new(zstd::Decoder::with_buffer(file)?)),
        _ => Box::new(file),
    })
}

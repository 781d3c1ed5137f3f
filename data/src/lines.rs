//! Text files, line by line.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;

use crate::error::DataError;

/// The endings of the names of compressed files.
pub(crate) const COMPRESSED: [&str; 3] = ["gz", "xz", "zst"];

/// The most bytes of a line, its end included: what is longer is no text, and would fill the memory.
const LONGEST_LINE: usize = 64 << 20;

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// The lines of a UTF-8 text, read one at a time.
///
/// Only a line feed ends a line (with a carriage return before it, if there is one), so sentences that contain
/// Unicode's own line separators stay whole. Empty lines are kept; the last line needs no line feed. A byte order
/// mark at the start of the text is no part of its first line. A line has 64 MiB at the most.
pub struct Lines {
    reader: Box<dyn BufRead + Send>,
    path: PathBuf,
    /// Lines read so far.
    line: usize,
    bytes: Vec<u8>,
}

impl Lines {
    /// Opens a file, and decompresses it when its name ends in `.gz`, `.xz` or `.zst`.
    ///
    /// # Errors
    /// [`DataError::Read`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        let reader = open(path).map_err(|error| DataError::read(path, error))?;
        Ok(Self::new(reader, path))
    }

    /// The lines of what `reader` reads; `path` is what an error calls it.
    #[must_use]
    pub fn new(reader: impl BufRead + Send + 'static, path: impl Into<PathBuf>) -> Self {
        Self {
            reader: Box::new(reader),
            path: path.into(),
            line: 0,
            bytes: Vec::new(),
        }
    }

    /// What an error calls the text.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The number of the line read last, counted from one.
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

/// The [`Lines`] of a file.
///
/// # Errors
/// [`DataError::Read`] or, with the number of the line, [`DataError::InvalidUtf8`].
pub fn read_lines(path: impl AsRef<Path>) -> Result<Vec<String>, DataError> {
    Lines::open(path)?.collect()
}

fn open(path: &Path) -> io::Result<Box<dyn BufRead + Send>> {
    let file = BufReader::new(File::open(path)?);
    Ok(match compression(path) {
        // Each of the three may hold several compressed parts, one behind the other.
        Some("gz") => Box::new(BufReader::new(MultiGzDecoder::new(file))),
        Some("xz") => Box::new(BufReader::new(XzDecoder::new_multi_decoder(file))),
        Some("zst") => Box::new(BufReader::new(zstd::Decoder::with_buffer(file)?)),
        _ => Box::new(file),
    })
}

/// Whether [`Lines::open`] would decompress a file.
#[must_use]
pub fn is_compressed(path: &Path) -> bool {
    compression(path).is_some()
}

/// The ending of a compressed file's name.
pub(crate) fn compression(path: &Path) -> Option<&'static str> {
    let ending = path.extension()?;
    COMPRESSED.into_iter().find(|compressed| ending == *compressed)
}

//! The formats of compression, which a file shows by its first bytes, or by the ending of its name.

use std::fs::File;
use std::io::{self, BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;

#[derive(Clone, Copy)]
enum Compression {
    Bzip2,
    Gzip,
    Xz,
    Zstd,
}

impl Compression {
    const ALL: [Self; 4] = [Self::Bzip2, Self::Gzip, Self::Xz, Self::Zstd];

    /// Returns the ending of the files' names.
    fn ending(self) -> &'static str {
        match self {
            Self::Bzip2 => "bz2",
            Self::Gzip => "gz",
            Self::Xz => "xz",
            Self::Zstd => "zst",
        }
    }

    /// Returns the bytes that every file begins with.
    fn signature(self) -> &'static [u8] {
        match self {
            Self::Bzip2 => b"BZh",
            Self::Gzip => b"\x1F\x8B\x08",
            Self::Xz => b"\xFD7zXZ\0",
            Self::Zstd => b"\x28\xB5\x2F\xFD",
        }
    }

    fn of_name(path: &Path) -> Option<Self> {
        let ending = path.extension()?;
        let mut all = Self::ALL.into_iter();
        all.find(|compression| ending.eq_ignore_ascii_case(compression.ending()))
    }

    fn of_content(start: &[u8]) -> Option<Self> {
        // The signature of bzip2 is text. The first block of a file, or its end, begins with one of two numbers.
        let is_bzip2 = || matches!(start.get(4..6), Some(b"\x31\x41" | b"\x17\x72"));
        let mut all = Self::ALL.into_iter();
        all.find(|compression| match compression {
            Self::Bzip2 => start.starts_with(compression.signature()) && is_bzip2(),
            _ => start.starts_with(compression.signature()),
        })
    }
}

/// Returns whether [`Lines::open`](crate::Lines::open) decompresses a file: whether its name ends in `.bz2`, `.gz`,
/// `.xz` or `.zst`, in letters of either case, or it begins as such a file does.
#[must_use]
pub fn is_compressed(path: &Path) -> bool {
    // What can be read only once must not be opened for a look.
    let start = || {
        let file = path.is_file().then(|| File::open(path).ok()).flatten()?;
        beginning(&mut BufReader::new(file))
            .ok()
            .and_then(Compression::of_content)
    };
    Compression::of_name(path).or_else(start).is_some()
}

/// Returns a path without the ending for its compression: `text.de` for `text.de.zst`.
pub(crate) fn without_compression(path: &Path) -> PathBuf {
    match Compression::of_name(path) {
        Some(_) => path.with_extension(""),
        None => path.to_owned(),
    }
}

/// Returns a reader of a file's text, which decompresses it if its first bytes or its name ask for that. If they ask
/// for different formats, the bytes are right.
pub(crate) fn decompress(
    mut file: Box<dyn BufRead + Send>,
    path: &Path,
) -> io::Result<Box<dyn BufRead + Send>> {
    let compression = Compression::of_content(beginning(&mut file)?).or_else(|| Compression::of_name(path));
    Ok(match compression {
        // In each of these formats a file may consist of several compressed parts, one after the other.
        Some(Compression::Bzip2) => Box::new(BufReader::new(MultiBzDecoder::new(file))),
        Some(Compression::Gzip) => Box::new(BufReader::new(MultiGzDecoder::new(file))),
        Some(Compression::Xz) => Box::new(BufReader::new(XzDecoder::new_multi_decoder(file))),
        Some(Compression::Zstd) => Box::new(BufReader::new(zstd::Decoder::with_buffer(file)?)),
        None => file,
    })
}

/// Returns the first bytes of a text, without taking them: as many as come at once, and none of an empty text.
pub(crate) fn beginning(reader: &mut impl BufRead) -> io::Result<&[u8]> {
    while let Err(error) = reader.fill_buf() {
        if error.kind() != ErrorKind::Interrupted {
            return Err(error);
        }
    }
    reader.fill_buf()
}

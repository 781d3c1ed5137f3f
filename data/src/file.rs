//! Writing files so that a reader never finds a half-written file.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Display, Path, PathBuf};

#[cfg(feature = "corpora")]
use std::fs::{FileType, Metadata};
#[cfg(any(feature = "corpora", feature = "download"))]
use {
    sha2::{Digest, Sha256},
    std::io::Read,
};

use crate::content::{check_text, without_mark};
use crate::error::DataError;

/// The path of standard input.
pub const STANDARD_INPUT: &str = "/dev/stdin";

/// Returns the name of a file for an error message: its path, or `standard input` for [`STANDARD_INPUT`].
#[must_use]
pub fn named(path: &Path) -> Display<'_> {
    if path == Path::new(STANDARD_INPUT) {
        Path::new("standard input").display()
    } else {
        path.display()
    }
}

/// Returns the [name](named) of a file for an error message, and for a relative path the folder that it is relative to,
/// as in `corpora/train.en (in /home/ada)`.
#[must_use]
pub fn located(path: &Path) -> String {
    match env::current_dir() {
        Ok(folder) if path.is_relative() => format!("{} (in {})", path.display(), folder.display()),
        _ => named(path).to_string(),
    }
}

/// Reads a whole file of UTF-8 text, without a byte order mark at its start.
///
/// # Errors
/// Returns [`DataError::Read`] if the file cannot be read, [`DataError::Encoding`] or [`DataError::Archive`] if it
/// begins like text in another encoding or like an archive, and [`DataError::InvalidUtf8`] if it is not UTF-8.
pub fn read_text(path: impl AsRef<Path>) -> Result<String, DataError> {
    let path = path.as_ref();
    let mut bytes = fs::read(path).map_err(|error| DataError::read(path, error))?;
    check_text(&bytes, path)?;
    bytes.drain(..bytes.len() - without_mark(&bytes).len());
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        DataError::InvalidUtf8 {
            path: path.to_owned(),
            line: 1 + valid.iter().filter(|byte| **byte == b'\n').count(),
        }
    })
}

/// Returns the temporary name of a file, `NAME.part`.
pub(crate) fn part_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".part");
    PathBuf::from(name)
}

/// Checks that a file, if it is there, can be read several times.
///
/// # Errors
/// Returns [`DataError::ReadOnce`] if it is a pipe, a socket, or a device other than the null device, which is always
/// empty.
#[cfg(feature = "corpora")]
pub(crate) fn check_rereadable(path: &Path) -> Result<(), DataError> {
    let kind = match fs::metadata(path) {
        Ok(metadata) if !metadata.is_file() && !metadata.is_dir() && !is_null(&metadata) => {
            kind(metadata.file_type())
        }
        // To open the file fails, or tells what is wrong with it.
        _ => return Ok(()),
    };
    Err(DataError::ReadOnce {
        path: path.to_owned(),
        kind,
    })
}

/// Returns whether a file is the null device.
#[cfg(all(feature = "corpora", unix))]
fn is_null(file: &Metadata) -> bool {
    use std::os::unix::fs::{FileTypeExt, MetadataExt};
    let is_device = |file: &Metadata| file.file_type().is_char_device();
    fs::metadata("/dev/null")
        .is_ok_and(|null| is_device(&null) && is_device(file) && null.rdev() == file.rdev())
}

#[cfg(all(feature = "corpora", not(unix)))]
fn is_null(_file: &Metadata) -> bool {
    false
}

/// Returns what a file is that is neither regular nor a folder.
#[cfg(feature = "corpora")]
fn kind(file: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if file.is_fifo() {
            return "pipe";
        }
        if file.is_socket() {
            return "socket";
        }
    }
    let _ = file;
    "device"
}

/// Returns the SHA-256 sum of a file.
///
/// # Errors
/// Returns [`DataError::Read`] if the file cannot be read.
#[cfg(any(feature = "corpora", feature = "download"))]
pub(crate) fn sha256(path: &Path) -> Result<[u8; 32], DataError> {
    Ok(digest(Sha256::new(), path)?.into())
}

/// Adds the content of a file to a sum, and returns the sum.
///
/// # Errors
/// Returns [`DataError::Read`] if the file cannot be read.
#[cfg(any(feature = "corpora", feature = "download"))]
pub(crate) fn digest<D: Digest>(mut sum: D, path: &Path) -> Result<sha2::digest::Output<D>, DataError> {
    let read_error = |error| DataError::read(path, error);
    let mut file = File::open(path).map_err(read_error)?;
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer).map_err(read_error)? {
            0 => return Ok(sum.finalize()),
            count => sum.update(&buffer[..count]),
        }
    }
}

/// A file that is written piece by piece and gets its name when it is complete.
///
/// The pieces are written to a temporary file, `NAME.part`, in the same folder. [`finish`](Self::finish) renames the
/// temporary file to `NAME`, which replaces an older file of that name. If `NAME` is a symbolic link, the file that the
/// link points to is replaced. If `NAME` is a device, a FIFO or `/dev/stdout`, there is no temporary file, and each
/// piece is written directly.
///
/// If a file is dropped unfinished, the temporary file stays, unless it is empty.
#[derive(Debug)]
pub struct OutputFile {
    /// The path as the caller gave it.
    path: PathBuf,
    file: File,
    /// The temporary path and the final path; `None` if the pieces are written directly to the final path.
    rename: Option<(PathBuf, PathBuf)>,
    is_empty: bool,
}

impl OutputFile {
    /// Opens the file. Opening a FIFO waits for its reader.
    ///
    /// # Errors
    /// Returns [`DataError::Write`] if `path` is a folder, or its folder is missing or not writable.
    pub fn create(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let path = path.as_ref();
        Self::open(path).map_err(|error| DataError::write(path, error))
    }

    fn open(path: &Path) -> io::Result<Self> {
        let (file, rename) = match destination(path)? {
            Destination::Straight(path) => (OpenOptions::new().append(true).open(path)?, None),
            Destination::Replaced(path) => {
                let part = part_path(&path);
                (File::create(&part)?, Some((part, path)))
            }
        };
        Ok(Self {
            path: path.to_owned(),
            file,
            rename,
            is_empty: true,
        })
    }

    /// Returns the temporary path; `None` if the pieces are written directly to the final path.
    #[must_use]
    pub fn part(&self) -> Option<&Path> {
        self.rename.as_ref().map(|(part, _)| part.as_path())
    }

    /// Flushes the file to disk, renames it, and flushes the folder, so that the file is not lost if the machine loses
    /// power.
    ///
    /// # Errors
    /// Returns [`DataError::Write`] if the disk is full or fails.
    pub fn finish(mut self) -> Result<(), DataError> {
        let Some((part, path)) = self.rename.take() else {
            return Ok(());
        };
        let rename = || {
            self.file.sync_all()?;
            fs::rename(part, &path)?;
            sync_folder(path.parent().unwrap_or(Path::new("")))
        };
        rename().map_err(|error| DataError::write(&self.path, error))
    }
}

impl Write for OutputFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.is_empty &= written == 0;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if self.is_empty
            && let Some((part, _)) = &self.rename
        {
            // An empty file that stays behind would do no harm.
            let _ = fs::remove_file(part);
        }
    }
}

/// The way in which a path is written.
enum Destination {
    /// The path is not a regular file. The pieces are written directly to it.
    Straight(PathBuf),
    /// The path, with links followed, is a regular file or does not exist. A temporary file replaces it.
    Replaced(PathBuf),
}

fn destination(path: &Path) -> io::Result<Destination> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(metadata) if !metadata.is_file() => return Ok(Destination::Straight(path.to_owned())),
        // Links in a circle are an error here, so that the loop below ends.
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut path = path.to_owned();
    loop {
        let name = path.file_name().ok_or(io::ErrorKind::NotFound)?;
        let folder = match path.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder.canonicalize()?,
            _ => Path::new(".").canonicalize()?,
        };
        let real = folder.join(name);
        // /dev/stdout is a link to an open file of a process, which lies below /proc.
        if folder.starts_with("/proc") {
            return Ok(Destination::Straight(real));
        }
        match fs::read_link(&real) {
            Ok(link) => path = folder.join(link),
            Err(_) => return Ok(Destination::Replaced(real)),
        }
    }
}

/// Writes `contents` to `path` as an [`OutputFile`].
///
/// # Errors
/// Returns [`DataError::Write`] if the folder is missing or not writable, or the disk is full.
pub fn write_file(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> Result<(), DataError> {
    let path = path.as_ref();
    let mut file = OutputFile::create(path)?;
    file.write_all(contents.as_ref())
        .map_err(|error| DataError::write(path, error))?;
    file.finish()
}

/// Flushes the list of a folder's files to disk, so that a renamed file keeps its new name if the machine loses power.
/// An empty path means the working folder. Does nothing on systems that cannot open a folder.
///
/// # Errors
/// Returns the system's error if the folder is missing or the disk fails.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let is_empty = folder.as_os_str().is_empty();
    let folder = if is_empty { Path::new(".") } else { folder };
    File::open(folder)?.sync_all()
}

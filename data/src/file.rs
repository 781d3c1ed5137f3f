//! Writing files so that a reader never meets half of one.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::DataError;

/// The temporary name beside `path` under which the file is built before it is renamed.
pub(crate) fn part_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".part");
    PathBuf::from(name)
}

/// A file that is written piece by piece.
///
/// What it holds is built under a temporary name beside its own, `NAME.part`, and [`finish`](Self::finish) renames it:
/// an older file of that name is replaced whole or not at all. Where the name is a symbolic link, the file it points
/// to is replaced. What exists and is no regular file, such as a device, a FIFO or `/dev/stdout`, is written to
/// straight.
///
/// A file that is never finished stays under its temporary name, if anything was written.
#[derive(Debug)]
pub struct OutputFile {
    /// As the user calls it.
    path: PathBuf,
    file: File,
    /// The temporary name and the one it gets in the end, where the file is not written straight.
    rename: Option<(PathBuf, PathBuf)>,
    is_empty: bool,
}

impl OutputFile {
    /// Opens the file. A FIFO waits for its reader.
    ///
    /// # Errors
    /// [`DataError::Write`] when `path` is a folder, or its folder is missing or not writable.
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

    /// The temporary name, where there is one.
    #[must_use]
    pub fn part(&self) -> Option<&Path> {
        self.rename.as_ref().map(|(part, _)| part.as_path())
    }

    /// Flushes the file to disk and gives it its name, and flushes the folder too: it is there even where the machine
    /// loses power.
    ///
    /// # Errors
    /// [`DataError::Write`] when the disk is full or fails.
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
        if let (true, Some((part, _))) = (self.is_empty, &self.rename) {
            // An empty file left behind would be untidy, no more.
            let _ = fs::remove_file(part);
        }
    }
}

/// How a path is written to.
enum Destination {
    /// What exists there is no regular file.
    Straight(PathBuf),
    /// A regular file, or nothing yet: the path without links.
    Replaced(PathBuf),
}

fn destination(path: &Path) -> io::Result<Destination> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => return Err(io::ErrorKind::IsADirectory.into()),
        Ok(metadata) if !metadata.is_file() => return Ok(Destination::Straight(path.to_owned())),
        // Links in a circle are an error here, so that following them ends.
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
        // The open files of a process, to which /dev/stdout leads.
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
/// [`DataError::Write`] when the folder is missing, not writable or full.
pub fn write_file(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> Result<(), DataError> {
    let path = path.as_ref();
    let mut file = OutputFile::create(path)?;
    file.write_all(contents.as_ref())
        .map_err(|error| DataError::write(path, error))?;
    file.finish()
}

/// Flushes to disk which names a folder holds, so that a file renamed into it stays there. An empty path is the
/// working folder. Does nothing on systems that cannot open a folder.
///
/// # Errors
/// If the folder is missing or the disk fails.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        return Ok(());
    }
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    File::open(folder)?.sync_all()
}

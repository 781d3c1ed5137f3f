//! Writing files so that a reader never meets half of one.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::error::DataError;

/// The temporary name beside `path` under which the file is built before it is renamed.
pub(crate) fn part_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".part");
    PathBuf::from(name)
}

/// Writes `contents` to `path`: to a temporary name beside it, flushed to disk, then renamed, and the folder flushed
/// too. An older file of that name is replaced whole or not at all, even where the machine loses power.
///
/// # Errors
/// [`DataError::Write`] when the folder is missing, not writable or full.
pub fn write_file(path: impl AsRef<Path>, contents: impl AsRef<[u8]>) -> Result<(), DataError> {
    let path = path.as_ref();
    let part = part_path(path);
    let write = || {
        let mut file = File::create(&part)?;
        file.write_all(contents.as_ref())?;
        file.sync_all()?;
        fs::rename(&part, path)?;
        sync_folder(path.parent().unwrap_or(Path::new("")))
    };
    write().map_err(|error| DataError::write(path, error))
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

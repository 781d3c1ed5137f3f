//! Writing files so that a reader never meets half of one.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::DataError;

/// The temporary name beside `path` under which the file is built before it is renamed.
pub(crate) fn part_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".part");
    PathBuf::from(name)
}

/// Writes `contents` to `path`: to a temporary name beside it, flushed to disk, then renamed. An older file of
/// that name is replaced whole or not at all.
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
        fs::rename(&part, path)
    };
    write().map_err(|error| DataError::Write {
        path: path.to_owned(),
        error,
    })
}

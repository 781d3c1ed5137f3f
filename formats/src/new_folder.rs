//! A folder that gets its files when all of them are complete, and the temporary folder in which they are before.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use attend_data::{DataError, sync_folder};
use tempfile::TempDir;

use crate::error::FormatError;

/// The file of a model that makes its folder one.
pub(crate) const CONFIG: &str = "config.json";
/// The start of the names of temporary folders.
const TEMPORARY: &str = ".attend-";
/// The file of a temporary folder that is locked while it is in use.
const LOCK: &str = "lock";

/// A folder that is removed with all that is in it when this is dropped. If the program is ended from outside, as by
/// Ctrl-C, the next temporary folder in the same place removes it.
pub struct TemporaryFolder {
    folder: TempDir,
    _lock: File,
}

impl TemporaryFolder {
    /// Makes a folder in the folder `parent`. Removes those there that are not in use any more.
    ///
    /// # Errors
    ///
    /// If there is no place to write to.
    pub fn create_in(parent: &Path) -> io::Result<Self> {
        remove_abandoned(parent);
        let folder = tempfile::Builder::new().prefix(TEMPORARY).tempdir_in(parent)?;
        // The lock gets its name when it is locked, since a folder with an open lock is taken for one not in use.
        let unnamed = folder.path().join("new-lock");
        let lock = File::create(&unnamed)?;
        lock.lock()?;
        fs::rename(unnamed, folder.path().join(LOCK))?;
        Ok(Self { folder, _lock: lock })
    }

    /// Returns the path of the folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// A folder to be, whose files are in a temporary folder beside it until they are complete.
pub(crate) struct NewFolder {
    output: PathBuf,
    folder: PathBuf,
    _temporary: TemporaryFolder,
}

impl NewFolder {
    /// Checks that `output` does not exist yet or is empty, before anything is written. What an earlier command has
    /// left there that was ended from outside, as by Ctrl-C, is removed.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError::OutputExists`] if `output` has files.
    pub(crate) fn require_new(output: &Path) -> Result<(), FormatError> {
        remove_abandoned(place_beside(output));
        if fs::read_dir(output).is_ok_and(|mut files| files.next().is_some()) || output.is_file() {
            return Err(FormatError::OutputExists {
                path: output.to_owned(),
            });
        }
        Ok(())
    }

    /// Makes the temporary folder of `output`.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError::Data`] if there is no place to write to.
    pub(crate) fn create(output: &Path) -> Result<Self, FormatError> {
        let unwritable = |error| DataError::write(output, error);
        let parent = place_beside(output);
        fs::create_dir_all(parent).map_err(unwritable)?;
        let temporary = TemporaryFolder::create_in(parent).map_err(unwritable)?;
        let folder = temporary.path().join("model");
        fs::create_dir(&folder).map_err(unwritable)?;
        Ok(Self {
            output: output.to_owned(),
            folder,
            _temporary: temporary,
        })
    }

    /// Returns the folder to write the files to.
    pub(crate) fn path(&self) -> &Path {
        &self.folder
    }

    /// Gives the folder its name.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError::Data`] if the folder cannot be renamed, or its files cannot be moved.
    pub(crate) fn finish(self) -> Result<(), FormatError> {
        let output = &self.output;
        if output.is_dir() {
            move_files(&self.folder, output)
        } else {
            fs::rename(&self.folder, output)
        }
        .and_then(|()| sync_folder(place_beside(output)))
        .map_err(|error| DataError::write(output, error).into())
    }
}

/// Returns the folder in which the temporary folder of `output` is.
fn place_beside(output: &Path) -> &Path {
    match output.parent() {
        // The folder itself may be the present one, or a disk of its own.
        _ if output.is_dir() => output,
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Moves the files of a model to another folder. `config.json` comes last, without which it is no model.
fn move_files(folder: &Path, output: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name();
        if name != CONFIG {
            fs::rename(folder.join(&name), output.join(&name))?;
        }
    }
    fs::rename(folder.join(CONFIG), output.join(CONFIG))
}

/// Removes the temporary folders that are not in use any more. The system has released their locks.
fn remove_abandoned(parent: &Path) {
    for entry in fs::read_dir(parent).into_iter().flatten().flatten() {
        let is_temporary = entry.file_name().to_string_lossy().starts_with(TEMPORARY);
        let lock = File::open(entry.path().join(LOCK));
        if is_temporary && lock.is_ok_and(|lock| lock.try_lock().is_ok()) {
            // What cannot be removed does no harm.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

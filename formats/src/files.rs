//! The files of a foreign model, which are in a folder or in a zip archive.

use std::cell::RefCell;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use attend_data::{DataError, SentencePieceModel};
use serde::de::DeserializeOwned;

use crate::archive::Archive;
use crate::error::FormatError;

/// The files of a model.
pub(crate) enum Files {
    /// A folder.
    Folder(PathBuf),
    /// A folder of an archive, whose path in the archive ends with `/`, unless it is empty.
    Archive {
        archive: Rc<RefCell<Archive>>,
        folder: String,
    },
}

impl Files {
    /// Returns the path of a file, for error messages.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.join(name),
            Self::Archive { archive, folder } => archive.borrow().path().join(format!("{folder}{name}")),
        }
    }

    /// Returns the path of the folder, for error messages.
    pub(crate) fn folder(&self) -> PathBuf {
        match self {
            Self::Folder(folder) => folder.clone(),
            Self::Archive { archive, .. } => archive.borrow().path().to_owned(),
        }
    }

    /// Returns the files of a folder within this one.
    pub(crate) fn folder_in(&self, name: &str) -> Self {
        match self {
            Self::Folder(folder) => Self::Folder(folder.join(name)),
            Self::Archive { archive, folder } => Self::Archive {
                archive: Rc::clone(archive),
                folder: format!("{folder}{name}/"),
            },
        }
    }

    /// Returns the names of the files in the folder, in alphabetical order.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError::Data`] if the folder cannot be read.
    pub(crate) fn names(&self) -> Result<Vec<String>, FormatError> {
        let mut names = match self {
            Self::Folder(folder) => {
                let read_error = |error| DataError::read(folder, error);
                let mut names = Vec::new();
                for entry in fs::read_dir(folder).map_err(read_error)? {
                    let entry = entry.map_err(read_error)?;
                    if entry.path().is_file() {
                        names.extend(entry.file_name().into_string());
                    }
                }
                names
            }
            Self::Archive { archive, folder } => {
                let names = archive.borrow().names()?;
                let names = names.iter().filter_map(|name| name.strip_prefix(folder));
                let names = names.filter(|name| !name.is_empty() && !name.contains('/'));
                names.map(str::to_owned).collect()
            }
        };
        names.sort_unstable();
        Ok(names)
    }

    /// Returns the number of bytes of a file.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError::Data`] or [`FormatError::Damaged`] if there is no such file.
    pub(crate) fn length(&self, name: &str) -> Result<u64, FormatError> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                let metadata = fs::metadata(&path).map_err(|error| DataError::read(&path, error))?;
                Ok(metadata.len())
            }
            Self::Archive { archive, folder } => archive.borrow_mut().length(&format!("{folder}{name}")),
        }
    }

    /// Reads a file; `None` if there is none of that name.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError::Data`] or [`FormatError::Damaged`] if the file cannot be read.
    pub(crate) fn read_if_present(&self, name: &str) -> Result<Option<Vec<u8>>, FormatError> {
        match self {
            Self::Folder(folder) => {
                let path = folder.join(name);
                match fs::read(&path) {
                    Ok(bytes) => Ok(Some(bytes)),
                    Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
                    Err(error) => Err(DataError::read(&path, error).into()),
                }
            }
            Self::Archive { archive, folder } => {
                let name = format!("{folder}{name}");
                let mut archive = archive.borrow_mut();
                if archive.names()?.contains(&name) {
                    archive.read(&name).map(Some)
                } else {
                    Ok(None)
                }
            }
        }
    }

    /// Reads a file. `purpose` says what it is for if it is missing.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError::Missing`] if there is no file of that name, and the errors of
    /// [`read_if_present`](Self::read_if_present).
    pub(crate) fn read(&self, name: &str, purpose: &str) -> Result<Vec<u8>, FormatError> {
        let missing = || FormatError::Missing {
            path: self.folder(),
            missing: format!("{name}, {purpose}"),
        };
        self.read_if_present(name)?.ok_or_else(missing)
    }

    /// Reads a SentencePiece model. `purpose` says what it is for if it is missing.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError::Data`] if the file is no such model, and the errors of [`read`](Self::read).
    pub(crate) fn pieces(&self, name: &str, purpose: &str) -> Result<SentencePieceModel, FormatError> {
        let bytes = self.read(name, purpose)?;
        Ok(SentencePieceModel::from_bytes(&self.path(name), bytes)?)
    }

    /// Reads a file of JSON; `None` if there is none of that name.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError::Settings`] if the file is not valid, and the errors of
    /// [`read_if_present`](Self::read_if_present).
    pub(crate) fn json_if_present<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, FormatError> {
        let bytes = self.read_if_present(name)?;
        bytes
            .map(|bytes| parse_json(&self.path(name), &bytes))
            .transpose()
    }

    /// Reads a file of JSON. `purpose` says what it is for if it is missing.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError::Settings`] if the file is not valid, and the errors of [`read`](Self::read).
    pub(crate) fn json<T: DeserializeOwned>(&self, name: &str, purpose: &str) -> Result<T, FormatError> {
        parse_json(&self.path(name), &self.read(name, purpose)?)
    }
}

/// Parses the JSON of a file. The error names the field that it is about.
fn parse_json<T: DeserializeOwned>(path: &Path, bytes: &[u8]) -> Result<T, FormatError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let field = error.path().to_string();
        let reason = error.into_inner().to_string();
        let reason = if field == "." || reason.contains(&format!("`{field}`")) {
            reason
        } else {
            format!("`{field}`: {reason}")
        };
        FormatError::settings(path, reason)
    })
}

//! Zip archives whose makers are not trusted.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use attend_data::DataError;
use zip::ZipArchive;

use crate::error::FormatError;

/// The number of times that an archive may grow when it is unpacked. Weights hardly shrink by compression, and
/// vocabularies by less than ten times.
const MOST_GROWTH: u64 = 20;

/// A zip archive, whose members are read into memory one by one. Nothing is unpacked to disk.
pub(crate) struct Archive {
    path: PathBuf,
    format: &'static str,
    archive: ZipArchive<BufReader<File>>,
}

impl Archive {
    /// Opens an archive, and checks the names and sizes that it claims for its members. `format` says in errors what
    /// the archive is.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError::Data`] if the file cannot be read; [`FormatError::Damaged`] if it is no zip archive; and
    /// [`FormatError::Trap`] if it has a member whose name leads out of a folder, or grows very much when it is
    /// unpacked.
    pub(crate) fn open(path: &Path, format: &'static str) -> Result<Self, FormatError> {
        let damaged = |reason: String| FormatError::damaged(path, format, reason);
        let trap = |reason: String| FormatError::Trap {
            path: path.to_owned(),
            reason,
        };
        let file = File::open(path).map_err(|error| DataError::read(path, error))?;
        let length = file
            .metadata()
            .map_err(|error| DataError::read(path, error))?
            .len();
        let mut archive =
            ZipArchive::new(BufReader::new(file)).map_err(|error| damaged(error.to_string()))?;
        let mut unpacked = 0_u64;
        for index in 0..archive.len() {
            let member = archive
                .by_index_raw(index)
                .map_err(|error| damaged(error.to_string()))?;
            let name = String::from_utf8_lossy(member.name_raw()).into_owned();
            if member.enclosed_name().is_none() || name.split(['/', '\\']).any(|part| part == "..") {
                return Err(trap(format!("its member {name:?} would be outside of a folder")));
            }
            unpacked = unpacked.saturating_add(member.size());
        }
        if unpacked > length.saturating_mul(MOST_GROWTH) {
            return Err(trap(format!(
                "its {length} bytes would grow to {unpacked}, more than {MOST_GROWTH} times as many"
            )));
        }
        Ok(Self {
            path: path.to_owned(),
            format,
            archive,
        })
    }

    /// Returns the path of the archive.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the names of all members.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError::Damaged`] if a name is no text.
    pub(crate) fn names(&self) -> Result<Vec<String>, FormatError> {
        let names = self.archive.file_names();
        names
            .map(|name| name.map(std::borrow::Cow::into_owned))
            .collect::<Result<_, _>>()
            .map_err(|error| self.damaged(error))
    }

    /// Returns the number of bytes that a member claims to have.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError::Damaged`] if the archive lacks the member.
    pub(crate) fn length(&mut self, name: &str) -> Result<u64, FormatError> {
        let length = self.archive.by_name(name).map(|member| member.size());
        length.map_err(|error| self.damaged(format!("its member {name}: {error}")))
    }

    /// Reads the first bytes of a member, at most `count`.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError::Damaged`] if the archive lacks the member or cannot give it.
    pub(crate) fn begin(&mut self, name: &str, count: u64) -> Result<Vec<u8>, FormatError> {
        let mut bytes = Vec::new();
        let read = self
            .archive
            .by_name(name)
            .map_err(|error| error.to_string())
            .and_then(|member| {
                let count = count.min(member.size());
                let mut member = member.take(count);
                member.read_to_end(&mut bytes).map_err(|error| error.to_string())
            });
        read.map_err(|reason| self.damaged(format!("its member {name}: {reason}")))?;
        Ok(bytes)
    }

    /// Reads a member.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError::Damaged`] if the archive lacks the member or cannot give it, or if the member is longer
    /// than it claims.
    pub(crate) fn read(&mut self, name: &str) -> Result<Vec<u8>, FormatError> {
        let mut bytes = Vec::new();
        let read = self
            .archive
            .by_name(name)
            .map_err(|error| error.to_string())
            .and_then(|member| {
                let size = member.size();
                // A byte more, so that the end of the member is reached, where its checksum is compared.
                let mut member = member.take(size.saturating_add(1));
                match member.read_to_end(&mut bytes) {
                    Ok(count) if count as u64 == size => Ok(()),
                    Ok(_) => Err(format!("it does not have the {size} bytes that it claims")),
                    Err(error) => Err(error.to_string()),
                }
            });
        read.map_err(|reason| self.damaged(format!("its member {name}: {reason}")))?;
        Ok(bytes)
    }

    fn damaged(&self, reason: impl ToString) -> FormatError {
        FormatError::damaged(&self.path, self.format, reason)
    }
}

//! The sums by which fetched files are checked.

use std::fs;
use std::path::Path;

use serde::Deserialize;
use sha1::{Digest, Sha1};

use crate::error::DataError;
use crate::file::{digest, sha256};

/// The sum of a file's content, in lower-case hexadecimal. In `sources.toml`, it is a SHA-256 sum.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "String")]
pub enum Checksum {
    /// The SHA-256 sum.
    Sha256(String),
    /// The name of the content in git: the SHA-1 sum of the word `blob`, a space, the size in bytes, a NUL and the
    /// content. The Hugging Face hub has no other sum of small files.
    GitBlob(String),
}

impl From<String> for Checksum {
    fn from(sum: String) -> Self {
        Self::Sha256(sum)
    }
}

impl Checksum {
    /// Returns the sum of this kind that a file has.
    ///
    /// # Errors
    /// Returns [`DataError::Read`] if the file cannot be read.
    pub(super) fn of_file(&self, path: &Path) -> Result<Self, DataError> {
        Ok(match self {
            Self::Sha256(_) => Self::Sha256(hexadecimal(&sha256(path)?)),
            Self::GitBlob(_) => {
                let size = fs::metadata(path)
                    .map_err(|error| DataError::read(path, error))?
                    .len();
                let sum = Sha1::new_with_prefix(format!("blob {size}\0"));
                Self::GitBlob(hexadecimal(&digest(sum, path)?))
            }
        })
    }

    /// Returns the name of the kind.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Sha256(_) => "SHA-256",
            Self::GitBlob(_) => "git's SHA-1",
        }
    }

    /// Returns the sum in lower-case hexadecimal.
    #[must_use]
    pub fn sum(&self) -> &str {
        match self {
            Self::Sha256(sum) | Self::GitBlob(sum) => sum,
        }
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

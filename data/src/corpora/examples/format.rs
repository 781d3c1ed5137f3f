//! The files of a prepared folder.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::corpora::cleaning::CleaningCounts;
use crate::corpora::filter::FilterCounts;
use crate::error::DataError;
use crate::file::write_file;

/// The version of the format of the files. It is part of every fingerprint, so that each version prepares into a folder
/// of its own. It also counts the rules by which text is read, such as what ends a line and which characters are
/// dropped: the examples of the same files differ between versions of these rules.
pub(super) const FORMAT: u32 = 2;

/// The content of `manifest.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    /// The version of the format: [`FORMAT`].
    pub(super) format: u32,
    /// The name of the folder.
    pub(super) fingerprint: String,
    /// The numbers of pairs that cleaning kept and dropped.
    pub(super) cleaned: CleaningCounts,
    /// The numbers of pairs that the filter kept and dropped, out of the pairs that cleaning kept.
    pub(super) filtered: FilterCounts,
    /// The shards, in the order of the corpus.
    pub(super) shards: Vec<ShardEntry>,
    /// The CRC-32 of this manifest as JSON, computed with a 0 in this field.
    checksum: u32,
}

/// The entry of a shard in the manifest.
///
/// A shard begins with the tokens of its examples: the source of each example, followed by its target. After the tokens
/// comes the index. The index holds the offset at which each sentence begins, and the offset at which the last sentence
/// ends, both in tokens. The index has `2 × examples + 1` numbers of four bytes. All numbers are little-endian.
///
/// Example: the pairs `[5, 2] → [6, 7, 2]` and `[8, 2] → [9, 2]` are stored as the tokens `5 2 6 7 2 8 2 9 2` and the
/// index `0 2 5 7 9`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShardEntry {
    /// The number of examples.
    pub(super) examples: usize,
    /// The number of bytes of a token: 2 or 4.
    pub(super) token_bytes: usize,
    /// The length of the file in bytes.
    pub(super) bytes: u64,
    /// CRC-32 of the whole file.
    pub(super) crc32: u32,
}

impl Manifest {
    pub(super) fn new(
        fingerprint: &str,
        cleaned: CleaningCounts,
        filtered: FilterCounts,
        shards: Vec<ShardEntry>,
    ) -> Self {
        let mut manifest = Self {
            format: FORMAT,
            fingerprint: fingerprint.to_owned(),
            cleaned,
            filtered,
            shards,
            checksum: 0,
        };
        manifest.checksum = manifest.sum();
        manifest
    }

    pub(super) fn path(folder: &Path) -> PathBuf {
        folder.join("manifest.json")
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), DataError> {
        write_file(Self::path(folder), self.to_json() + "\n")
    }

    pub(super) fn read(folder: &Path) -> Result<Self, DataError> {
        let path = Self::path(folder);
        let bytes = fs::read(&path).map_err(|error| DataError::read(&path, error))?;
        let invalid = |reason: String| invalid(&path, reason);
        let damaged = |error: serde_json::Error| invalid(format!("it is damaged ({error})"));
        // The version is checked first, since another version may have other fields.
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(damaged)?;
        match value.get("format").and_then(serde_json::Value::as_u64) {
            Some(format) if format == u64::from(FORMAT) => {}
            Some(format) => {
                return Err(invalid(format!(
                    "it has version {format} of the format, but this program reads version {FORMAT}"
                )));
            }
            None => return Err(invalid("it is damaged (it names no version)".to_owned())),
        }
        let manifest: Self = serde_json::from_value(value).map_err(damaged)?;
        if manifest.sum() != manifest.checksum {
            return Err(invalid("it is damaged (its checksum differs)".to_owned()));
        }
        Ok(manifest)
    }

    fn sum(&self) -> u32 {
        let unsigned = Self {
            checksum: 0,
            ..self.clone()
        };
        crc32fast::hash(unsigned.to_json().as_bytes())
    }

    fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("numbers and names always serialize")
    }
}

/// Returns the path of a folder's shard.
pub(super) fn shard_path(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("{number:05}.shard"))
}

/// Makes a [`DataError::InvalidPrepared`].
pub(super) fn invalid(path: &Path, reason: String) -> DataError {
    DataError::InvalidPrepared {
        path: path.to_owned(),
        reason,
    }
}

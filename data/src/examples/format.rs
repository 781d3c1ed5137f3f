//! The files of a prepared folder.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cleaning::CleaningReport;
use crate::error::DataError;
use crate::file::write_file;
use crate::filter::FilterReport;

/// The version of the files' format, a part of every fingerprint: another version prepares into another folder.
pub(super) const FORMAT: u32 = 1;

/// `manifest.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    /// [`FORMAT`].
    pub(super) format: u32,
    /// The name of the folder.
    pub(super) fingerprint: String,
    /// What cleaning kept and dropped.
    pub(super) cleaned: CleaningReport,
    /// What the filter kept and dropped of the rest.
    pub(super) filtered: FilterReport,
    /// The shards, in the order of the corpus.
    pub(super) shards: Vec<ShardEntry>,
    /// CRC-32 of this manifest as JSON with 0 here.
    checksum: u32,
}

/// What the manifest says about a shard.
///
/// A shard is the tokens of its examples, source and target in turn, and after them where each of these sentences
/// begins and the last one ends: `2 × examples + 1` numbers of tokens, in four bytes each. All numbers are
/// little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShardEntry {
    /// The number of examples.
    pub(super) examples: usize,
    /// Bytes that a token takes: 2 or 4.
    pub(super) token_bytes: usize,
    /// The file's length.
    pub(super) bytes: u64,
    /// CRC-32 of the whole file.
    pub(super) crc32: u32,
}

impl Manifest {
    pub(super) fn new(
        fingerprint: &str,
        cleaned: CleaningReport,
        filtered: FilterReport,
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
        // The version first: the other fields of another version may be others.
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

/// The file of a folder's shard with this number.
pub(super) fn shard_path(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("{number:05}.shard"))
}

/// [`DataError::InvalidPrepared`].
pub(super) fn invalid(path: &Path, reason: String) -> DataError {
    DataError::InvalidPrepared {
        path: path.to_owned(),
        reason,
    }
}

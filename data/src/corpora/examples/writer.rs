//! Writing shards.

use std::fs;
use std::path::{Path, PathBuf};

use super::format::{ShardEntry, shard_path};
use crate::batch::Example;
use crate::error::DataError;
use crate::file::write_file;

/// Divides examples into shards and writes them.
pub(super) struct ShardWriter {
    folder: PathBuf,
    token_bytes: usize,
    shard_tokens: u32,
    /// The tokens of the shard that is being filled.
    contents: Vec<u8>,
    /// The offset at which each sentence of the shard begins, and the offset at which the last one ends, in tokens.
    boundaries: Vec<u32>,
    written: Vec<ShardEntry>,
}

impl ShardWriter {
    /// Makes a writer for token ids below `vocab_size`. A shard is full when it has at least `shard_tokens` tokens.
    pub(super) fn new(folder: &Path, vocab_size: usize, shard_tokens: u32) -> Self {
        Self {
            folder: folder.to_owned(),
            token_bytes: if vocab_size <= 1 << 16 { 2 } else { 4 },
            shard_tokens,
            contents: Vec::new(),
            boundaries: vec![0],
            written: Vec::new(),
        }
    }

    /// Adds an example, and writes the shard if the example fills it.
    pub(super) fn push(&mut self, example: &Example) -> Result<(), DataError> {
        for sentence in [&example.source, &example.target] {
            for id in sentence {
                self.contents
                    .extend_from_slice(&id.to_le_bytes()[..self.token_bytes]);
            }
            self.boundaries.push(self.tokens());
        }
        if self.tokens() < self.shard_tokens {
            Ok(())
        } else {
            self.write_shard()
        }
    }

    /// Writes the last shard, and returns the entries of all shards.
    pub(super) fn finish(mut self) -> Result<Vec<ShardEntry>, DataError> {
        if !self.contents.is_empty() {
            self.write_shard()?;
        }
        Ok(self.written)
    }

    fn tokens(&self) -> u32 {
        // A shard is full long before this overflows, and one sentence does not have 4 billion tokens.
        (self.contents.len() / self.token_bytes) as u32
    }

    fn write_shard(&mut self) -> Result<(), DataError> {
        for boundary in &self.boundaries {
            self.contents.extend_from_slice(&boundary.to_le_bytes());
        }
        write_file(shard_path(&self.folder, self.written.len()), &self.contents)?;
        self.written.push(ShardEntry {
            examples: self.boundaries.len() / 2,
            token_bytes: self.token_bytes,
            bytes: self.contents.len() as u64,
            crc32: crc32fast::hash(&self.contents),
        });
        self.contents.clear();
        self.boundaries.truncate(1);
        Ok(())
    }
}

/// Removes the shards of a preparation that failed or was killed, as far as they can be removed.
pub(super) fn remove_shards(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        let extension = path.extension().unwrap_or_default();
        if extension == "shard" || extension == "part" {
            fs::remove_file(&path).ok();
        }
    }
}

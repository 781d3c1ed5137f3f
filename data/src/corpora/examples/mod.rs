//! Prepared corpora: sentence pairs that are encoded once and stored in files, which training maps into memory.
//!
//! Each corpus is prepared into a folder of its own. The folder's name is a hash of everything that decides the
//! examples: the text, the cleaning, the tokenizer and the filter. A later run with the same text and settings uses the
//! same folder.
//!
//! | file | content |
//! |---|---|
//! | `00000.shard`, … | the examples in the order of the corpus: their tokens, then an index of the sentences |
//! | `manifest.json` | the version, the shards with their lengths and checksums, and how many pairs were dropped |
//! | `lock` | locked by the process that prepares |
//!
//! Every file is written under a temporary name and then renamed, and the manifest is written last. So a folder with a
//! manifest is complete. A process that is stopped earlier leaves shards without a manifest, which the next process
//! that prepares a corpus removes.

mod fingerprint;
mod format;
mod map;
mod prepare;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;

use memmap2::Mmap;

use crate::batch::{Example, Lengths};
use crate::corpora::cleaning::CleaningCounts;
use crate::corpora::filter::FilterCounts;
use crate::corpora::report::{Column, Unit};
use crate::error::DataError;
use format::{Manifest, ShardEntry, invalid, shard_path};
use map::map;

pub use prepare::Progress;

/// The examples of a corpus.
///
/// Those that [`Examples::prepare`] makes of sentence pairs, cleaned, encoded and filtered, are in files that are mapped
/// into memory. Only the parts in use take memory, which the system can reclaim. [`Examples::in_memory`] takes examples
/// that stay in memory.
pub struct Examples {
    /// The name of the corpus in reports and errors.
    name: String,
    storage: Storage,
    fingerprint: String,
    unit: Unit,
    cleaned: CleaningCounts,
    filtered: FilterCounts,
}

/// The place where examples are stored.
enum Storage {
    Files {
        shards: Vec<Shard>,
        /// The index of the first example of each shard, and at the end the number of all examples.
        starts: Vec<usize>,
    },
    Memory(Vec<Example>),
}

impl Examples {
    /// Opens a prepared folder of the corpus `name`, and compares every shard with its checksum. That reads all shards,
    /// at the speed of the disk. If the system has them in memory, a gigabyte takes less than a second.
    ///
    /// # Errors
    /// Returns [`DataError::InvalidPrepared`] if a file is damaged, cut short, missing or of another version, or if the
    /// folder has been renamed. Returns [`DataError::Read`] if a file cannot be read.
    pub(crate) fn open(folder: &Path, name: String) -> Result<Self, DataError> {
        let manifest = Manifest::read(folder)?;
        if folder
            .file_name()
            .is_none_or(|name| *name != *manifest.fingerprint)
        {
            let reason = format!("it belongs to the folder {}", manifest.fingerprint);
            return Err(invalid(&Manifest::path(folder), reason));
        }
        let mut starts = vec![0];
        let mut shards = Vec::with_capacity(manifest.shards.len());
        for (number, entry) in manifest.shards.into_iter().enumerate() {
            starts.push(starts[number] + entry.examples);
            shards.push(Shard::open(&shard_path(folder, number), entry)?);
        }
        Ok(Self {
            name,
            storage: Storage::Files { shards, starts },
            fingerprint: manifest.fingerprint,
            unit: Unit::Pairs,
            cleaned: manifest.cleaned,
            filtered: manifest.filtered,
        })
    }

    /// Makes a corpus of the encoded examples of labelled texts. The corpus had `read` texts, of which those that are
    /// not among the examples were too long. The fingerprint is a hash of the examples.
    #[must_use]
    pub fn in_memory(name: String, read: usize, examples: Vec<Example>) -> Self {
        Self {
            name,
            fingerprint: fingerprint::of_examples(&examples),
            unit: Unit::Texts,
            cleaned: CleaningCounts {
                kept: read,
                ..CleaningCounts::default()
            },
            filtered: FilterCounts {
                kept: examples.len(),
                too_long: read - examples.len(),
                ..FilterCounts::default()
            },
            storage: Storage::Memory(examples),
        }
    }

    /// Returns the name of the corpus in reports and errors: the [name](crate::ParallelText::name) of its text.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the number of examples.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.storage {
            Storage::Files { shards, starts } => starts[shards.len()],
            Storage::Memory(examples) => examples.len(),
        }
    }

    /// Returns whether there is no example.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads an example.
    ///
    /// # Panics
    /// Panics if `index` is not below [`Examples::len`].
    #[must_use]
    pub fn get(&self, index: usize) -> Example {
        match &self.storage {
            Storage::Files { shards, starts } => {
                let (shard, index) = locate(shards, starts, index);
                let [source, target] = shard.sentences(index);
                Example {
                    source: shard.tokens(source),
                    target: shard.tokens(target),
                }
            }
            Storage::Memory(examples) => examples[index].clone(),
        }
    }

    /// Reads the lengths of an example, without its tokens.
    ///
    /// # Panics
    /// Panics if `index` is not below [`Examples::len`].
    #[must_use]
    pub fn lengths(&self, index: usize) -> Lengths {
        match &self.storage {
            Storage::Files { shards, starts } => {
                let (shard, index) = locate(shards, starts, index);
                let [source, target] = shard.sentences(index).map(|tokens| tokens.len() as u32);
                Lengths { source, target }
            }
            Storage::Memory(examples) => examples[index].lengths(),
        }
    }

    /// Returns the column of the corpus in a report.
    pub(crate) fn report(&self) -> Column {
        Column {
            name: self.name.clone(),
            unit: self.unit,
            cleaned: self.cleaned,
            filtered: self.filtered,
        }
    }

    /// Returns the name of the prepared folder: a hash of the text, the cleaning, the tokenizer and the filter. Of
    /// examples in memory, the fingerprint is a hash of their tokens. Corpora with different examples have different
    /// fingerprints.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }
}

/// Returns the shard that holds an example, and the index of the example in the shard.
fn locate<'a>(shards: &'a [Shard], starts: &[usize], index: usize) -> (&'a Shard, usize) {
    let number = starts.partition_point(|start| *start <= index) - 1;
    (&shards[number], index - starts[number])
}

impl fmt::Debug for Examples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Examples")
            .field("fingerprint", &self.fingerprint)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// A file of examples; [`ShardEntry`] describes the format.
struct Shard {
    bytes: Mmap,
    token_bytes: usize,
    /// The byte at which the index begins.
    index_start: usize,
}

impl Shard {
    fn open(path: &Path, entry: ShardEntry) -> Result<Self, DataError> {
        let read_error = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => invalid(path, "it is missing".to_owned()),
            _ => DataError::read(path, error),
        };
        let file = File::open(path).map_err(read_error)?;
        let found = file.metadata().map_err(read_error)?.len();
        if found != entry.bytes {
            let reason = format!("it has {found} bytes in place of {}", entry.bytes);
            return Err(invalid(path, reason));
        }
        // The checksum is computed from bytes that are read, not mapped, because mapped bytes would count as memory of
        // the process.
        if checksum(&file).map_err(read_error)? != entry.crc32 {
            return Err(invalid(path, "it is damaged (its checksum differs)".to_owned()));
        }
        Ok(Self {
            bytes: map(&file).map_err(read_error)?,
            token_bytes: entry.token_bytes,
            index_start: entry.bytes as usize - size_of::<u32>() * (2 * entry.examples + 1),
        })
    }

    /// Returns the ranges of the shard's tokens that are the source and the target of an example.
    fn sentences(&self, example: usize) -> [Range<usize>; 2] {
        let [start, middle, end] = [0, 1, 2].map(|step| {
            let (numbers, _) = self.bytes[self.index_start..].as_chunks::<4>();
            u32::from_le_bytes(numbers[2 * example + step]) as usize
        });
        [start..middle, middle..end]
    }

    fn tokens(&self, range: Range<usize>) -> Vec<u32> {
        let bytes = &self.bytes[range.start * self.token_bytes..range.end * self.token_bytes];
        match self.token_bytes {
            2 => bytes
                .as_chunks()
                .0
                .iter()
                .map(|id| u16::from_le_bytes(*id).into())
                .collect(),
            _ => bytes
                .as_chunks()
                .0
                .iter()
                .map(|id| u32::from_le_bytes(*id))
                .collect(),
        }
    }
}

fn checksum(mut file: &File) -> io::Result<u32> {
    let mut hasher = crc32fast::Hasher::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finalize()),
            count => hasher.update(&buffer[..count]),
        }
    }
}

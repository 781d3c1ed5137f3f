//! Reading a prepared corpus.

mod fingerprint;
mod format;
mod map;
pub mod prepare;
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
use crate::cleaning::CleaningReport;
use crate::error::DataError;
use crate::filter::FilterReport;
use format::{Manifest, ShardEntry, invalid, shard_path};
use map::map;

/// Encoded sentence pairs, in files that are mapped into memory: only what is used takes room there, and the system
/// can take it back.
pub struct Examples {
    shards: Vec<Shard>,
    /// The first example of each shard, and at the end the number of all examples.
    starts: Vec<usize>,
    fingerprint: String,
    cleaned: CleaningReport,
    filtered: FilterReport,
}

impl Examples {
    /// Opens a prepared folder and compares every shard with its checksum. That reads all of it, at the disk's speed
    /// the first time and a gigabyte in less than a second when the system still has it in memory.
    ///
    /// # Errors
    /// [`DataError::InvalidPrepared`] when a file is damaged, cut short, missing or of another version, or the folder
    /// is not the one that it was prepared as; [`DataError::Read`].
    pub fn open(folder: &Path) -> Result<Self, DataError> {
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
            shards,
            starts,
            fingerprint: manifest.fingerprint,
            cleaned: manifest.cleaned,
            filtered: manifest.filtered,
        })
    }

    /// The number of examples.
    #[must_use]
    pub fn len(&self) -> usize {
        self.starts[self.shards.len()]
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// An example.
    ///
    /// # Panics
    /// If `index` is not below [`Examples::len`].
    #[must_use]
    pub fn get(&self, index: usize) -> Example {
        let (shard, index) = self.locate(index);
        let [source, target] = shard.sentences(index);
        Example {
            source: shard.tokens(source),
            target: shard.tokens(target),
        }
    }

    /// The lengths of an example, without a look at its tokens.
    ///
    /// # Panics
    /// If `index` is not below [`Examples::len`].
    #[must_use]
    pub fn lengths(&self, index: usize) -> Lengths {
        let (shard, index) = self.locate(index);
        let [source, target] = shard.sentences(index).map(|tokens| tokens.len() as u32);
        Lengths { source, target }
    }

    /// What cleaning dropped when these were prepared.
    #[must_use]
    pub fn cleaned(&self) -> CleaningReport {
        self.cleaned
    }

    /// What the filter dropped of the rest.
    #[must_use]
    pub fn filtered(&self) -> FilterReport {
        self.filtered
    }

    /// The [`fingerprint`](fingerprint::fingerprint) that these were prepared under: other examples have another.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The shard that holds an example, and the example's number there.
    fn locate(&self, index: usize) -> (&Shard, usize) {
        let number = self.starts.partition_point(|start| *start <= index) - 1;
        (&self.shards[number], index - self.starts[number])
    }
}

impl fmt::Debug for Examples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Examples")
            .field("fingerprint", &self.fingerprint)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// A file of examples; see [`ShardEntry`].
struct Shard {
    bytes: Mmap,
    token_bytes: usize,
    /// Where the index begins.
    boundaries: usize,
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
        // Read, not mapped: mapped bytes would count as memory of the process before they are used.
        if checksum(&file).map_err(read_error)? != entry.crc32 {
            return Err(invalid(path, "it is damaged (its checksum differs)".to_owned()));
        }
        Ok(Self {
            bytes: map(&file).map_err(read_error)?,
            token_bytes: entry.token_bytes,
            boundaries: entry.bytes as usize - size_of::<u32>() * (2 * entry.examples + 1),
        })
    }

    /// Which of the shard's tokens are the source and the target of an example.
    fn sentences(&self, example: usize) -> [Range<usize>; 2] {
        let [start, middle, end] = [0, 1, 2].map(|step| {
            let (numbers, _) = self.bytes[self.boundaries..].as_chunks::<4>();
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

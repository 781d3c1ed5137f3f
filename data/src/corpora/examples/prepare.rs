//! Preparing a corpus.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

use rayon::prelude::*;

use super::Examples;
use super::fingerprint::fingerprint;
use super::format::Manifest;
use super::writer::{self, ShardWriter};
use crate::corpora::cleaning::{Cleaning, CleaningCounts};
use crate::corpora::filter::{Filter, FilterCounts};
use crate::corpora::parallel_text::ParallelText;
use crate::error::DataError;
use crate::sentence_pair::SentencePair;
use crate::tokenizer::PairTokenizer;

/// The number of pairs that are encoded together. It keeps all cores busy, and takes little memory.
const CHUNK: usize = 8_192;

/// The number of bytes of text at which a chunk is full, however few pairs it has.
const CHUNK_BYTES: usize = 16 << 20;

/// The number of tokens at which a shard is full. Preparing holds one shard in memory. With shards of this size, a
/// large corpus has few files.
const SHARD_TOKENS: u32 = 1 << 24;

/// How far [`Examples::prepare`] has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Another process is preparing the same corpus with the same settings. This process waits for its files and uses
    /// them.
    Waiting,
    /// This many pairs have been encoded. Pairs that cleaning drops are not counted.
    Pairs(usize),
}

impl Examples {
    /// Prepares a corpus in a folder below `folder`, or opens the files that an earlier call has written. The pairs of
    /// `text` that `cleaning` keeps are encoded by `tokenizer`. Then `filter` drops examples by their lengths. The
    /// examples keep the order of the pairs.
    ///
    /// Text is read pair by pair, and encoded in the rayon pool of the calling thread. The files do not depend on the
    /// number of threads. If several processes prepare the same corpus at the same time, one does the work and the
    /// others wait for it.
    ///
    /// # Errors
    /// Returns the errors of [`ParallelText::pairs`] and [`ParallelText::check_rereadable`], [`DataError::Write`] if a
    /// file cannot be written, and [`DataError::InvalidPrepared`] if the files of an earlier call are damaged or
    /// incomplete.
    pub fn prepare(
        folder: &Path,
        text: &ParallelText,
        cleaning: &Cleaning,
        tokenizer: &PairTokenizer,
        filter: &Filter,
        mut progress: impl FnMut(Progress),
    ) -> Result<Self, DataError> {
        text.check_rereadable()?;
        let fingerprint = fingerprint(text, cleaning, tokenizer, filter)?;
        let prepared = folder.join(&fingerprint);
        if !Manifest::path(&prepared).exists() {
            remove_abandoned(folder);
            fs::create_dir_all(&prepared).map_err(|error| DataError::write(&prepared, error))?;
            // The system releases the lock when its file is closed, even if the process is killed.
            let _lock = lock(&lock_path(&prepared), &mut progress)?;
            if !Manifest::path(&prepared).exists() {
                let largest = tokenizer.source.vocab_size().max(tokenizer.target.vocab_size());
                let mut writer = ShardWriter::new(&prepared, largest, SHARD_TOKENS);
                let written = encode(text, cleaning, tokenizer, filter, &mut writer, &mut progress)
                    .and_then(|(cleaned, filtered)| {
                        Ok(Manifest::new(&fingerprint, cleaned, filtered, writer.finish()?))
                    })
                    .and_then(|manifest| manifest.write(&prepared));
                if written.is_err() {
                    writer::remove_shards(&prepared);
                }
                written?;
            }
        }
        Self::open(&prepared, text.name())
    }
}

/// Removes the shards of processes that were killed while they prepared a corpus. Without this, shards of a corpus that
/// is never prepared again would stay for ever. Their folders stay, each with an empty lock file, since another process
/// may be waiting for that lock.
fn remove_abandoned(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let prepared = entry.path();
        if let Ok(lock) = File::open(lock_path(&prepared))
            && lock.try_lock().is_ok()
            && !Manifest::path(&prepared).exists()
        {
            writer::remove_shards(&prepared);
        }
    }
}

fn lock_path(folder: &Path) -> PathBuf {
    folder.join("lock")
}

fn lock(path: &Path, progress: &mut impl FnMut(Progress)) -> Result<File, DataError> {
    let write_error = |error| DataError::write(path, error);
    let file = File::create(path).map_err(write_error)?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => progress(Progress::Waiting),
        Err(TryLockError::Error(error)) => return Err(write_error(error)),
    }
    file.lock().map_err(write_error)?;
    Ok(file)
}

/// Encodes and filters `text`, and writes the examples to `writer`. Another thread reads and cleans the text meanwhile.
/// Returns the numbers of pairs that were kept and dropped.
fn encode(
    text: &ParallelText,
    cleaning: &Cleaning,
    tokenizer: &PairTokenizer,
    filter: &Filter,
    writer: &mut ShardWriter,
    progress: &mut impl FnMut(Progress),
) -> Result<(CleaningCounts, FilterCounts), DataError> {
    let mut pairs = text.cleaned(cleaning)?;
    let mut filtered = FilterCounts::default();
    thread::scope(|scope| {
        let (sender, chunks) = mpsc::sync_channel(2);
        let reader = scope.spawn(move || {
            // Sending fails if the receiver has stopped because of an error.
            while let Some(chunk) = next_chunk(&mut pairs).transpose()
                && sender.send(chunk).is_ok()
            {}
            pairs.counts()
        });
        for chunk in chunks {
            // A pair that is surely too long is not encoded, which would take a hundred times its memory.
            let is_too_long =
                |pair: &SentencePair| tokenizer.has_more_tokens(pair, filter.max_length.saturating_sub(1));
            let (too_long, pairs): (Vec<_>, Vec<_>) = chunk?.into_par_iter().partition(is_too_long);
            let (examples, counts) = filter.apply(tokenizer.encode_pairs(&pairs));
            for example in &examples {
                writer.push(example)?;
            }
            filtered += counts;
            filtered.too_long += too_long.len();
            progress(Progress::Pairs(filtered.read()));
        }
        let cleaned = reader.join().expect("reading and cleaning do not panic");
        Ok((cleaned, filtered))
    })
}

fn next_chunk(
    pairs: &mut impl Iterator<Item = Result<SentencePair, DataError>>,
) -> Result<Option<Vec<SentencePair>>, DataError> {
    let mut chunk: Vec<SentencePair> = Vec::new();
    let mut bytes = 0;
    while chunk.len() < CHUNK && bytes < CHUNK_BYTES {
        let Some(pair) = pairs.next().transpose()? else {
            break;
        };
        bytes += pair.source.len() + pair.target.len();
        chunk.push(pair);
    }
    Ok((!chunk.is_empty()).then_some(chunk))
}

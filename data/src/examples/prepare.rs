//! Prepared corpora: sentence pairs encoded once, in files that training maps into memory.
//!
//! A corpus is prepared into a folder of its own, named by the hash of all that decides its examples: the text, the
//! cleaning, the tokenizer and the filter ([`fingerprint`]). Whoever asks for the same again finds it there.
//!
//! | file | content |
//! |---|---|
//! | `00000.shard`, … | the examples, in the order of the corpus: all tokens, then the index of where they lie |
//! | `manifest.json` | version, number of shards, their lengths and checksums, and what was dropped |
//! | `lock` | held by the process that prepares |
//!
//! The manifest is written last, and every file through a temporary name: with a manifest, a folder is whole. What a
//! process leaves that is stopped before, the next one that prepares removes, be it the same corpus or another.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::thread;

pub use super::Examples;
pub use super::fingerprint::fingerprint;

use super::format::Manifest;
use super::writer::{self, ShardWriter};
use crate::cleaning::{Cleaning, CleaningReport};
use crate::error::DataError;
use crate::filter::{Filter, FilterReport};
use crate::parallel_text::ParallelText;
use crate::parallel_text::pairs::SentencePair;
use crate::tokenizer::Tokenizer;

/// Pairs that are encoded together: enough for all cores, little for the memory.
const CHUNK: usize = 8_192;

/// Tokens after which a shard is full: what preparing holds in memory, and few files for a large corpus.
const SHARD_TOKENS: u32 = 1 << 24;

/// How far preparing has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Another process prepares the same corpus: its work will be used.
    Waiting,
    /// So many pairs, of those that cleaning keeps, are encoded.
    Pairs(usize),
}

/// The examples of `text`: kept by `cleaning`, encoded by `tokenizer`, passed by `filter`, in the order of the text.
/// They are prepared in `folder`, where they are not there already, under their [`fingerprint`].
///
/// Text is read as a stream and encoded by the rayon pool that this is called in. The files depend neither on its
/// number of threads nor on chance. Processes that prepare the same corpus at the same time take turns.
///
/// # Errors
/// Those of [`ParallelText::pairs`]; [`DataError::Write`]; those of [`Examples::open`].
pub fn prepare(
    folder: &Path,
    text: &ParallelText,
    cleaning: &Cleaning,
    tokenizer: &Tokenizer,
    filter: &Filter,
    mut progress: impl FnMut(Progress),
) -> Result<Examples, DataError> {
    let fingerprint = fingerprint(text, cleaning, tokenizer, filter)?;
    let prepared = folder;
    let folder = prepared.join(&fingerprint);
    if !Manifest::path(&folder).exists() {
        remove_abandoned(prepared);
        fs::create_dir_all(&folder).map_err(|error| DataError::write(&folder, error))?;
        // The system releases the lock when its file is closed, even if the process is killed.
        let _lock = lock(&lock_path(&folder), &mut progress)?;
        if !Manifest::path(&folder).exists() {
            let mut writer = ShardWriter::new(&folder, tokenizer.vocab_size(), SHARD_TOKENS);
            let written = encode(text, cleaning, tokenizer, filter, &mut writer, &mut progress)
                .and_then(|(cleaned, filtered)| {
                    Ok(Manifest::new(&fingerprint, cleaned, filtered, writer.finish()?))
                })
                .and_then(|manifest| manifest.write(&folder));
            if written.is_err() {
                writer::remove_shards(&folder);
            }
            written?;
        }
    }
    Examples::open(&folder)
}

/// Removes what processes have left that were killed while they prepared: nobody may ever prepare the same again. Their
/// folders stay, with an empty lock: a process that waits for it would wait for a file that is no longer there.
fn remove_abandoned(prepared: &Path) {
    for entry in fs::read_dir(prepared).into_iter().flatten().flatten() {
        let folder = entry.path();
        if let Ok(lock) = File::open(lock_path(&folder))
            && lock.try_lock().is_ok()
            && !Manifest::path(&folder).exists()
        {
            writer::remove_shards(&folder);
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

/// Encodes and filters `text` into `writer`, while a thread reads ahead and cleans. Returns what was dropped.
fn encode(
    text: &ParallelText,
    cleaning: &Cleaning,
    tokenizer: &Tokenizer,
    filter: &Filter,
    writer: &mut ShardWriter,
    progress: &mut impl FnMut(Progress),
) -> Result<(CleaningReport, FilterReport), DataError> {
    let mut pairs = text.cleaned_pairs(cleaning)?;
    let mut filtered = FilterReport::default();
    thread::scope(|scope| {
        let (sender, chunks) = mpsc::sync_channel(2);
        let reader = scope.spawn(move || {
            // Sending fails when an error has made the receiver go away.
            while let Some(chunk) = next_chunk(&mut pairs).transpose()
                && sender.send(chunk).is_ok()
            {}
            pairs.report()
        });
        for chunk in chunks {
            let (examples, chunk_filtered) = filter.apply(tokenizer.encode_pairs(&chunk?));
            for example in &examples {
                writer.push(example)?;
            }
            filtered += chunk_filtered;
            progress(Progress::Pairs(filtered.kept + filtered.dropped()));
        }
        let cleaned = reader.join().expect("reading and cleaning do not panic");
        Ok((cleaned, filtered))
    })
}

fn next_chunk(
    pairs: &mut impl Iterator<Item = Result<SentencePair, DataError>>,
) -> Result<Option<Vec<SentencePair>>, DataError> {
    let chunk: Vec<SentencePair> = pairs.take(CHUNK).collect::<Result<_, _>>()?;
    Ok((!chunk.is_empty()).then_some(chunk))
}

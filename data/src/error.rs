//! What can go wrong with a user's text, tokenizer or download.

use std::io;
use std::path::{Path, PathBuf};

use crate::lines::compression;

/// An error of this crate. Its message is one sentence that names the file, and the line where there is one;
/// [`DataError::hint`] says what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file or folder could not be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A file or folder could not be written.
    #[error("cannot write {}: {error}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// A line of text is not UTF-8.
    #[error("{}, line {line}: the text is not valid UTF-8", path.display())]
    InvalidUtf8 {
        /// The text file.
        path: PathBuf,
        /// The line, counted from one.
        line: usize,
    },
    /// A line that is too long to be one of text.
    #[error("{}, line {line} has more than {mebibytes} MiB", path.display())]
    LongLine {
        /// The text file.
        path: PathBuf,
        /// The line, counted from one.
        line: usize,
        /// The most that a line may have.
        mebibytes: usize,
    },
    /// A line of a two-column file does not have two columns.
    #[error("{}, line {line}: expected two columns separated by one tab, found {columns}", path.display())]
    Columns {
        /// The two-column file.
        path: PathBuf,
        /// The line, counted from one.
        line: usize,
        /// How many columns the line has.
        columns: usize,
    },
    /// A line of an `.sgm` file is not one whole segment.
    #[error("{}, line {line}: expected one whole segment, <seg id=\"…\">…</seg>", path.display())]
    Segment {
        /// The `.sgm` file.
        path: PathBuf,
        /// The line, counted from one.
        line: usize,
    },
    /// Two `.sgm` files pair segments of different ids.
    #[error(
        "{}, line {source_line} is segment {source_id}, but {}, line {target_line} is segment {target_id}",
        source_path.display(),
        target_path.display()
    )]
    UnequalSegments {
        /// The file of source sentences.
        source_path: PathBuf,
        /// The segment's line there, counted from one.
        source_line: usize,
        /// Its id there.
        source_id: String,
        /// The file of target sentences.
        target_path: PathBuf,
        /// The line of the segment in the same place there, counted from one.
        target_line: usize,
        /// Its id.
        target_id: String,
    },
    /// The two files of a parallel corpus differ in length.
    #[error(
        "{} has {source_sentences} sentences but {} has {target_sentences}: sentence n of one must translate \
         sentence n of the other",
        source_path.display(),
        target_path.display()
    )]
    UnequalLengths {
        /// The file of source sentences.
        source_path: PathBuf,
        /// How many it has: lines, or segments of an `.sgm` file.
        source_sentences: usize,
        /// The file of target sentences.
        target_path: PathBuf,
        /// How many it has.
        target_sentences: usize,
    },
    /// A corpus has no sentence pair.
    #[error("{} is empty: a corpus needs at least one sentence pair", path.display())]
    EmptyCorpus {
        /// The corpus file.
        path: PathBuf,
    },
    /// A vocabulary was asked for that cannot hold the special tokens and every byte, or a word.
    #[error("a vocabulary of {vocab_size} tokens is too small: it takes at least {smallest}")]
    VocabularyTooSmall {
        /// The size asked for.
        vocab_size: usize,
        /// The smallest size possible.
        smallest: usize,
    },
    /// Subwords could not be learnt from the text.
    #[error("cannot train a tokenizer: {reason}")]
    TrainTokenizer {
        /// Why not.
        reason: String,
    },
    /// A file is not a tokenizer that this crate can use.
    #[error("{} is not a usable tokenizer: {reason}", path.display())]
    InvalidTokenizer {
        /// The tokenizer's file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The folder that was to serve as a mirror lacks a file.
    #[error("the mirror has no file {}", path.display())]
    NotInMirror {
        /// Where the file was looked for.
        path: PathBuf,
    },
    /// An archive lacks a file that is wanted of it.
    #[error("the archive {} has no file {member}", path.display())]
    NotInArchive {
        /// The archive.
        path: PathBuf,
        /// The file's path in it.
        member: String,
    },
    /// A server could not be reached, or stopped answering.
    #[error("cannot download {url}: {reason}")]
    Download {
        /// The address.
        url: String,
        /// Why not.
        reason: String,
    },
    /// A server answered a download with an error.
    #[error("cannot download {url}: the server answered with HTTP status {status}")]
    HttpStatus {
        /// The address.
        url: String,
        /// The HTTP status code.
        status: u16,
    },
    /// A downloaded file is not the one that was expected.
    #[error("{origin} has the wrong content: expected SHA-256 {expected}, found {found}")]
    WrongChecksum {
        /// Where the file came from: an address or a path.
        origin: String,
        /// The sum that the corpus entry gives.
        expected: String,
        /// The sum of what came.
        found: String,
    },
    /// A file of a prepared corpus is damaged, missing or of another version.
    #[error("the prepared corpus file {} cannot be used: {reason}", path.display())]
    InvalidPrepared {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Corpora cannot be mixed as asked for.
    #[error("cannot mix the training corpora: {reason}")]
    Mixture {
        /// Why not.
        reason: String,
    },
    /// A corpus of a mixture has too small a weight.
    #[error(
        "an epoch would take none of the {pairs} pairs of the corpus {name}: its weight {weight} is too small"
    )]
    UnusedCorpus {
        /// The corpus.
        name: String,
        /// How many pairs cleaning and filters have left of it.
        pairs: usize,
        /// Its weight.
        weight: f64,
    },
}

impl DataError {
    /// [`DataError::Read`] of the file or folder at `path`.
    #[must_use]
    pub fn read(path: &Path, error: io::Error) -> Self {
        Self::Read {
            path: path.to_owned(),
            error,
        }
    }

    /// [`DataError::Write`] of the file or folder at `path`.
    #[must_use]
    pub fn write(path: &Path, error: io::Error) -> Self {
        Self::Write {
            path: path.to_owned(),
            error,
        }
    }

    /// What the user can do about the error, where there is something to say beyond the message.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Read { path, error } => return read_hint(path, error),
            Self::InvalidPrepared { path, .. } => {
                let folder = path.parent().unwrap_or(path).display();
                return Some(format!(
                    "remove the folder {folder}: the next run prepares the corpus anew"
                ));
            }
            Self::Write { .. } => "check that the folder exists, is writable and has free space",
            Self::InvalidUtf8 { .. } => "convert the file to UTF-8, for example with `iconv -t UTF-8`",
            Self::LongLine { .. } => "check that the file is text, and break it into lines",
            Self::Columns { .. } => "write one pair a line: source sentence, tab, target sentence",
            Self::Segment { .. } => "write each segment on a line of its own",
            Self::UnequalSegments { .. } => {
                "the two files must be the source and the reference of the same test set"
            }
            Self::UnequalLengths { .. } => {
                "look for a missing or an extra line, or <seg> in an .sgm file; the two files must have the same \
                 sentences in the same order"
            }
            Self::EmptyCorpus { .. } => "check that the path names the right file",
            Self::VocabularyTooSmall { .. } => "ask for a larger vocabulary; 4,000 to 32,000 is usual",
            Self::InvalidTokenizer { .. } => "use the tokenizer.json of a model folder that Attend wrote",
            Self::NotInMirror { .. } => {
                "a mirror holds each file under the same path as its public server: all that follows the host"
            }
            Self::NotInArchive { .. } => "correct the members of this file in data/sources.toml",
            Self::Download { .. } => {
                "check the network and run the command again: it goes on where it stopped"
            }
            Self::HttpStatus { .. } => "try again later, or name another place with --mirror",
            Self::WrongChecksum { .. } => {
                "the file is damaged or has changed at its source; run the command again, or try another --mirror"
            }
            Self::UnusedCorpus { .. } => "raise the weight, or leave the corpus out of the recipe",
            Self::TrainTokenizer { .. } | Self::Mixture { .. } => return None,
        };
        Some(hint.to_owned())
    }
}

fn read_hint(path: &Path, error: &io::Error) -> Option<String> {
    match error.kind() {
        io::ErrorKind::NotFound => Some("check the path".to_owned()),
        io::ErrorKind::PermissionDenied | io::ErrorKind::IsADirectory => None,
        _ => compression(path)
            .map(|ending| format!("the .{ending} file is damaged or cut short: fetch it again")),
    }
}

//! What can go wrong with a file, a tokenizer or a corpus.

use std::io;
use std::path::{Path, PathBuf};

use crate::file::{located, named};

/// An error of this crate. The message is one sentence that names the file, and the line where there is one.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file or folder could not be read.
    #[error("cannot read {}: {error}", of_error(path, error))]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// A file or folder could not be written.
    #[error("cannot write {}: {error}", of_error(path, error))]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        error: io::Error,
    },
    /// The vocabulary asked for is too small: a vocabulary of subwords holds the special tokens and every byte, and a
    /// vocabulary of words at least one word.
    #[error("a vocabulary of {vocab_size} tokens is too small: it takes at least {smallest}")]
    VocabularyTooSmall {
        /// The size asked for.
        vocab_size: usize,
        /// The smallest size possible.
        smallest: usize,
    },
    /// No vocabulary could be learnt from the text.
    #[error("cannot train a tokenizer: {reason}")]
    TrainTokenizer {
        /// What the tokenizers library met.
        reason: String,
    },
    /// A file is not a tokenizer that this crate can use.
    #[error("{} is not a usable tokenizer: {reason}", named(path))]
    InvalidTokenizer {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A tokenizer of a SentencePiece model cannot be written as a `tokenizer.json`.
    #[error(
        "{} cannot be written: a SentencePiece tokenizer is not a tokenizer.json",
        named(path)
    )]
    NoTokenizerJson {
        /// The file to write.
        path: PathBuf,
    },
    /// A file is not a SentencePiece model that this crate can use.
    #[error("{} is not a usable SentencePiece model: {reason}", named(path))]
    InvalidSentencePiece {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file is text in another encoding than UTF-8.
    #[error("{} is text in {encoding}, not in UTF-8", named(path))]
    Encoding {
        /// The file.
        path: PathBuf,
        /// The encoding, by the name that `iconv` has for it: `UTF-16`, `UTF-32`, and `UTF-16LE` or `UTF-16BE` for text
        /// without a byte order mark.
        encoding: &'static str,
    },
    /// A file is an archive, which may hold several files.
    #[error("{} is a {format} archive, not text", named(path))]
    Archive {
        /// The file.
        path: PathBuf,
        /// The format: `7z`, `rar`, `tar` or `zip`.
        format: &'static str,
    },
    /// A file that must be read several times is a pipe, a device or a socket.
    #[cfg(feature = "corpora")]
    #[error(
        "{} is a {kind}, which can be read only once, but it has to be read several times",
        named(path)
    )]
    ReadOnce {
        /// The file.
        path: PathBuf,
        /// What the file is: `pipe`, `device` or `socket`.
        kind: &'static str,
    },
    /// A line of text is not UTF-8.
    #[error("{}, line {line}: the text is not valid UTF-8", named(path))]
    InvalidUtf8 {
        /// The text file.
        path: PathBuf,
        /// The number of the line, counted from one.
        line: usize,
    },
    /// A line is longer than [`Lines`](crate::Lines) accepts.
    #[cfg(feature = "corpora")]
    #[error("{}, line {line} has more than {mebibytes} MiB", named(path))]
    LongLine {
        /// The text file.
        path: PathBuf,
        /// The number of the line, counted from one.
        line: usize,
        /// The maximum number of MiB in a line.
        mebibytes: usize,
    },
    /// A line of a two-column file does not have two columns.
    #[cfg(feature = "corpora")]
    #[error(
        "{}, line {line}: expected two columns separated by one tab, found {columns}",
        named(path)
    )]
    Columns {
        /// The two-column file.
        path: PathBuf,
        /// The number of the line, counted from one.
        line: usize,
        /// The number of columns that the line has.
        columns: usize,
    },
    /// A line of an `.sgm` file is not one whole segment.
    #[cfg(feature = "corpora")]
    #[error(
        "{}, line {line}: expected one whole segment, <seg id=\"…\">…</seg>",
        named(path)
    )]
    Segment {
        /// The `.sgm` file.
        path: PathBuf,
        /// The number of the line, counted from one.
        line: usize,
    },
    /// A test set stands where lines of text are read.
    #[cfg(feature = "corpora")]
    #[error("{} is a test set in WMT's format {format}, not lines of text", named(path))]
    TestSet {
        /// The file.
        path: PathBuf,
        /// The format: `SGML` or `XML`.
        format: &'static str,
    },
    /// A document of a test set in XML has two texts by the same translator or system.
    #[cfg(feature = "corpora")]
    #[error(
        "{}, line {line}: {document} has a second {text}, but a document has only one",
        named(path)
    )]
    RepeatedText {
        /// The `.xml` file.
        path: PathBuf,
        /// The line of the second text, counted from one.
        line: usize,
        /// The id of the document.
        document: String,
        /// The beginning of the tag, such as `<ref translator="A">`.
        text: String,
    },
    /// An `.xml` file is not well formed, or cut short.
    #[cfg(feature = "corpora")]
    #[error("{}, line {line} is not well-formed XML: {reason}", named(path))]
    Xml {
        /// The `.xml` file.
        path: PathBuf,
        /// The number of the line, counted from one.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// An `.xml` file lacks a side of its test set.
    #[cfg(feature = "corpora")]
    #[error("{} has no <seg> in a <{element}> of a <doc>", named(path))]
    NoSegments {
        /// The `.xml` file.
        path: PathBuf,
        /// The element of the side: `src`, `ref` or `hyp`.
        element: &'static str,
    },
    /// Two `.sgm` or `.xml` files pair segments of different ids.
    #[cfg(feature = "corpora")]
    #[error(
        "{}, line {source_line} is segment {source_id}, but {}, line {target_line} is segment {target_id}",
        named(source_path),
        named(target_path)
    )]
    UnequalSegments {
        /// The file of source sentences.
        source_path: PathBuf,
        /// The line of the source segment, counted from one.
        source_line: usize,
        /// The id of the source segment.
        source_id: String,
        /// The file of target sentences.
        target_path: PathBuf,
        /// The line of the target segment, counted from one.
        target_line: usize,
        /// The id of the target segment.
        target_id: String,
    },
    /// The two files of a parallel text differ in length.
    #[cfg(feature = "corpora")]
    #[error(
        "{} has {source_sentences} sentences but {} has {target_sentences}: sentence n of one must translate \
         sentence n of the other",
        named(source_path),
        named(target_path)
    )]
    UnequalLengths {
        /// The file of source sentences.
        source_path: PathBuf,
        /// The number of source sentences: lines, or segments of an `.sgm` file.
        source_sentences: usize,
        /// The file of target sentences.
        target_path: PathBuf,
        /// The number of target sentences.
        target_sentences: usize,
    },
    /// A parallel text has no sentence pair.
    #[cfg(feature = "corpora")]
    #[error("{} is empty: a corpus needs at least one sentence pair", named(path))]
    EmptyCorpus {
        /// The file, or the file of source sentences.
        path: PathBuf,
    },
    /// A line of a file of labelled texts is not a label, a tab and a text.
    #[cfg(feature = "corpora")]
    #[error(
        "{}, line {line}: expected a label, one tab and a text, found {tabs} tabs",
        named(path)
    )]
    LabelColumns {
        /// The file.
        path: PathBuf,
        /// The number of the line, counted from one.
        line: usize,
        /// The number of tabs that the line has.
        tabs: usize,
    },
    /// A line of labelled texts or tagged sentences lacks a part.
    #[cfg(feature = "corpora")]
    #[error("{}, line {line} has no {missing}", named(path))]
    Incomplete {
        /// The file.
        path: PathBuf,
        /// The number of the line, counted from one.
        line: usize,
        /// What the line lacks: the `label` or `text` of a labelled text, the `word` or `tag` of a tagged sentence.
        missing: &'static str,
    },
    /// A line between labelled texts is blank.
    #[cfg(feature = "corpora")]
    #[error("{}, line {line} is blank", named(path))]
    BlankLine {
        /// The file.
        path: PathBuf,
        /// The number of the line, counted from one.
        line: usize,
    },
    /// A tag of a tagged sentence contains white space.
    #[cfg(feature = "corpora")]
    #[error("{}, line {line}: the tag {tag:?} contains a space", named(path))]
    SpacedTag {
        /// The file.
        path: PathBuf,
        /// The number of the line, counted from one.
        line: usize,
        /// The tag.
        tag: String,
    },
    /// A line of tagged sentences is in CoNLL-U, where the word is the second column.
    #[cfg(feature = "corpora")]
    #[error(
        "{}, line {line}: the first of the ten columns is a number, as in CoNLL-U, but must be the word",
        named(path)
    )]
    NumberedWords {
        /// The file.
        path: PathBuf,
        /// The number of the line, counted from one.
        line: usize,
    },
    /// A file of labelled texts or tagged sentences has none.
    #[cfg(feature = "corpora")]
    #[error("{} is empty: a corpus needs at least one text with its labels", named(path))]
    EmptyLabelled {
        /// The file.
        path: PathBuf,
    },
    /// A file of a prepared corpus is damaged, missing or of another version of the format.
    #[cfg(feature = "corpora")]
    #[error("the prepared corpus file {} cannot be used: {reason}", named(path))]
    InvalidPrepared {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Corpora cannot be mixed by the weights asked for.
    #[cfg(feature = "corpora")]
    #[error("cannot mix the training corpora: {reason}")]
    Mixture {
        /// What is wrong with the weights.
        reason: String,
    },
    /// The weight of a corpus is so small that an epoch would take no example of it.
    #[cfg(feature = "corpora")]
    #[error(
        "an epoch would take none of the {pairs} pairs of the corpus {name}: its weight {weight} is too small"
    )]
    UnusedCorpus {
        /// The name of the corpus.
        name: String,
        /// The number of sentence pairs that cleaning and filter left.
        pairs: usize,
        /// The weight of the corpus.
        weight: f64,
    },
}

/// Returns the path in an error of the system, as [`located`] does if there could be a file of that name. Text that is
/// no file, such as standard input, has a name in place of a path.
fn of_error(path: &Path, error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::NotFound || path.exists() {
        located(path)
    } else {
        named(path).to_string()
    }
}

impl DataError {
    /// Makes a [`DataError::Read`] of the file or folder at `path`.
    #[must_use]
    pub fn read(path: &Path, error: io::Error) -> Self {
        Self::Read {
            path: path.to_owned(),
            error,
        }
    }

    /// Makes a [`DataError::Write`] of the file or folder at `path`.
    #[must_use]
    pub fn write(path: &Path, error: io::Error) -> Self {
        Self::Write {
            path: path.to_owned(),
            error,
        }
    }
}

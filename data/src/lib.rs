//! From parallel text to batches of token ids.
//!
//! Six nouns lead from a file to a batch:
//!
//! 1. [`ParallelText`]: the files or the memory that hold the sentence pairs of a corpus.
//! 2. [`SentencePair`]: a sentence and its translation, as text.
//! 3. [`Examples`]: the pairs of a text, cleaned as [`Cleaning`] asks for, encoded by a [`Tokenizer`], filtered by
//!    their lengths as a [`Filter`] asks for, and stored in files that training maps into memory.
//! 4. [`Mixture`]: the examples of several texts, each with a weight.
//! 5. [`Batches`]: the endless sequence of a run's batches, which may begin at any [`Position`].
//! 6. [`Batch`]: the padded matrices of token ids that a step of training takes.
//!
//! ```
//! use attend_data::{
//!     Batch, Batches, Cleaning, DataError, Examples, Filter, Mixture, ParallelText, Position, SentencePair, Tokenizer,
//! };
//!
//! # fn main() -> Result<(), DataError> {
//! # let folder = tempfile::tempdir().unwrap();
//! # let folder = folder.path();
//! let pairs = [("one house", "ein Haus"), ("two houses", "zwei Häuser")].map(|(source, target)| SentencePair {
//!     source: source.to_owned(),
//!     target: target.to_owned(),
//! });
//! let tokenizer = Tokenizer::train_bpe(pairs.iter().flat_map(|pair| [&pair.source, &pair.target]), 300)?;
//! let text = ParallelText::Memory { name: "houses".to_owned(), pairs: pairs.into() };
//!
//! let filter = Filter { max_length: 100, max_ratio: None };
//! let both_sides = tokenizer.clone().into();
//! let examples = Examples::prepare(folder, &text, &Cleaning::default(), &both_sides, &filter, |_| ())?;
//! let mixture = Mixture::new([(examples, 1.0)])?;
//! let mut batches = Batches::starting_at(mixture.into(), 1_000, 7, Position::default());
//!
//! let batch = Batch::new(&batches.next_batch(), tokenizer.pad_id(), tokenizer.bos_id());
//! assert_eq!(batch.source.rows, 2);
//! # Ok(())
//! # }
//! ```
//!
//! [`LabelledText`] and [`TaggedText`] are read from files for tasks other than translation.
//!
//! Without features, the crate has [`Tokenizer`], [`Example`], [`Batch`] and [`OutputFile`], which is what translating
//! needs. The feature `corpora` adds text, prepared examples and their batches, the feature `download` the named
//! corpora of [`download`].

mod batch;
mod content;
#[cfg(feature = "corpora")]
mod corpora;
#[cfg(feature = "download")]
pub mod download;
mod error;
mod expected;
mod file;
mod line;
mod sentence_pair;
mod sentencepiece;
mod tokenizer;

pub use batch::{Batch, Example, Lengths, Padding, TokenMatrix};
#[cfg(feature = "corpora")]
pub use corpora::{
    BatchPlan, Batches, BpeDropout, Cleaning, Examples, Filter, LabelledText, Lines, Mixture, ParallelText,
    Position, PreparationReport, Progress, References, Sources, TaggedText, is_compressed, open_sources,
    read_lines,
};
pub use error::DataError;
pub use expected::in_words;
pub use file::{OutputFile, STANDARD_INPUT, located, named, read_text, sync_folder, write_file};
pub use line::{is_blank, is_visible, readable, single_line, spaced_once, visible};
pub use sentence_pair::SentencePair;
pub use sentencepiece::{Piece, PieceKind, SentencePieceModel, VocabularyPiece};
pub use tokenizer::{
    FirstToken, Normalization, Normalizer, PairTokenizer, Tokenizer, TokenizerFiles, TokenizerKind,
};

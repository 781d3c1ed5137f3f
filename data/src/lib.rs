//! Text in, batches out: parallel corpora, subword tokenizers, prepared corpora, token-budget batches and named
//! corpora.

pub mod batch;
pub mod cleaning;
pub mod cli;
pub mod download;
pub mod error;
pub mod examples;
pub mod file;
pub mod filter;
pub mod lines;
pub mod mixture;
pub mod parallel_text;
pub mod report;
pub mod tokenizer;

pub use cleaning as clean;
pub use download as source;
pub use error::DataError;
pub use examples::prepare as shard;

/// Parallel text.
pub mod corpus {
    pub use crate::lines::*;
    pub use crate::parallel_text::pairs::*;
}

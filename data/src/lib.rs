//! Text in, batches out: parallel corpora, subword tokenizers, prepared corpora, token-budget batches and named
//! corpora.

mod archive;
pub mod batch;
pub mod clean;
pub mod cli;
pub mod corpus;
pub mod error;
pub mod file;
pub mod filter;
pub mod mixture;
pub mod parallel_text;
pub mod report;
pub mod shard;
pub mod source;
pub mod tokenizer;

pub use error::DataError;

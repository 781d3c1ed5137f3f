//! One program for all of these files, since each program links everything that is tested.

mod archive;
mod batch;
mod bpe_dropout;
mod clean;
mod corpus;
mod file;
mod filter;
mod formats;
mod mixture;
mod parallel_text;
mod shard;
mod source;
mod tokenizer;
mod tokenizer_unigram;
mod tokenizer_whitespace;

//! One program for all of these files, since each program links everything that is tested.

mod archive;
mod batch;
mod batches;
mod bpe_dropout;
mod corpus;
mod download;
mod file;
mod formats;
mod labelled;
mod languages;
mod mixture;
mod parallel_text;
mod sentencepiece;
mod test_sets;
mod tokenizer;
mod tokenizer_reference;
mod tokenizer_sentencepiece;
mod tokenizer_unigram;
mod tokenizer_whitespace;

//! All tests of this crate are one program, since each program would link Burn anew.

mod attention;
mod common;
mod data;
mod export;
mod get;
mod import;
mod labelling;
mod models;
mod other_toolkits;
mod pivot;
mod program;
mod serve;
mod train;
mod translate;

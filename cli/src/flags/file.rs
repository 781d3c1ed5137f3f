//! Files on the command line.

use std::path::{Path, PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser};

/// The path of standard input.
pub(crate) const STANDARD_INPUT: &str = "/dev/stdin";

/// Returns the parser of a file that is read once: `-` is standard input.
pub(crate) fn input_file() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().map(|path| {
        if path == Path::new("-") {
            PathBuf::from(STANDARD_INPUT)
        } else {
            path
        }
    })
}

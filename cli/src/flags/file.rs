//! Files and folders on the command line.

use std::path::{Path, PathBuf};

use attend_data::STANDARD_INPUT;
use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::error::ErrorKind;

use crate::usage_error;

/// How standard input and standard output are written on the command line.
pub(crate) const DASH: &str = "-";

/// Returns the parser of a file that is read once: `-` is standard input.
pub(crate) fn input_file() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().map(|path| {
        if path == Path::new(DASH) {
            PathBuf::from(STANDARD_INPUT)
        } else {
            path
        }
    })
}

/// Ends the process as after a wrong command line if standard input is more than one of a subcommand's files.
pub(crate) fn check_standard_input<'a>(subcommand: &str, files: impl IntoIterator<Item = &'a PathBuf>) {
    let files = files.into_iter();
    if files.filter(|file| *file == Path::new(STANDARD_INPUT)).count() > 1 {
        let message = "standard input can be only one of the files, since it is read once";
        usage_error(subcommand, ErrorKind::ArgumentConflict, message);
    }
}

/// Returns the parser of a folder that is written, which `-` cannot be.
pub(crate) fn output_folder() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| {
        if path == Path::new(DASH) {
            Err("it is a folder, and cannot be standard output; ./- is a folder of this name")
        } else {
            Ok(path)
        }
    })
}

/// Returns the name of a variable of the environment for an option, or `None` if the variable is empty: an empty one
/// counts as unset.
pub(crate) fn variable(name: &'static str) -> Option<&'static str> {
    let is_empty = std::env::var_os(name).is_some_and(|value| value.is_empty());
    (!is_empty).then_some(name)
}

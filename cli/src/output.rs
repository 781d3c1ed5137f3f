//! Prints errors to standard error, and data to standard output.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use attend_data::DataError;

use crate::error::CliError;
use crate::hint::Hint;

/// Prints the error and, if there is one, its hint to standard error, in lines that begin with `error:` and `hint:`.
/// Returns exit status 1.
pub fn report(error: &(impl Display + Hint)) -> ExitCode {
    report_with(error, error.hint())
}

/// Prints the error and, if there is one, the given hint to standard error, in lines that begin with `error:` and
/// `hint:`. Returns exit status 1.
pub(crate) fn report_with(error: impl Display, hint: Option<String>) -> ExitCode {
    eprintln!("error: {error}");
    if let Some(hint) = hint {
        eprintln!("hint: {hint}");
    }
    ExitCode::FAILURE
}

/// Prints `text` to standard output. If its reader has gone away, as `head` does once it has enough lines, the text is
/// dropped without an error.
///
/// # Errors
///
/// [`CliError::Data`] if standard output cannot be written for another reason.
pub fn print(text: &str) -> Result<(), CliError> {
    print_while_read(text).map(|_| ())
}

/// Prints text, or the bytes of a file, to standard output. Returns [`ControlFlow::Break`] if the reader has gone away.
///
/// # Errors
///
/// [`CliError::Data`] if standard output cannot be written for another reason.
pub(crate) fn print_while_read(text: impl AsRef<[u8]>) -> Result<ControlFlow<()>, CliError> {
    write_while_read(&mut io::stdout().lock(), Path::new("standard output"), text)
}

/// Writes text, or the bytes of a file, to an output and flushes it. Returns [`ControlFlow::Break`] if the reader has gone away.
///
/// # Errors
///
/// [`CliError::Data`] with the given `path` if the output cannot be written for another reason.
pub(crate) fn write_while_read(
    output: &mut impl Write,
    path: &Path,
    text: impl AsRef<[u8]>,
) -> Result<ControlFlow<()>, CliError> {
    match output.write_all(text.as_ref()).and_then(|()| output.flush()) {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => Err(DataError::write(path, error).into()),
    }
}

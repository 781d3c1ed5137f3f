//! How errors read, and how data leaves the program.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::process::ExitCode;

use attend_data::DataError;

use crate::error::CliError;
use crate::hint::Hint;

/// Prints `error:` and, where there is one, `hint:` to standard error, and returns exit status 1.
pub fn report(error: &(impl Display + Hint)) -> ExitCode {
    report_with(error, error.hint())
}

/// Prints `error:` and this hint in the place of the error's own.
pub(crate) fn report_with(error: impl Display, hint: Option<String>) -> ExitCode {
    eprintln!("error: {error}");
    if let Some(hint) = hint {
        eprintln!("hint: {hint}");
    }
    ExitCode::FAILURE
}

/// Prints `text` to standard output. A reader that has gone away, as `head` does, is no error.
///
/// # Errors
///
/// If standard output cannot be written for another reason.
pub fn print(text: &str) -> Result<(), CliError> {
    print_while_read(text).map(|_| ())
}

/// Prints `text` to standard output. Breaks where the reader has gone away.
///
/// # Errors
///
/// If standard output cannot be written for another reason.
pub(crate) fn print_while_read(text: &str) -> Result<ControlFlow<()>, CliError> {
    write_while_read(&mut io::stdout().lock(), Path::new("standard output"), text)
}

/// Writes `text` to an output and flushes it. Breaks where the reader has gone away.
///
/// # Errors
///
/// If the output, which the error calls `path`, cannot be written for another reason.
pub(crate) fn write_while_read(
    output: &mut impl Write,
    path: &Path,
    text: &str,
) -> Result<ControlFlow<()>, CliError> {
    match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => Err(DataError::write(path, error).into()),
    }
}

//! What the programs of the workspace share: how an error reads and how data leaves.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// Prints `error:` and, where there is one, `hint:` to standard error, and returns exit status 1.
pub fn report(error: impl Display, hint: Option<String>) -> ExitCode {
    eprintln!("error: {error}");
    if let Some(hint) = hint {
        eprintln!("hint: {hint}");
    }
    ExitCode::FAILURE
}

/// Writes to standard output. A reader that has gone away, as `head` does, is no error.
///
/// # Errors
///
/// If standard output cannot be written for another reason.
pub fn write_stdout(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

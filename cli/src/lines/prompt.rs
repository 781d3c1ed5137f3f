//! The prompt that asks for lines on a terminal.

use std::io;
use std::ops::ControlFlow;
use std::path::Path;

use attend_data::DataError;
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

use crate::error::CliError;

/// Calls `answer` with each line that is typed, until it breaks. The arrow keys bring earlier lines back, Ctrl-C drops a
/// line, Ctrl-D ends.
pub(crate) fn prompt(
    mut answer: impl FnMut(String) -> Result<ControlFlow<()>, CliError>,
) -> Result<(), CliError> {
    let failed = |error| DataError::read(Path::new("the terminal"), io::Error::other(error));
    let mut editor = DefaultEditor::new().map_err(failed)?;
    loop {
        let text = match editor.readline("> ") {
            Ok(text) => text,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(failed(error).into()),
        };
        editor.add_history_entry(&text).map_err(failed)?;
        if answer(text)?.is_break() {
            return Ok(());
        }
    }
}

//! A prompt, where a terminal asks for lines.

use std::io;
use std::path::Path;

use attend_data::DataError;
use attend_infer::Translator;
use attend_infer::stream::{StreamOptions, translate_from};
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

use super::output::Output;
use crate::error::CliError;
use crate::output::report;

/// Translates each line that is typed. The arrow keys bring earlier lines back, Ctrl-C drops a line, Ctrl-D ends.
pub(crate) fn translate(
    translator: &Translator,
    options: StreamOptions<'_>,
    output: &mut Output,
) -> Result<(), CliError> {
    let failed = |error| DataError::read(Path::new("the terminal"), io::Error::other(error));
    let mut editor = DefaultEditor::new().map_err(failed)?;
    let mut asked = 0;
    loop {
        let line = match editor.readline("> ") {
            Ok(line) => line,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(failed(error).into()),
        };
        editor.add_history_entry(&line).map_err(failed)?;
        let lines = [line];
        match translate_from(translator, options, asked, &lines) {
            Ok(translations) => {
                asked += 1;
                if output.write(&lines, &translations)?.is_break() {
                    return Ok(());
                }
            }
            // The next line may be a better one.
            Err(error) => {
                report(&error);
            }
        }
    }
}

//! The prompt that asks for lines on a terminal.

use std::io;
use std::path::Path;

use attend_data::DataError;
use attend_infer::{Line, Translation, Translator};
use rustyline::DefaultEditor;
use rustyline::error::ReadlineError;

use super::output::Output;
use crate::error::CliError;
use crate::flags::LineOptions;
use crate::output::report;

/// Translates each line that is typed. The arrow keys bring earlier lines back, Ctrl-C drops a line, Ctrl-D ends.
pub(crate) fn translate(
    translator: &Translator,
    options: &LineOptions,
    output: &mut Output,
) -> Result<(), CliError> {
    let failed = |error| DataError::read(Path::new("the terminal"), io::Error::other(error));
    let mut editor = DefaultEditor::new().map_err(failed)?;
    let mut asked = 0;
    loop {
        let text = match editor.readline("> ") {
            Ok(text) => text,
            Err(ReadlineError::Interrupted) => continue,
            Err(ReadlineError::Eof) => return Ok(()),
            Err(error) => return Err(failed(error).into()),
        };
        editor.add_history_entry(&text).map_err(failed)?;
        match translated(translator, options, &text, asked) {
            Ok(translations) => {
                asked += 1;
                if output.write(&[(text, translations)])?.is_break() {
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

fn translated(
    translator: &Translator,
    options: &LineOptions,
    text: &str,
    number: usize,
) -> Result<Vec<Translation>, CliError> {
    let line = Line {
        text,
        number,
        options: &*options.of(number)?,
    };
    Ok(translator.translate_each(&[line]).remove(0)?)
}

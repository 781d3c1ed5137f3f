//! The output of translations.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use attend_data::{DataError, OutputFile};
use attend_infer::Translation;
use serde::Serialize;

use crate::error::CliError;
use crate::output::{print_while_read, write_while_read};

/// The place where lines are written, standard output or a file, and their form.
pub(crate) struct Output {
    /// The file and its path as the user gave it; `None` for standard output.
    file: Option<(OutputFile, PathBuf)>,
    json: bool,
    lines: usize,
}

/// The JSON object of a line.
#[derive(Serialize)]
struct TranslatedLine<'a> {
    source: &'a str,
    translations: &'a [Translation],
}

impl Output {
    pub(crate) fn create(path: Option<&Path>, json: bool) -> Result<Self, DataError> {
        let file = path.map(|path| Ok((OutputFile::create(path)?, path.to_owned())));
        Ok(Self {
            file: file.transpose()?,
            json,
            lines: 0,
        })
    }

    /// Writes lines and flushes them. Breaks if the reader has gone away, as `head` does.
    pub(crate) fn write(
        &mut self,
        lines: &[(String, Vec<Translation>)],
    ) -> Result<ControlFlow<()>, CliError> {
        let line = |(source, translations): &(String, Vec<Translation>)| {
            if self.json {
                json_line(source, translations)
            } else {
                plain_line(&translations[0])
            }
        };
        let text: String = lines.iter().map(line).collect();
        let flow = match &mut self.file {
            Some((file, path)) => write_while_read(file, path, &text)?,
            None => print_while_read(&text)?,
        };
        self.lines += lines.len();
        Ok(flow)
    }

    /// Gives the file its name, which replaces an older file.
    pub(crate) fn finish(self) -> Result<(), DataError> {
        self.file.map_or(Ok(()), |(file, _)| file.finish())
    }

    /// Returns where the lines are that were written to a file that was not finished.
    pub(crate) fn unfinished(&self) -> Option<String> {
        let part = self.file.as_ref()?.0.part()?;
        (self.lines > 0).then(|| format!("the translations of the lines before are in {}", part.display()))
    }
}

fn plain_line(translation: &Translation) -> String {
    let text = &translation.text;
    match &translation.alignment {
        None => format!("{text}\n"),
        Some(alignment) => format!("{text} ||| {alignment}\n"),
    }
}

fn json_line(source: &str, translations: &[Translation]) -> String {
    let line = TranslatedLine { source, translations };
    serde_json::to_string(&line).expect("strings and numbers always serialize") + "\n"
}

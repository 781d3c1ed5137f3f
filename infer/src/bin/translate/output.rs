//! Where translations go.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use attend_data::cli::{print_while_read, write_while_read};
use attend_data::{DataError, OutputFile};
use attend_infer::{InferError, Translation};
use serde::Serialize;

/// Standard output or a file, and in what form a line is written.
pub(crate) struct Output {
    /// The file and what the user calls it; without one, standard output.
    file: Option<(OutputFile, PathBuf)>,
    json: bool,
    lines: usize,
}

/// What `--json` prints for a line.
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

    /// Writes lines and flushes them. Breaks where the reader has gone away, as `head` does.
    pub(crate) fn write(
        &mut self,
        lines: &[String],
        translations: &[Vec<Translation>],
    ) -> Result<ControlFlow<()>, InferError> {
        let text: String = lines
            .iter()
            .zip(translations)
            .map(|(source, translations)| match self.json {
                true => json_line(source, translations),
                false => plain_line(&translations[0]),
            })
            .collect();
        let flow = match &mut self.file {
            Some((file, path)) => write_while_read(file, path, &text)?,
            None => print_while_read(&text)?,
        };
        self.lines += lines.len();
        Ok(flow)
    }

    /// Gives the file its name.
    pub(crate) fn finish(self) -> Result<(), DataError> {
        self.file.map_or(Ok(()), |(file, _)| file.finish())
    }

    /// Where the lines are that an unfinished file holds.
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

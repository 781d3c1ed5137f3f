//! The place where lines are written: standard output or a file.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use attend_data::{DataError, OutputFile};

use crate::error::CliError;
use crate::flags::DASH;
use crate::output::{print_while_read, write_while_read};

/// The place where lines are written.
pub(crate) struct Output {
    /// The file and its path as the user gave it; `None` for standard output.
    file: Option<(OutputFile, PathBuf)>,
    lines: usize,
}

impl Output {
    /// Returns the file of the flag `--output`, or `None` for standard output.
    pub(crate) fn file(flag: Option<&Path>) -> Option<&Path> {
        flag.filter(|path| *path != Path::new(DASH))
    }

    /// Creates the file of this path, or takes standard output if it is `None`.
    pub(crate) fn create(path: Option<&Path>) -> Result<Self, DataError> {
        let file = path.map(|path| Ok((OutputFile::create(path)?, path.to_owned())));
        Ok(Self {
            file: file.transpose()?,
            lines: 0,
        })
    }

    /// Writes the text of this number of lines, or the bytes of a file, and flushes it. Breaks if the reader has gone
    /// away, as `head` does.
    pub(crate) fn write(
        &mut self,
        text: impl AsRef<[u8]>,
        lines: usize,
    ) -> Result<ControlFlow<()>, CliError> {
        let flow = match &mut self.file {
            Some((file, path)) => write_while_read(file, path, text)?,
            None => print_while_read(text)?,
        };
        self.lines += lines;
        Ok(flow)
    }

    /// Gives the file its name, which replaces an older file.
    pub(crate) fn finish(self) -> Result<(), DataError> {
        self.file.map_or(Ok(()), |(file, _)| file.finish())
    }

    /// Returns where the lines are that were written to a file that was not finished. They are `results` of the lines of
    /// the input.
    pub(crate) fn unfinished(&self, results: &str) -> Option<String> {
        let part = self.file.as_ref()?.0.part()?;
        (self.lines > 0).then(|| format!("the {results} of the lines before are in {}", part.display()))
    }
}

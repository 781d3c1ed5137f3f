//! The lines that a subcommand reads: arguments, a file, or standard input.

use std::io::{self, BufReader, Cursor, IsTerminal};
use std::path::Path;

use attend_data::{DataError, Lines, open_sources, single_line};

/// Where the lines come from, and what says whether a prompt may ask for them.
pub(crate) struct Input<'a> {
    /// The arguments, each a line. Without any, the lines are those of the file.
    pub(crate) arguments: &'a [String],
    /// The file; `None` for standard input.
    pub(crate) file: Option<&'a Path>,
    /// Whether the file may be a test set of WMT, whose sources are the lines.
    pub(crate) may_be_test_set: bool,
    /// Whether the output goes to standard output.
    pub(crate) prints: bool,
}

impl Input<'_> {
    /// Opens the lines. Returns `None` if a prompt should ask for them.
    ///
    /// # Errors
    ///
    /// Those of [`Lines::open`] and [`open_sources`].
    pub(crate) fn open(&self) -> Result<Option<Lines>, DataError> {
        if !self.arguments.is_empty() {
            let lines = self.arguments.iter();
            let lines = lines.flat_map(|line| [single_line(line), "\n".into()]);
            let text = Cursor::new(lines.collect::<String>());
            return Ok(Some(Lines::new(text, "the command line")));
        }
        if let Some(path) = self.file {
            // The lines of a pipe are taken as they come.
            let lines = if path.is_file() && self.may_be_test_set {
                open_sources(path)
            } else {
                Lines::open(path)
            };
            return lines.map(Some);
        }
        if self.prints && io::stdin().is_terminal() && io::stdout().is_terminal() {
            return Ok(None);
        }
        Ok(Some(Lines::new(BufReader::new(io::stdin()), "standard input")))
    }

    /// Returns whether lines may come one by one, so that none should wait for others.
    pub(crate) fn is_eager(&self) -> bool {
        !self.file.is_some_and(Path::is_file)
    }
}

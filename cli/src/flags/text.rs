//! The flags for the text of translations.

use std::iter;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use attend_data::{DataError, Lines, is_blank, read_lines, single_line, spaced_once};
use attend_infer::{Format, Glossary, SpanKind, StreamLine, TranslateOptions};
use clap::Args;

use super::input_file;
use crate::error::CliError;
use crate::name::name_of;

/// What the text of translations must be like.
#[derive(Clone, Debug, Args)]
pub(crate) struct TextFlags {
    /// Start each translation with this text. This, --prefix-file and --require take a line for one sentence.
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["prefix_file", "language"])]
    prefix: Option<String>,
    /// Start each translation with the text in its line of this file, which may be empty; - is standard input.
    #[arg(long, value_name = "FILE", value_parser = input_file(), conflicts_with = "language")]
    prefix_file: Option<PathBuf>,
    /// Have no sentence's translation contain this word or phrase; may be given several times.
    #[arg(long = "ban", value_name = "WORD", value_parser = phrase)]
    banned: Vec<String>,
    /// Have every translation contain this word or phrase; may be given several times.
    #[arg(long = "require", value_name = "WORD", value_parser = phrase, conflicts_with = "language")]
    required: Vec<String>,
    /// Have terms translated as this file says: a line has a term, a tab, and what the term is translated as.
    #[arg(long, value_name = "FILE", value_parser = input_file())]
    glossary: Option<PathBuf>,
    /// Read lines as text, HTML or XML. Tags are not translated: a pair of tags stands around the words that come from
    /// those that it enclosed, and every other tag between the words that come from those on either side.
    #[arg(long, value_name = "FORMAT", default_value_t, value_parser = name_of::<Format>())]
    pub(crate) format: Format,
    /// Keep these in translations as they are, each as often as in its line: urls, emails, placeholders such as {name}
    /// and %s, emoji, numbers. Several are separated by commas.
    #[arg(long, value_name = "KINDS", value_delimiter = ',', value_parser = name_of::<SpanKind>())]
    keep: Vec<SpanKind>,
}

impl TextFlags {
    /// Returns whether the prefixes or the glossary are read from a file of this path.
    #[must_use]
    pub(crate) fn reads(&self, path: &Path) -> bool {
        [&self.prefix_file, &self.glossary]
            .into_iter()
            .any(|file| file.as_deref() == Some(path))
    }

    /// Returns whether the flags take a line for one sentence.
    #[must_use]
    pub(crate) fn ask_for_sentences(&self) -> bool {
        self.prefix.is_some() || self.prefix_file.is_some() || !self.required.is_empty()
    }

    /// Returns whether terms are translated as a file says.
    #[must_use]
    pub(crate) fn has_glossary(&self) -> bool {
        self.glossary.is_some()
    }

    /// Returns `options` with what all lines ask of the text of their translations.
    ///
    /// # Errors
    ///
    /// If the file of the glossary cannot be read or is not valid.
    pub(crate) fn over(&self, options: TranslateOptions) -> Result<TranslateOptions, CliError> {
        Ok(TranslateOptions {
            glossary: match &self.glossary {
                Some(path) => Arc::new(read_glossary(path)?),
                None => Arc::default(),
            },
            prefix: self.prefix.clone().unwrap_or_default(),
            required: self.required.clone(),
            banned: self.banned.clone(),
            format: self.format,
            keep: self.keep.clone(),
            ..options
        })
    }

    /// Returns the options of each line, which are `common` but for the line's own prefix.
    ///
    /// # Errors
    ///
    /// If the file of prefixes cannot be read.
    pub(crate) fn of_lines(&self, common: TranslateOptions) -> Result<LineOptions, DataError> {
        let with_lines = |path: &PathBuf| Ok::<_, DataError>((path.clone(), read_lines(path)?));
        Ok(LineOptions {
            common: Arc::new(common),
            prefixes: self.prefix_file.as_ref().map(with_lines).transpose()?,
        })
    }
}

/// The options of each line.
pub(crate) struct LineOptions {
    common: Arc<TranslateOptions>,
    /// The lines of a file, each the prefix of a line of the input, and the file's path.
    prefixes: Option<(PathBuf, Vec<String>)>,
}

impl LineOptions {
    /// Returns what lines have in common.
    pub(crate) fn common(&self) -> &TranslateOptions {
        &self.common
    }

    /// Returns the options of a line, from 0.
    ///
    /// # Errors
    ///
    /// [`CliError::Prefixes`] if there is no prefix for the line.
    pub(crate) fn of(&self, line: usize) -> Result<Arc<TranslateOptions>, CliError> {
        let Some((path, prefixes)) = &self.prefixes else {
            return Ok(Arc::clone(&self.common));
        };
        match prefixes.get(line) {
            Some(prefix) => Ok(Arc::new(TranslateOptions {
                prefix: prefix.clone(),
                ..(*self.common).clone()
            })),
            None => Err(CliError::Prefixes {
                path: path.clone(),
                prefixes: prefixes.len(),
                input: "more",
            }),
        }
    }

    /// Checks that the file of prefixes has no more lines than the input.
    fn check_end(&self, input: usize) -> Result<(), CliError> {
        match &self.prefixes {
            Some((path, prefixes)) if prefixes.len() > input => Err(CliError::Prefixes {
                path: path.clone(),
                prefixes: prefixes.len(),
                input: "fewer",
            }),
            _ => Ok(()),
        }
    }

    /// Returns the lines with their options. The first error ends them; [`CliError::Prefixes`] comes after the last
    /// line that has a prefix.
    pub(crate) fn zip(self, mut lines: Lines) -> impl Iterator<Item = Result<StreamLine, CliError>> + Send {
        let mut count = 0;
        iter::from_fn(move || {
            if count == 0
                && self.common.format == Format::Text
                && let Err(error) = lines.check_no_test_set()
            {
                return Some(Err(error.into()));
            }
            let Some(text) = lines.next() else {
                return self.check_end(count).err().map(Err);
            };
            let line = text.map_err(CliError::from).and_then(|text| {
                let options = self.of(count)?;
                let text = single_line(&text).into_owned();
                Ok(StreamLine { text, options })
            });
            count += 1;
            Some(line)
        })
    }
}

/// Reads a glossary, one pair of terms a line.
fn read_glossary(path: &Path) -> Result<Glossary, CliError> {
    let mut glossary = Glossary::default();
    for (line, text) in (1..).zip(read_lines(path)?) {
        let added = glossary.add_line(&text);
        added.map_err(|error| CliError::Glossary {
            path: path.to_owned(),
            line,
            error,
        })?;
    }
    Ok(glossary)
}

/// Returns words with one space between them.
fn phrase(text: &str) -> Result<String, &'static str> {
    if is_blank(text) {
        return Err("there is no word in it");
    }
    Ok(spaced_once(text))
}

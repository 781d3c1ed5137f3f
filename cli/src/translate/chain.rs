//! The models that lines pass through: one, or two by way of a third language.

use std::path::{Path, PathBuf};

use attend_infer::{Format, InferError, Language, Line, TranslateOptions, Translation, Translator};

use crate::error::CliError;
use crate::library::{Pivot, Route, route};
use crate::open_model::OpenModel;

/// The folders of the models that lines pass through.
pub(super) struct Models {
    /// The model that writes the translations.
    pub(super) last: OpenModel,
    /// The folder of the model whose translations the last one reads, and their language.
    pub(super) first: Option<(PathBuf, Language)>,
}

impl Models {
    /// Opens the model at a path.
    pub(super) fn one(path: &Path) -> Result<Self, CliError> {
        Ok(Self {
            last: OpenModel::open(path)?,
            first: None,
        })
    }

    /// Opens the user's models between two languages. Tells if there are two that were not asked for by `via`.
    pub(super) fn between(from: &Language, to: &Language, via: Option<&Language>) -> Result<Self, CliError> {
        let Pivot {
            language,
            first,
            last,
        } = match route(from, to, via)? {
            Route::Direct(folder) => return Self::one(&folder),
            Route::Pivot(pivot) => pivot,
        };
        if via.is_none() {
            let name = |folder: &Path| folder.file_name().unwrap_or_default().display().to_string();
            eprintln!(
                "no model translates from {from} to {to}: it is done by way of {language}, with {} and {}",
                name(&first),
                name(&last)
            );
        }
        Ok(Self {
            last: OpenModel::open(&last)?,
            first: Some((first, language)),
        })
    }
}

/// The translators that lines pass through.
pub(super) struct Chain {
    /// The translator whose translations the last one reads, and the options of all of its lines.
    pub(super) first: Option<(Translator, TranslateOptions)>,
    pub(super) last: Translator,
}

impl Chain {
    /// Translates lines, each with its own number and options. A first translator takes their format, and has all other
    /// options for itself. Returns the result of each line, as [`Translator::translate_each`] does.
    pub(super) fn translate(&self, lines: &[Line<'_>]) -> Vec<Result<Vec<Translation>, InferError>> {
        let Some((first, options)) = &self.first else {
            return self.last.translate_each(lines);
        };
        let of_formats = [Format::Text, Format::Html, Format::Xml].map(|format| TranslateOptions {
            format,
            ..options.clone()
        });
        let of_line = |line: &Line<'_>| {
            let of_format = of_formats
                .iter()
                .find(|options| options.format == line.options.format);
            of_format.expect("there are three formats")
        };
        let read = lines.iter().map(|line| Line {
            options: of_line(line),
            ..*line
        });
        let read: Vec<Line<'_>> = read.collect();
        let best = |found: Result<Vec<Translation>, InferError>| Ok(found?.swap_remove(0).text);
        let written: Vec<Result<String, InferError>> =
            first.translate_each(&read).into_iter().map(best).collect();
        let texts = lines.iter().zip(&written);
        let read = texts.filter_map(|(line, text)| {
            let text = text.as_ref().ok()?;
            Some(Line { text, ..*line })
        });
        let mut found = self.last.translate_each(&read.collect::<Vec<_>>()).into_iter();
        let result = |text: Result<String, InferError>| {
            text?;
            let found = found.next().expect("each line that is read has a result");
            found.map_err(of_translations)
        };
        written.into_iter().map(result).collect()
    }
}

/// Returns the error of a model that has read the translations of another one. A line that is too long is one of these.
fn of_translations(error: InferError) -> InferError {
    match error {
        InferError::TooLong {
            line, tokens, limit, ..
        } => InferError::TooLong {
            text: "the first model's translations",
            line,
            tokens,
            limit,
        },
        error => error,
    }
}

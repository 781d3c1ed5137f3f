//! Texts with labels: a label for the whole text, or a tag for each word.

mod conll;
mod tsv;

use std::borrow::Cow;
use std::iter;

use unicode_normalization::UnicodeNormalization;

use crate::corpora::lines::Lines;
use crate::error::DataError;
use crate::line::{is_blank, single_line, spaced_once};

/// A text and its label, as text classification learns them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LabelledText {
    /// The text.
    pub text: String,
    /// The label of the text.
    pub label: String,
}

/// The words of a sentence and a tag for each of them, as sequence tagging learns them. Tags are often in BIO: `B-NP`
/// for the first word of a noun phrase, `I-NP` for its other words, `O` for a word outside of all phrases.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct TaggedText {
    /// The words, of which punctuation marks are some.
    pub words: Vec<String>,
    /// The tags, as many as words.
    pub tags: Vec<String>,
}

/// Returns what `read` reads from a file until it returns `None` or fails.
///
/// The iterator returns [`DataError::EmptyLabelled`] if there is nothing to read. An error ends it.
fn until_error<T>(
    mut lines: Lines,
    mut read: impl FnMut(&mut Lines) -> Result<Option<T>, DataError>,
) -> impl Iterator<Item = Result<T, DataError>> {
    let (mut is_empty, mut has_ended) = (true, false);
    iter::from_fn(move || {
        if has_ended {
            return None;
        }
        let item = match read(&mut lines) {
            Ok(None) if is_empty => Err(DataError::EmptyLabelled {
                path: lines.path().to_owned(),
            }),
            item => item,
        };
        is_empty = false;
        has_ended = !matches!(item, Ok(Some(_)));
        item.transpose()
    })
}

/// Returns a text or a word of the line read last, on a single line.
///
/// # Errors
/// Returns [`DataError::Incomplete`], which says that the line has no `name`, if a reader sees nothing of the text.
fn text(column: &str, name: &'static str, lines: &Lines) -> Result<String, DataError> {
    if is_blank(column) {
        return Err(DataError::Incomplete {
            path: lines.path().to_owned(),
            line: lines.line(),
            missing: name,
        });
    }
    Ok(single_line(column).into_owned())
}

/// Returns a label or a tag of the line read last: in Unicode's form NFC, so that labels that look the same are the
/// same, and without the characters that no reader sees.
///
/// # Errors
/// Returns the error of [`text`].
fn label(column: &str, name: &'static str, lines: &Lines) -> Result<String, DataError> {
    Ok(spaced_once(&text(column, name, lines)?).nfc().collect())
}

/// Returns text for a column of a file: with a space in place of each tab and each character that ends a line.
fn column(text: &str) -> Cow<'_, str> {
    let text = single_line(text);
    if text.contains('\t') {
        return Cow::Owned(text.replace('\t', " "));
    }
    text
}

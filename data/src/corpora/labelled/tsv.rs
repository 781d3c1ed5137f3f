//! Files of labelled texts, in two columns: `label<TAB>text`.

use std::fmt;

use super::{LabelledText, column, label, text, until_error};
use crate::corpora::lines::Lines;
use crate::error::DataError;

impl LabelledText {
    /// Reads texts with labels, one at a time: a label, a tab and a text on each line.
    ///
    /// Quotation marks are characters like any other, and there is no escape for a tab. The text is a [single
    /// line](crate::single_line). A label is without white space around it, and without characters that no reader
    /// sees.
    ///
    /// ```
    /// use attend_data::{LabelledText, Lines};
    ///
    /// let lines = Lines::new("question\tWho sleeps?\nstatement\tI \"sleep\".\n".as_bytes(), "example.tsv");
    /// let texts = LabelledText::read(lines).collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!((texts[0].label.as_str(), texts[0].text.as_str()), ("question", "Who sleeps?"));
    /// assert_eq!(texts[1].text, "I \"sleep\".");
    /// # Ok::<(), attend_data::DataError>(())
    /// ```
    ///
    /// # Errors
    /// The iterator returns the errors of [`Lines`], [`DataError::LabelColumns`] if a line has no tab or several,
    /// [`DataError::Incomplete`] if a reader sees no label or no text, and [`DataError::EmptyLabelled`] if there is no
    /// line. An error ends the iterator.
    pub fn read(lines: Lines) -> impl Iterator<Item = Result<Self, DataError>> + Send {
        until_error(lines, next)
    }
}

/// Writes the line of a file, without its line end: the label, a tab and the text. A tab or a line end in either of
/// them becomes a space.
impl fmt::Display for LabelledText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\t{}", column(&self.label), column(&self.text))
    }
}

fn next(lines: &mut Lines) -> Result<Option<LabelledText>, DataError> {
    let Some(line) = lines.next().transpose()? else {
        return Ok(None);
    };
    match line.split_once('\t') {
        Some((first, second)) if !second.contains('\t') => Ok(Some(LabelledText {
            label: label(first, "label", lines)?,
            text: text(second, "text", lines)?,
        })),
        _ => Err(DataError::LabelColumns {
            path: lines.path().to_owned(),
            line: lines.line(),
            tabs: line.matches('\t').count(),
        }),
    }
}

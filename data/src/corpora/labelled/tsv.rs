//! Files of labelled texts, in two columns: `label<TAB>text`.

use std::fmt;

use super::{LabelledText, column, label, text, until_error};
use crate::corpora::lines::Lines;
use crate::error::DataError;
use crate::line::is_blank;

impl LabelledText {
    /// Reads texts with labels, one at a time: a label, a tab and a text on each line. Each comes with the number of its
    /// line, counted from one.
    ///
    /// Quotation marks are characters like any other, and there is no escape for a tab. The text is a [single
    /// line](crate::single_line). A label is in Unicode's form NFC, without white space around it, and without
    /// characters that no reader sees. Blank lines may end the file.
    ///
    /// ```
    /// use attend_data::{LabelledText, Lines};
    ///
    /// let lines = Lines::new("question\tWho sleeps?\nstatement\tI \"sleep\".\n".as_bytes(), "example.tsv");
    /// let texts = LabelledText::read(lines).collect::<Result<Vec<_>, _>>()?;
    /// let (line, first) = &texts[0];
    /// assert_eq!((*line, first.label.as_str(), first.text.as_str()), (1, "question", "Who sleeps?"));
    /// assert_eq!(texts[1].1.text, "I \"sleep\".");
    /// # Ok::<(), attend_data::DataError>(())
    /// ```
    ///
    /// # Errors
    /// The iterator returns the errors of [`Lines`], [`DataError::LabelColumns`] if a line has no tab or several,
    /// [`DataError::Incomplete`] if a reader sees no label or no text, [`DataError::BlankLine`] if a reader sees nothing
    /// on a line before another text, and [`DataError::EmptyLabelled`] if there is no text. An error ends the iterator.
    pub fn read(lines: Lines) -> impl Iterator<Item = Result<(usize, Self), DataError>> + Send {
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

fn next(lines: &mut Lines) -> Result<Option<(usize, LabelledText)>, DataError> {
    let Some(line) = lines.next().transpose()? else {
        return Ok(None);
    };
    if is_blank(&line) {
        return expect_end(lines).map(|()| None);
    }
    match line.split_once('\t') {
        Some((first, second)) if !second.contains('\t') => {
            let text = LabelledText {
                label: label(first, "label", lines)?,
                text: text(second, "text", lines)?,
            };
            Ok(Some((lines.line(), text)))
        }
        _ => Err(DataError::LabelColumns {
            path: lines.path().to_owned(),
            line: lines.line(),
            tabs: line.matches('\t').count(),
        }),
    }
}

/// Checks that nothing but blank lines follows the blank line that was read last.
///
/// # Errors
/// Returns [`DataError::BlankLine`] for that line if a text follows it.
fn expect_end(lines: &mut Lines) -> Result<(), DataError> {
    let blank = lines.line();
    while let Some(line) = lines.next().transpose()? {
        if !is_blank(&line) {
            return Err(DataError::BlankLine {
                path: lines.path().to_owned(),
                line: blank,
            });
        }
    }
    Ok(())
}

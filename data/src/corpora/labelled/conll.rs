//! Files of tagged sentences, in the columns of CoNLL-2003 (Tjong Kim Sang and De Meulder 2003, "Introduction to the
//! CoNLL-2003 Shared Task").

use std::fmt;

use super::{TaggedText, column, label, text, until_error};
use crate::corpora::lines::Lines;
use crate::error::DataError;
use crate::line::is_blank;

/// The word that stands before each document of CoNLL-2003.
const DOCUMENT_START: &str = "-DOCSTART-";
/// The beginning of a comment, as CoNLL-U has them before the words of a sentence.
const COMMENT_START: &str = "# ";

impl TaggedText {
    /// Reads tagged sentences, one at a time: a word and its tag on each line, and a blank line after each sentence.
    ///
    /// - The first column is the word, the last one the tag. Columns between them are skipped.
    /// - A line with a tab has its columns between tabs, and a word may then contain a space. A line without a tab has
    ///   its columns between spaces.
    /// - A line whose word is `-DOCSTART-` ends a sentence, and is skipped.
    /// - A line that begins with `#` and a space is a comment, and skipped, if it stands before the first word of a
    ///   sentence. Behind the first word, `#` is a word. It is one everywhere if a tab follows it.
    /// - White space around a word and a tag is no part of them. A word is a [single line](crate::single_line). A tag
    ///   is without characters that no reader sees. It may be any text: an `I-` tag need not follow a tag of its kind.
    ///
    /// ```
    /// use attend_data::{Lines, TaggedText};
    ///
    /// let lines = Lines::new("# a comment\nAda NNP B-PER\nsleeps VBZ O\n\nGo\tO\n".as_bytes(), "example.conll");
    /// let sentences = TaggedText::read(lines).collect::<Result<Vec<_>, _>>()?;
    /// assert_eq!((sentences[0].words[0].as_str(), sentences[0].tags[0].as_str()), ("Ada", "B-PER"));
    /// assert_eq!(sentences[1].to_string(), "Go\tO\n");
    /// # Ok::<(), attend_data::DataError>(())
    /// ```
    ///
    /// # Errors
    /// The iterator returns the errors of [`Lines`], [`DataError::Incomplete`] if a reader sees no word or no tag on a
    /// line, and [`DataError::EmptyLabelled`] if there is no word. An error ends the iterator.
    pub fn read(lines: Lines) -> impl Iterator<Item = Result<Self, DataError>> + Send {
        until_error(lines, next)
    }
}

/// Writes the lines of a file, without the blank line behind them: each word, a tab, its tag and a line feed. A tab or a
/// line end in a word or a tag becomes a space.
impl fmt::Display for TaggedText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (word, tag) in self.words.iter().zip(&self.tags) {
            writeln!(f, "{}\t{}", column(word), column(tag))?;
        }
        Ok(())
    }
}

fn next(lines: &mut Lines) -> Result<Option<TaggedText>, DataError> {
    let mut sentence = TaggedText::default();
    while let Some(line) = lines.next().transpose()? {
        let has_begun = !sentence.words.is_empty();
        let (word, tag) = first_and_last(&line);
        if is_blank(&line) || word == DOCUMENT_START {
            if has_begun {
                break;
            }
        } else if has_begun || !line.starts_with(COMMENT_START) {
            sentence.words.push(text(word, "word", lines)?);
            sentence.tags.push(label(tag.unwrap_or_default(), "tag", lines)?);
        }
    }
    Ok((!sentence.words.is_empty()).then_some(sentence))
}

/// Returns the first column of a line, and the last one if there are several.
fn first_and_last(line: &str) -> (&str, Option<&str>) {
    let (line, separator) = if line.contains('\t') {
        (line, '\t')
    } else {
        (line.trim(), ' ')
    };
    let first = line.split(separator).next().unwrap_or_default();
    (first.trim(), line.rsplit_once(separator).map(|(_, last)| last))
}

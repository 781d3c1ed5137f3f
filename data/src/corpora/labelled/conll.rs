//! Files of tagged sentences, in the columns of CoNLL-2003 (Tjong Kim Sang and De Meulder 2003, "Introduction to the
//! CoNLL-2003 Shared Task").

use super::{TaggedText, label, text, until_error};
use crate::corpora::lines::Lines;
use crate::error::DataError;
use crate::line::is_blank;

/// The word that stands before each document of CoNLL-2003.
const DOCUMENT_START: &str = "-DOCSTART-";
/// The beginning of a comment, as CoNLL-U has them before the words of a sentence.
const COMMENT_START: &str = "# ";

impl TaggedText {
    /// Reads tagged sentences, one at a time: a word and its tag on each line, and a blank line after each sentence.
    /// Each comes with the number of the line of its first word, counted from one. Its other words are on the lines
    /// behind, one on each.
    ///
    /// - The first column is the word, the last one the tag. Columns between them are skipped.
    /// - A line with a tab has its columns between tabs, and a word may then contain a space. A line without a tab has
    ///   its columns between spaces.
    /// - A line whose word is `-DOCSTART-` ends a sentence, and is skipped.
    /// - A line that begins with `#` and a space is a comment, and skipped, if it stands before the first word of a
    ///   sentence. Behind the first word, `#` is a word. It is one everywhere if a tab follows it.
    /// - White space around a word and a tag is no part of them. A word is a [single line](crate::single_line). A tag
    ///   is in Unicode's form NFC, and without characters that no reader sees. It may be any text without white space:
    ///   an `I-` tag need not follow a tag of its kind.
    ///
    /// ```
    /// use attend_data::{Lines, TaggedText};
    ///
    /// let lines = Lines::new("# a comment\nAda NNP B-PER\nsleeps VBZ O\n\nGo\tO\n".as_bytes(), "example.conll");
    /// let sentences = TaggedText::read(lines).collect::<Result<Vec<_>, _>>()?;
    /// let (line, first) = &sentences[0];
    /// assert_eq!((*line, first.words[0].as_str(), first.tags[0].as_str()), (2, "Ada", "B-PER"));
    /// assert_eq!(sentences[1].1.words, ["Go"]);
    /// # Ok::<(), attend_data::DataError>(())
    /// ```
    ///
    /// # Errors
    /// The iterator returns the errors of [`Lines`], [`DataError::Incomplete`] if a reader sees no word or no tag on a
    /// line, [`DataError::SpacedTag`] if a tag contains white space, [`DataError::NumberedWords`] if the first column is
    /// no word but a number, as in CoNLL-U, and [`DataError::EmptyLabelled`] if there is no word. An error ends the
    /// iterator.
    pub fn read(lines: Lines) -> impl Iterator<Item = Result<(usize, Self), DataError>> + Send {
        until_error(lines, next)
    }
}

fn next(lines: &mut Lines) -> Result<Option<(usize, TaggedText)>, DataError> {
    let mut sentence = TaggedText::default();
    let mut first_line = 0;
    while let Some(line) = lines.next().transpose()? {
        let has_begun = !sentence.words.is_empty();
        let (word, tag) = first_and_last(&line);
        if is_blank(&line) || word == DOCUMENT_START {
            if has_begun {
                break;
            }
        } else if has_begun || !line.starts_with(COMMENT_START) {
            if has_numbered_words(&line) {
                return Err(DataError::NumberedWords {
                    path: lines.path().to_owned(),
                    line: lines.line(),
                });
            }
            if !has_begun {
                first_line = lines.line();
            }
            sentence.words.push(text(word, "word", lines)?);
            sentence.tags.push(single_tag(tag.unwrap_or_default(), lines)?);
        }
    }
    Ok((!sentence.words.is_empty()).then_some((first_line, sentence)))
}

/// Returns the tag of the line read last. A tag without white space can be written beside others, with spaces between
/// them.
fn single_tag(column: &str, lines: &Lines) -> Result<String, DataError> {
    let tag = label(column, "tag", lines)?;
    if tag.contains(char::is_whitespace) {
        return Err(DataError::SpacedTag {
            path: lines.path().to_owned(),
            line: lines.line(),
            tag,
        });
    }
    Ok(tag)
}

/// Returns whether a line has the ten columns of CoNLL-U. The first of them counts the words: `2`, `2-3` for words that
/// are written as one, or `2.1` for a word that is not written.
fn has_numbered_words(line: &str) -> bool {
    let first = line.split('\t').next().unwrap_or_default().trim();
    let is_number = first.starts_with(|c: char| c.is_ascii_digit())
        && first.chars().all(|c| c.is_ascii_digit() || "-.".contains(c));
    is_number && line.split('\t').count() == 10
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

//! Translations that are told sentence by sentence, as the sentences are found.

use super::RequestedLine;
use super::encoding::{EncodedLine, EncodedLines};
use crate::error::InferError;
use crate::text::Separators;
use crate::translation::{LinkedTranslation, Translation};

/// The best translation of a line, in parts: as soon as a sentence has been found, what it adds to the translation is
/// known. In order, the texts of all parts and of the [rest](Self::rest) are the text that
/// [`EncodedLines::translations`] has first.
///
/// A line with markup or with spans to keep has no parts before the rest.
///
/// ```no_run
/// # use attend_infer::{InferError, Line, TranslationInParts, Translator};
/// # fn print(translator: &Translator, line: &Line<'_>) -> Result<(), InferError> {
/// let mut encoded = translator.encode(&[*line]);
/// let sentences = encoded.take_sentences();
/// let mut translation = TranslationInParts::new(encoded)?;
/// for sentence in &sentences {
///     let found = translator.search_batch(&[sentence]).remove(0);
///     print!("{}", translation.part(found)?.text);
/// }
/// println!("{}", translation.rest()?.text);
/// # Ok(())
/// # }
/// ```
pub struct TranslationInParts<'a> {
    line: EncodedLines<'a>,
    /// What was found so far, if the translation has no parts before the rest.
    found: Vec<Result<Vec<LinkedTranslation>, InferError>>,
    /// The number of sentences whose parts have been told.
    told: usize,
    separators: Separators,
}

impl<'a> TranslationInParts<'a> {
    /// Takes one encoded line, whose sentences have been [taken](EncodedLines::take_sentences).
    ///
    /// # Errors
    ///
    /// Returns the error for which the model does not take the line.
    ///
    /// # Panics
    ///
    /// If there are more lines, or none.
    pub fn new(mut line: EncodedLines<'a>) -> Result<Self, InferError> {
        assert_eq!(line.lines.len(), 1, "one line is translated in parts");
        if let Some(error) = line.take_refusal() {
            return Err(error);
        }
        Ok(Self {
            line,
            found: Vec::new(),
            told: 0,
            separators: Separators::default(),
        })
    }

    /// Returns what the best translation of the next sentence adds, given what was found for the sentence: its text,
    /// with the white space before it, and its score. Returns an empty text if the translation has no parts.
    ///
    /// # Errors
    ///
    /// Returns the error that was found for the sentence.
    ///
    /// # Panics
    ///
    /// If the line has no more sentences.
    pub fn part(
        &mut self,
        found: Result<Vec<LinkedTranslation>, InferError>,
    ) -> Result<Translation, InferError> {
        let Some(line) = self.plain() else {
            self.found.push(found);
            return Ok(Translation::default());
        };
        let mut best = found?.swap_remove(0).translation;
        let spacing = line.spacings[self.told].clone();
        self.told += 1;
        let separator = self.separators.before(spacing.as_deref(), &best.text);
        best.text.insert_str(0, &separator);
        Ok(best)
    }

    /// Returns the rest of the translation, when something was found for all sentences.
    ///
    /// # Errors
    ///
    /// Returns the first of the errors that were found for the sentences of a line without parts.
    ///
    /// # Panics
    ///
    /// If nothing was found for a sentence of a line without parts.
    pub fn rest(self) -> Result<Translation, InferError> {
        if self.plain().is_some() {
            return Ok(Translation::default());
        }
        let mut translations = self.line.translations(self.found);
        Ok(translations.swap_remove(0)?.swap_remove(0))
    }

    /// Returns the line if it is searched for as it is, so that its translation has parts.
    fn plain(&self) -> Option<&EncodedLine> {
        match (&self.line.lines[..], &self.line.parts[..]) {
            ([RequestedLine::Plain { .. }], [Ok(line)]) => Some(line),
            _ => None,
        }
    }
}

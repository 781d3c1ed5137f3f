//! The XML of a part with the translations of its passages.

use std::ops::Range;

use quick_xml::escape::partial_escape;

use crate::paragraph::Run;
use crate::passage::{Bit, Piece, XmlPassage};
use crate::{DocumentError, one_line};

/// Writes a part with translations.
pub(crate) struct Writer<'a> {
    source: &'a str,
    runs: &'a [Run],
    /// The passages, by their places in the XML.
    passages: &'a [XmlPassage],
    translations: &'a [Option<&'a str>],
    /// The number of passages in other parts.
    first: usize,
    /// The run that is open in the passage that is being written.
    run: Option<usize>,
    output: String,
}

impl<'a> Writer<'a> {
    /// Returns the XML of a part with these translations in place of its passages. The passages without one stay.
    ///
    /// # Errors
    ///
    /// Returns [`DocumentError::Tags`] if a translation has other tags than its passage.
    pub(crate) fn write_part(
        source: &'a str,
        runs: &'a [Run],
        passages: &'a [XmlPassage],
        translations: &'a [Option<&'a str>],
        first: usize,
    ) -> Result<String, DocumentError> {
        let mut writer = Self {
            source,
            runs,
            passages,
            translations,
            first,
            run: None,
            output: String::with_capacity(source.len()),
        };
        writer.copy(0..source.len())?;
        Ok(writer.output)
    }

    /// Copies a part of the XML, with the translations of passages that begin within it.
    fn copy(&mut self, range: Range<usize>) -> Result<(), DocumentError> {
        let passages = self.passages;
        let mut next = passages.partition_point(|passage| passage.region.start <= range.start);
        let mut end = range.start;
        while let Some(passage) = passages
            .get(next)
            .filter(|passage| passage.region.start < range.end)
        {
            // A passage in a note or a text box was written with the paragraph around it.
            if passage.region.start >= end {
                self.output += &self.source[end..passage.region.start];
                self.write(next)?;
                end = passage.region.end;
            }
            next += 1;
        }
        self.output += &self.source[end..range.end];
        Ok(())
    }

    /// Writes the passage of this number.
    fn write(&mut self, number: usize) -> Result<(), DocumentError> {
        let passage = &self.passages[number];
        let Some(translation) = self.translations[number] else {
            return self.copy(passage.region.clone());
        };
        let pieces = passage.pieces(translation).ok_or_else(|| DocumentError::Tags {
            passage: self.first + number + 1,
            translation: translation.to_owned(),
        })?;
        let outer = std::mem::replace(&mut self.run, passage.start_run);
        for piece in pieces {
            match piece {
                Piece::Copy(bit) => self.copy_bit(bit)?,
                Piece::Text(bit, text) => self.write_text(bit, &text),
            }
        }
        self.enter(passage.end_run);
        self.run = outer;
        Ok(())
    }

    fn copy_bit(&mut self, bit: &Bit) -> Result<(), DocumentError> {
        self.enter(bit.before);
        self.copy(bit.range.clone())?;
        self.run = bit.after;
        Ok(())
    }

    /// Writes the element of a text with another text.
    fn write_text(&mut self, bit: &Bit, text: &str) {
        self.enter(bit.before);
        let source = self.source;
        let Some(content) = &bit.content else { return };
        let mut start = &source[bit.range.start..content.start];
        let mut end = &source[content.end..bit.range.end];
        let text = one_line(text);
        let text = partial_escape(text.as_str());
        let has_blank_ends = text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace);
        let adds_space = has_blank_ends && !bit.is_preserved && !start.contains("xml:space");
        if adds_space {
            start = start.trim_end().trim_end_matches('>');
            end = end.trim_start();
        }
        self.output += start;
        if adds_space {
            self.output += " xml:space=\"preserve\">";
        }
        self.output += &text;
        self.output += end;
        self.run = bit.after;
    }

    /// Ends the run that is open, and begins another one.
    fn enter(&mut self, run: Option<usize>) {
        if self.run == run {
            return;
        }
        let (runs, source) = (self.runs, self.source);
        if let Some(open) = self.run {
            self.output += &source[runs[open].close.clone()];
        }
        if let Some(run) = run {
            self.output += &source[runs[run].open.clone()];
        }
        self.run = run;
    }
}

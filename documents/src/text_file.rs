//! Documents that are text, with passages at known places.

use std::ops::Range;

use crate::subtitles::Cue;
use crate::{DocumentError, DocumentKind, Passage, PassageFormat, has_letters, html, one_line, subtitles};

/// The text of a document, and the places of its passages.
#[derive(Debug)]
pub(crate) struct TextFile {
    text: String,
    slots: Vec<Slot>,
}

/// The place of a passage.
#[derive(Debug)]
pub(crate) struct Slot {
    /// The bytes that a translation replaces.
    pub(crate) range: Range<usize>,
    /// The subtitle whose lines they are, in a file of subtitles.
    pub(crate) cue: Option<Cue>,
}

impl TextFile {
    /// Reads text of a kind, with its passages.
    ///
    /// # Errors
    ///
    /// Returns [`DocumentError::Encoding`] if the bytes are not UTF-8, [`DocumentError::Damaged`] if they are no text,
    /// and [`DocumentError::Subtitle`] for a line that does not belong into a file of subtitles.
    pub(crate) fn read(bytes: &[u8], kind: DocumentKind) -> Result<(Self, Vec<Passage>), DocumentError> {
        let text = decoded(bytes, kind)?;
        let start = text.len() - text.trim_start_matches('\u{feff}').len();
        let (slots, passages) = match kind {
            DocumentKind::Srt => subtitles::passages(&text, start)?,
            DocumentKind::Html => html::passages(&text, start)?,
            _ => lines(&text, start),
        };
        Ok((Self { text, slots }, passages))
    }

    /// Returns the text with these translations in place of its passages. The passages without one stay.
    pub(crate) fn write(&self, translations: &[Option<&str>]) -> String {
        let mut written = String::with_capacity(self.text.len());
        let mut end = 0;
        for (slot, translation) in self.slots.iter().zip(translations) {
            let Some(translation) = translation else {
                continue;
            };
            written += &self.text[end..slot.range.start];
            let translation = one_line(translation);
            match &slot.cue {
                None => written += &translation,
                Some(cue) => written += &cue.lines(&translation),
            }
            end = slot.range.end;
        }
        written + &self.text[end..]
    }
}

/// Returns the text of a file.
fn decoded(bytes: &[u8], kind: DocumentKind) -> Result<String, DocumentError> {
    let damaged = |reason: &str| DocumentError::Damaged {
        kind,
        reason: reason.to_owned(),
    };
    if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") {
        return Err(DocumentError::Encoding {
            reason: "it begins as UTF-16 does".to_owned(),
        });
    }
    for (beginning, format) in [("PK\u{3}\u{4}", "a zip archive"), ("%PDF-", "a PDF file")] {
        if bytes.starts_with(beginning.as_bytes()) {
            return Err(damaged(&format!("it is {format}")));
        }
    }
    let text = str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count();
        DocumentError::Encoding {
            reason: format!("line {} has other bytes", line + 1),
        }
    })?;
    if text.contains('\0') {
        return Err(damaged("it has bytes of value zero, which no text has"));
    }
    Ok(text.to_owned())
}

/// Returns the passages of plain text, its lines.
fn lines(text: &str, start: usize) -> (Vec<Slot>, Vec<Passage>) {
    let mut end = start;
    let lines = text[start..].split_inclusive(['\n', '\r']).filter_map(|line| {
        let begin = end;
        end += line.len();
        let passage = line.trim();
        has_letters(passage).then(|| {
            let begin = begin + line.len() - line.trim_start().len();
            let slot = Slot {
                range: begin..begin + passage.len(),
                cue: None,
            };
            let passage = Passage {
                text: passage.to_owned(),
                format: PassageFormat::Text,
            };
            (slot, passage)
        })
    });
    lines.unzip()
}

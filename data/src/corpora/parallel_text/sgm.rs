//! The SGML files in which WMT publishes test sets: one segment, `<seg id="…">…</seg>`, on a line, between the tags of
//! documents and paragraphs.

use std::sync::LazyLock;

use regex::Regex;

use super::sentences::Sentence;
use crate::corpora::lines::Lines;
use crate::error::DataError;

/// The segments of an `.sgm` file, each with its `id` and with its entities decoded. Everything between the segments is
/// skipped.
pub(super) struct Segments {
    pub(super) lines: Lines,
}

impl Iterator for Segments {
    type Item = Result<Sentence, DataError>;

    fn next(&mut self) -> Option<Self::Item> {
        static TAG: LazyLock<Regex> =
            LazyLock::new(|| Regex::new(r"(?i)<seg\b").expect("the pattern is valid"));
        loop {
            let line = match self.lines.next()? {
                Ok(line) => line,
                Err(error) => return Some(Err(error)),
            };
            let tags = TAG.find_iter(&line).count();
            if tags == 0 {
                continue;
            }
            let segment = parse(&line, self.lines.line()).filter(|_| tags == 1);
            return Some(segment.ok_or_else(|| DataError::Segment {
                path: self.lines.path().to_owned(),
                line: self.lines.line(),
            }));
        }
    }
}

/// Returns the segment in a line of text, which has this number in its file.
fn parse(line: &str, number: usize) -> Option<Sentence> {
    static SEGMENT: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"(?i)<seg\s[^>]*?\bid\s*=\s*["']?([^"'\s>]+)["']?[^>]*>(.*)</seg\s*>"#)
            .expect("the pattern is valid")
    });
    let parts = SEGMENT.captures(line)?;
    let text = html_escape::decode_html_entities(parts[2].trim());
    Some(Sentence {
        text: text.into_owned(),
        id: Some(parts[1].to_owned()),
        line: number,
    })
}

//! The SGML files in which WMT publishes test sets: one segment, `<seg id="…">…</seg>`, on a line, between the tags of
//! documents and paragraphs.

use std::sync::LazyLock;

use regex::Regex;

use crate::corpora::lines::Lines;
use crate::error::DataError;

/// A sentence of an `.sgm` file.
pub(super) struct Segment {
    /// The `id` in the tag, unique within a document.
    pub(super) id: String,
    /// The sentence, with its entities decoded.
    pub(super) text: String,
}

/// The segments of an `.sgm` file. Everything between the segments is skipped.
pub(super) struct Segments {
    pub(super) lines: Lines,
}

impl Iterator for Segments {
    type Item = Result<Segment, DataError>;

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
            let segment = parse(&line).filter(|_| tags == 1);
            return Some(segment.ok_or_else(|| DataError::Segment {
                path: self.lines.path().to_owned(),
                line: self.lines.line(),
            }));
        }
    }
}

fn parse(line: &str) -> Option<Segment> {
    static SEGMENT: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r#"(?i)<seg\s[^>]*?\bid\s*=\s*["']?([^"'\s>]+)["']?[^>]*>(.*)</seg\s*>"#)
            .expect("the pattern is valid")
    });
    let parts = SEGMENT.captures(line)?;
    let text = html_escape::decode_html_entities(parts[2].trim());
    Some(Segment {
        id: parts[1].to_owned(),
        text: text.into_owned(),
    })
}

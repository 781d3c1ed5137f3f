//! The format of a file of sentences, which its beginning or the ending of its name shows.

use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::content::without_mark;
use crate::corpora::compression::without_compression;
use crate::corpora::lines::Lines;
use crate::error::DataError;

/// The format of a file of sentences.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileFormat {
    /// One sentence on each line.
    Lines,
    /// WMT's test sets until 2020.
    Sgml,
    /// WMT's test sets since 2021.
    Xml,
}

impl FileFormat {
    /// Returns the format of a text. Its beginning shows a test set: the tag of the set, and after it the tag of a
    /// document. A line of text that begins with a tag is no test set. If the beginning shows none, the format is that
    /// of the ending `.sgm` or `.xml` of the file's name.
    ///
    /// # Errors
    /// Returns [`DataError::Read`], [`DataError::Encoding`] or [`DataError::Archive`] if the text cannot be read.
    pub(super) fn of(lines: &mut Lines) -> Result<Self, DataError> {
        let by_content = Self::of_content(lines.beginning()?);
        let name = without_compression(lines.path());
        let has_ending = |ending: &str| {
            name.extension()
                .is_some_and(|found| found.eq_ignore_ascii_case(ending))
        };
        Ok(match by_content {
            Some(format) => format,
            None if has_ending("sgm") => Self::Sgml,
            None if has_ending("xml") => Self::Xml,
            None => Self::Lines,
        })
    }

    /// Returns the format that the first bytes of a text show.
    pub(super) fn of_content(start: &[u8]) -> Option<Self> {
        /// What may stand before the first tag and between two tags: white space, comments and declarations.
        const BETWEEN: &str = r"(?:\s|<!--(?s:.)*?-->|<\?[^>]*>|<![A-Z][^>]*>)*";
        static XML: LazyLock<Regex> = LazyLock::new(|| {
            pattern(&format!(
                r"^{BETWEEN}<dataset(?:\s[^<>]*)?>{BETWEEN}<(?:doc|collection)[\s>]"
            ))
        });
        static SGML: LazyLock<Regex> = LazyLock::new(|| {
            pattern(&format!(
                r"^{BETWEEN}(?:<mteval>{BETWEEN})?<(?:src|ref|tst)set\s[^<>]*>{BETWEEN}<doc\s"
            ))
        });
        let start = without_mark(start);
        if XML.is_match(start) {
            Some(Self::Xml)
        } else if SGML.is_match(start) {
            Some(Self::Sgml)
        } else {
            None
        }
    }
}

/// Returns a pattern for letters of either case.
fn pattern(pattern: &str) -> Regex {
    Regex::new(&format!("(?i){pattern}")).expect("the pattern is valid")
}

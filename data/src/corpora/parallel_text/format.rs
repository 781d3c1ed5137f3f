//! The format of a test set, which the beginning of its file or the ending of the file's name shows.

use std::sync::LazyLock;

use regex::bytes::Regex;

use crate::content::without_mark;
use crate::corpora::compression::without_compression;
use crate::corpora::lines::Lines;
use crate::error::DataError;

/// The format of a test set of WMT. All other files have a sentence on each line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TestSetFormat {
    /// That of the years until 2020.
    Sgml,
    /// That of the years since 2021.
    Xml,
}

impl TestSetFormat {
    /// Returns the format of a text; `None` if it has a sentence on each line. The format is the one that the
    /// [beginning](Self::of_content) shows, else that of the ending `.sgm` or `.xml` of the file's name.
    ///
    /// # Errors
    /// Returns [`DataError::Read`], [`DataError::Encoding`] or [`DataError::Archive`] if the text cannot be read.
    pub(super) fn of(lines: &mut Lines) -> Result<Option<Self>, DataError> {
        let by_content = Self::of_content(lines.beginning()?);
        let name = without_compression(lines.path());
        let has_ending = |ending: &str| {
            name.extension()
                .is_some_and(|found| found.eq_ignore_ascii_case(ending))
        };
        Ok(match by_content {
            None if has_ending("sgm") => Some(Self::Sgml),
            None if has_ending("xml") => Some(Self::Xml),
            format => format,
        })
    }

    /// Returns the format that the first bytes of a text show: the tag of a test set, and after it the tag of a
    /// document. A line of text that begins with a tag is no test set.
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

impl Lines {
    /// Checks that the text does not begin as a test set in one of WMT's formats does.
    ///
    /// # Errors
    /// Returns [`DataError::TestSet`] if it does, and [`DataError::Read`], [`DataError::Encoding`] or
    /// [`DataError::Archive`] if the text cannot be read.
    pub fn check_no_test_set(&mut self) -> Result<(), DataError> {
        let format = match TestSetFormat::of_content(self.beginning()?) {
            None => return Ok(()),
            Some(TestSetFormat::Sgml) => "SGML",
            Some(TestSetFormat::Xml) => "XML",
        };
        Err(DataError::TestSet {
            path: self.path().to_owned(),
            format,
        })
    }
}

/// Returns a pattern for letters of either case.
fn pattern(pattern: &str) -> Regex {
    Regex::new(&format!("(?i){pattern}")).expect("the pattern is valid")
}

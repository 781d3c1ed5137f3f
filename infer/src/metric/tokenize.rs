//! The rules by which BLEU cuts a line into words.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};

/// The rule by which a line is cut into the words that BLEU counts. Only scores of one rule can be compared.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Display, EnumString, VariantNames,
)]
pub enum BleuTokenizer {
    /// `13a`: the rule of the script `mteval-v13a.pl`, which computes the scores of WMT. Every ASCII punctuation mark
    /// is a word, except for apostrophes, for hyphens that do not follow a digit, and for periods and commas within a
    /// number. For example, `It's 1,000 (well-known).` is cut into `It's 1,000 ( well-known ) .`
    #[default]
    #[serde(rename = "13a")]
    #[strum(serialize = "13a")]
    Mteval13a,
    /// `none`: only white space separates words. This rule is for text that is already tokenized.
    #[serde(rename = "none")]
    #[strum(serialize = "none")]
    None,
}

impl BleuTokenizer {
    /// Returns the line with white space between its words, which [`words`] then returns one by one.
    pub(super) fn separate(self, line: &str) -> Cow<'_, str> {
        match self {
            Self::Mteval13a => Cow::Owned(separate_13a(line)),
            Self::None => Cow::Borrowed(line),
        }
    }
}

/// Returns the parts of a line between white space. The line is split where Python, and so sacreBLEU, splits it: at
/// Unicode's `White_Space` and at the four separators U+001C to U+001F.
pub(super) fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(is_python_whitespace).filter(|word| !word.is_empty())
}

fn is_python_whitespace(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

fn separate_13a(line: &str) -> String {
    // Each replacement works on the result of the one before, so `&amp;lt;` ends as `<`.
    const LITERAL: [(&str, &str); 7] = [
        ("<skipped>", ""),
        ("-\n", ""),
        ("\n", " "),
        ("&quot;", "\""),
        ("&amp;", "&"),
        ("&lt;", "<"),
        ("&gt;", ">"),
    ];
    // A digit is an ASCII digit. A match takes both of its characters, so of two periods in a row, only the first is
    // matched as following another character.
    static PUNCTUATION: LazyLock<[(Regex, &str); 4]> = LazyLock::new(|| {
        [
            (r"[[:punct:]--['.,\-]]", " $0 "),
            (r"([^0-9])([.,])", "$1 $2 "),
            (r"([.,])([^0-9])", " $1 $2"),
            (r"([0-9])-", "$1 - "),
        ]
        .map(|(pattern, with)| (Regex::new(pattern).expect("a valid pattern"), with))
    });

    let mut text = line.trim_end_matches(is_python_whitespace).to_owned();
    for (from, to) in LITERAL {
        if text.contains(from) {
            text = text.replace(from, to);
        }
    }
    let mut text = format!(" {text} ");
    for (pattern, with) in PUNCTUATION.iter() {
        if let Cow::Owned(replaced) = pattern.replace_all(&text, *with) {
            text = replaced;
        }
    }
    text
}

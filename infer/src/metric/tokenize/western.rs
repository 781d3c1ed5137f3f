//! Punctuation of Western languages, as mteval's script and Tercom separate it from words.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

/// Puts spaces around each ASCII punctuation mark, except for apostrophes, commas, hyphens and periods.
pub(in super::super) fn separate_marks(text: String) -> String {
    static MARKS: LazyLock<Regex> = LazyLock::new(|| pattern(r"[[:punct:]--['.,\-]]"));
    replaced(text, &MARKS, " $0 ")
}

/// Puts spaces around periods and commas, unless they are within a number, and around a hyphen after a digit. A digit
/// is an ASCII digit.
pub(in super::super) fn separate_periods_and_hyphens(text: String) -> String {
    // A match takes both of its characters, so of two periods in a row, only the first is matched as following another
    // character.
    static RULES: LazyLock<[(Regex, &str); 3]> = LazyLock::new(|| {
        [
            (r"([^0-9])([.,])", "$1 $2 "),
            (r"([.,])([^0-9])", " $1 $2"),
            (r"([0-9])-", "$1 - "),
        ]
        .map(|(rule, with)| (pattern(rule), with))
    });
    RULES
        .iter()
        .fold(text, |text, (rule, with)| replaced(text, rule, with))
}

/// Returns the line after replacements, each of which works on the result of the one before: so `&amp;lt;` may end as
/// `<`.
pub(in super::super) fn replace_in_turn(line: &str, replacements: &[(&str, &str)]) -> String {
    let mut text = line.to_owned();
    for (from, to) in replacements {
        if text.contains(from) {
            text = text.replace(from, to);
        }
    }
    text
}

/// Returns the text with each match of a pattern replaced.
pub(super) fn replaced(text: String, pattern: &Regex, with: &str) -> String {
    match pattern.replace_all(&text, with) {
        Cow::Owned(replaced) => replaced,
        Cow::Borrowed(_) => text,
    }
}

/// Compiles a pattern that is written in this program.
pub(super) fn pattern(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a valid pattern")
}

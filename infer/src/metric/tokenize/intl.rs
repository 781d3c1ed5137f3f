//! The tokenizer `intl`, the international one of the script `mteval-v14.pl`.

use std::sync::LazyLock;

use regex::Regex;

use super::western::{pattern, replaced};

/// Puts spaces around punctuation that follows or precedes a character which is no number, and around symbols. The
/// categories are Unicode's.
pub(super) fn separate(line: &str) -> String {
    static RULES: LazyLock<[(Regex, &str); 3]> = LazyLock::new(|| {
        [
            (r"(\P{N})(\p{P})", "$1 $2 "),
            (r"(\p{P})(\P{N})", " $1 $2"),
            (r"\p{S}", " $0 "),
        ]
        .map(|(rule, with)| (pattern(rule), with))
    });
    RULES
        .iter()
        .fold(line.to_owned(), |text, (rule, with)| replaced(text, rule, with))
}

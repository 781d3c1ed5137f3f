//! Messages of serde about a value of the wrong type.

use std::sync::LazyLock;

use regex::{Captures, Regex};

/// Returns a message of serde with words in place of the names that Rust has for numbers.
///
/// ```
/// assert_eq!(
///     attend_data::in_words("invalid value: integer `-5`, expected usize"),
///     "invalid value: integer `-5`, expected a whole number of 0 or more"
/// );
/// ```
#[must_use]
pub fn in_words(message: &str) -> String {
    static EXPECTED: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"expected (?:(?<whole>usize|u\d+)|f32|f64)\b").expect("the pattern is valid")
    });
    let words = |found: &Captures<'_>| match found.name("whole") {
        Some(_) => "expected a whole number of 0 or more",
        None => "expected a number",
    };
    EXPECTED.replace_all(message, words).into_owned()
}

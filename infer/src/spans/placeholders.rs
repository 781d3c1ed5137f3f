//! Placeholders of programs.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::find::{has_case, joins_words};

static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
    let braces = r"[$#%]?(?:\{\{\{[^{}]*\}\}\}|\{\{[^{}]*\}\}|\{\s*[\w.$\[\]:!<>=^,#%+-]*\s*\})";
    let printf =
        r"%(?:\([^()\s]+\)|\d+\$)?[-+#0]*\d*(?:\.\d+)?(?:hh|h|ll|l|z|j|t|L|q)?[diouxXeEfFgGaAcCsSpn@]";
    Regex::new(&format!("{braces}|{printf}")).expect("a valid expression")
});

/// The beginning of an argument with a type in ICU's message format: `{count, plural,`.
static TYPED: LazyLock<Regex> = LazyLock::new(|| {
    let types = "number|date|time|spellout|ordinal|duration|choice|plural|selectordinal|select";
    Regex::new(&format!(r"^\{{\s*\w+\s*,\s*(?:{types})\s*[,}}]")).expect("a valid expression")
});

/// Returns the arguments of ICU's message format that have a type, in order. The braces within one are a part of it.
pub(super) fn typed_arguments(text: &str) -> Vec<Range<usize>> {
    let mut arguments: Vec<Range<usize>> = Vec::new();
    let mut open = Vec::new();
    let mut place = 0;
    while let Some(found) = text[place..].find(['{', '}', '\'']) {
        let start = place + found;
        place = start + 1;
        match &text[start..place] {
            "{" => open.push(start),
            "}" => {
                if let Some(start) = open.pop()
                    && TYPED.is_match(&text[start..])
                {
                    arguments.truncate(arguments.partition_point(|inner| inner.start < start));
                    arguments.push(start..place);
                }
            }
            // The format reads a brace between apostrophes as text.
            _ if !open.is_empty() && text[place..].starts_with(['{', '}']) => {
                if let Some(quoted) = text[place..].find('\'') {
                    place += quoted + 1;
                }
            }
            _ => {}
        }
    }
    arguments
}

/// Returns the other placeholders of a text, in order, each with the digits and the letters with case that touch it.
pub(super) fn placeholders(text: &str) -> impl Iterator<Item = Range<usize>> {
    let found = PLACEHOLDER.find_iter(text).map(|found| found.range());
    let found = found.filter(|range| is_placeholder(text, range));
    found.map(|range| with_letters(text, range))
}

/// Returns whether a match is a placeholder, and not a percentage: `100%discount` and `%off` have none.
fn is_placeholder(text: &str, range: &Range<usize>) -> bool {
    let is_braced = text[range.clone()].ends_with('}');
    let follows_digit = text[..range.start].ends_with(|c: char| c.is_numeric());
    let precedes_letter = text[range.end..].starts_with(has_case);
    is_braced || !follows_digit && !precedes_letter
}

/// Returns a span with the digits and the letters with case that touch it.
fn with_letters(text: &str, range: Range<usize>) -> Range<usize> {
    let touches = |c: &char| joins_words(*c);
    let before: usize = text[..range.start]
        .chars()
        .rev()
        .take_while(touches)
        .map(char::len_utf8)
        .sum();
    let behind: usize = text[range.end..]
        .chars()
        .take_while(touches)
        .map(char::len_utf8)
        .sum();
    range.start - before..range.end + behind
}

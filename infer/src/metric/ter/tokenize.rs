//! How TER cuts a line into words: the rules of the program Tercom as sacreBLEU follows them.

use super::TerSettings;
use crate::metric::tokenize::{
    is_python_whitespace, replace_in_turn, separate_marks, separate_periods_and_hyphens, words,
};

impl TerSettings {
    /// Returns the line with a space between the words that are compared.
    pub(super) fn separate(&self, line: &str) -> String {
        let line = line.trim_end_matches(is_python_whitespace);
        let mut text = if self.case_sensitive {
            line.to_owned()
        } else {
            line.to_lowercase()
        };
        if self.normalized && !text.is_empty() {
            text = normalized(&text);
            if self.asian_support {
                text = asian_separated(&text);
            }
        }
        if self.no_punctuation {
            text.retain(|c| !matches!(c, '.' | ',' | '?' | ':' | ';' | '!' | '"' | '(' | ')'));
            if self.asian_support {
                text.retain(|c| !is_asian_punctuation(c));
            }
        }
        words(&text).collect::<Vec<_>>().join(" ")
    }
}

/// Joins lines, decodes the entities of markup and puts spaces around punctuation and before the English `'s`.
fn normalized(text: &str) -> String {
    const LITERAL: [(&str, &str); 6] = [
        ("\n-", ""),
        ("\n", " "),
        ("&quot;", "\""),
        ("&amp;", "&"),
        ("&lt;", "<"),
        ("&gt;", ">"),
    ];
    let text = replace_in_turn(text, &LITERAL);
    let text = separate_marks(format!(" {text} ")).replace("'s ", " 's ");
    separate_periods_and_hyphens(text)
}

/// Puts spaces around each Chinese character and each Asian punctuation mark. Tercom also separates words in Hiragana
/// and in Katakana from others. sacreBLEU does not: its patterns for them match only at the start of a line, where
/// there is a space.
fn asian_separated(text: &str) -> String {
    let mut separated = String::new();
    for c in text.chars() {
        if is_chinese(c) || is_asian_punctuation(c) {
            separated.extend([' ', c, ' ']);
        } else {
            separated.push(c);
        }
    }
    separated
}

/// Returns whether sacreBLEU takes a character for a Chinese one: ideographs, their strokes and radicals, and what is
/// made of them.
fn is_chinese(c: char) -> bool {
    matches!(
        c,
        '\u{2e80}'..='\u{2eff}'
            | '\u{31c0}'..='\u{31ef}'
            | '\u{3200}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{fe30}'..='\u{fe4f}'
    )
}

fn is_asian_punctuation(c: char) -> bool {
    matches!(
        c,
        '\u{3001}'
            | '\u{3002}'
            | '\u{3008}'..='\u{3011}'
            | '\u{3014}'..='\u{301f}'
            | '\u{30fb}'
            | '\u{ff01}'
            | '\u{ff02}'
            | '\u{ff08}'
            | '\u{ff09}'
            | '\u{ff0c}'
            | '\u{ff0e}'
            | '\u{ff1a}'
            | '\u{ff1b}'
            | '\u{ff1f}'
            | '\u{ff61}'..='\u{ff65}'
    )
}

//! Where words begin and end in a text, and when two texts are the same.
//!
//! The boundaries of words are those of Unicode's annex 29 (UAX #29, "Unicode Text Segmentation"), with three
//! differences. A boundary lies between any two characters of a script that is written without spaces, Katakana
//! included, since nothing but a dictionary tells where its words end. Punctuation always has boundaries, so that
//! `l'art` has the word `art`, and `3.50` the word `50`. No character that is [invisible](attend_data::visible) counts.

use std::sync::LazyLock;

use regex::Regex;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{decompose_canonical, is_combining_mark};

use crate::script::is_written_without_spaces;

/// The byte that marks a boundary of words between two characters. This byte never occurs in UTF-8.
pub(super) const BOUNDARY: u8 = 0xff;

const ZERO_WIDTH_NON_JOINER: char = '\u{200c}';
const ZERO_WIDTH_JOINER: char = '\u{200d}';

/// The last character of a text, as far as it decides whether a boundary of words follows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct LastCharacter {
    /// Whether the text has a character.
    exists: bool,
    /// Whether the last character, marks left out, is a letter or a digit of a script that is written with spaces.
    is_letter: bool,
    /// Whether the text ends in a zero width joiner, which joins emoji.
    is_joiner: bool,
}

impl LastCharacter {
    /// Returns whether a boundary of words lies between this character and the `next` character of the text.
    pub(super) fn has_boundary_before(self, next: char) -> bool {
        let is_joined = self.is_letter && is_letter(next)
            || self.is_joiner && is_pictographic(next)
            || self.exists && continues_character(next);
        !is_joined
    }

    /// Returns the last character of the text that ends in `next`.
    pub(super) fn followed_by(self, next: char) -> Self {
        Self {
            exists: true,
            is_letter: if continues_character(next) {
                self.is_letter
            } else {
                is_letter(next)
            },
            is_joiner: next == ZERO_WIDTH_JOINER,
        }
    }
}

/// Returns whether a character is a letter or a digit, but not of a script that is written without spaces.
fn is_letter(character: char) -> bool {
    character.is_alphanumeric() && !is_written_without_spaces(character)
}

/// Returns whether a character belongs to the character before it: a combining mark, a joiner, the skin colour or a tag
/// of an emoji, or a voiced sound mark of half width.
fn continues_character(character: char) -> bool {
    is_combining_mark(character)
        || matches!(
            character,
            ZERO_WIDTH_NON_JOINER
                | ZERO_WIDTH_JOINER
                | '\u{1f3fb}'..='\u{1f3ff}'
                | '\u{e0020}'..='\u{e007f}'
                | '\u{ff9e}'
                | '\u{ff9f}'
        )
}

fn is_pictographic(character: char) -> bool {
    static PICTOGRAPHIC: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\p{Extended_Pictographic}").expect("the class is valid"));
    PICTOGRAPHIC.is_match(character.encode_utf8(&mut [0; 4]))
}

/// Returns whether `phrase` begins with a character that belongs to the character before it. No word begins so, except
/// at the start of a text.
pub(crate) fn begins_within_character(phrase: &str) -> bool {
    phrase
        .trim_start()
        .chars()
        .next()
        .is_some_and(continues_character)
}

/// Calls `read` with the characters that `character` is compared as: its canonical decomposition, or none if it is
/// invisible.
pub(super) fn compared(character: char, mut read: impl FnMut(char)) {
    if character.is_ascii() {
        read(character);
    } else if !attend_data::visible(character.encode_utf8(&mut [0; 4])).is_empty() {
        decompose_canonical(character, read);
    }
}

/// Returns the bytes of a text as it is compared, with [`BOUNDARY`] wherever a word begins or ends. For example, `the
/// art-house` becomes `|the| |art|-|house|`. Text in the forms NFC and NFD gives the same bytes, except for rare
/// sequences of several marks.
pub(super) fn with_boundaries(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut last = LastCharacter::default();
    for character in text.chars() {
        compared(character, |character| {
            if last.has_boundary_before(character) {
                bytes.push(BOUNDARY);
            }
            bytes.extend(character.encode_utf8(&mut [0; 4]).as_bytes());
            last = last.followed_by(character);
        });
    }
    bytes.push(BOUNDARY);
    bytes
}

/// Returns the patterns by which a phrase is found in the bytes [`with_boundaries`] of a text, of which one or more is
/// enough. The phrase has one space between words. A blank phrase has no pattern.
///
/// There are two patterns if the order of several marks differs between the form NFD and the decomposed characters of
/// the form NFC.
pub(super) fn patterns(phrase: &str) -> Vec<Vec<u8>> {
    if attend_data::is_blank(phrase) {
        return Vec::new();
    }
    let phrase = phrase.split_whitespace().collect::<Vec<_>>().join(" ");
    let composed: String = phrase.nfc().collect();
    let decomposed: String = phrase.nfd().collect();
    let mut patterns = [composed, decomposed].map(|form| with_boundaries(&form)).to_vec();
    patterns.dedup();
    patterns
}

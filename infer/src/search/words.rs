//! Where words begin and end in a text, as [`SurfaceForms`](super::SurfaceForms) describes it, and when two texts are
//! the same.

use std::sync::LazyLock;

use attend_data::{is_blank, is_visible, spaced_once};
use regex::Regex;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{decompose_canonical, is_combining_mark};

use crate::script::is_written_without_spaces;

/// The byte that marks a boundary of words between two characters. This byte never occurs in UTF-8.
pub(crate) const BOUNDARY: u8 = 0xff;

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
    /// Whether the last character, marks left out, is the first of the two regional indicators of a flag.
    begins_flag: bool,
}

impl LastCharacter {
    /// Returns whether a boundary of words lies between this character and the `next` character of the text.
    pub(super) fn has_boundary_before(self, next: char) -> bool {
        let is_joined = self.is_letter && is_letter(next)
            || self.is_joiner && is_pictographic(next)
            || self.begins_flag && is_regional_indicator(next)
            || self.exists && continues_character(next);
        !is_joined
    }

    /// Returns the last character of the text that ends in `next`.
    pub(super) fn followed_by(self, next: char) -> Self {
        let last = Self {
            exists: true,
            is_joiner: next == ZERO_WIDTH_JOINER,
            ..self
        };
        if continues_character(next) {
            return last;
        }
        Self {
            is_letter: is_letter(next),
            begins_flag: is_regional_indicator(next) && !self.begins_flag,
            ..last
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

fn is_regional_indicator(character: char) -> bool {
    matches!(character, '\u{1f1e6}'..='\u{1f1ff}')
}

fn is_pictographic(character: char) -> bool {
    static PICTOGRAPHIC: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"\p{Extended_Pictographic}").expect("the class is valid"));
    PICTOGRAPHIC.is_match(character.encode_utf8(&mut [0; 4]))
}

/// Returns whether `phrase` begins with a character that belongs to the character before it. No word begins so, except
/// at the start of a text.
pub(crate) fn begins_within_character(phrase: &str) -> bool {
    let mut seen = phrase
        .chars()
        .filter(|&character| is_visible(character) && !character.is_whitespace());
    seen.next().is_some_and(continues_character)
}

/// Calls `read` with the characters that `character` is compared as: its canonical decomposition, or none if it is
/// invisible.
pub(super) fn compared(character: char, read: impl FnMut(char)) {
    if is_visible(character) {
        decompose_canonical(character, read);
    }
}

/// Returns the bytes of a text as it is compared, with [`BOUNDARY`] wherever a word begins or ends. For example, `the
/// art-house` becomes `|the| |art|-|house|`. Text in the forms NFC and NFD gives the same bytes, except for rare
/// sequences of several marks.
pub(crate) fn with_boundaries(text: &str) -> Vec<u8> {
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

/// Returns the patterns of a phrase. A text has the phrase if one of them is a part of the bytes that
/// [`with_boundaries`] returns for the text. The patterns have one space between words. A blank phrase has no pattern.
///
/// There are two patterns if the order of several marks differs between the form NFD and the decomposed characters of
/// the form NFC.
pub(crate) fn patterns(phrase: &str) -> Vec<Vec<u8>> {
    if is_blank(phrase) {
        return Vec::new();
    }
    let phrase = spaced_once(phrase);
    let composed: String = phrase.nfc().collect();
    let decomposed: String = phrase.nfd().collect();
    let mut patterns = [composed, decomposed].map(|form| with_boundaries(&form)).to_vec();
    patterns.dedup();
    patterns
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_segmentation::UnicodeSegmentation;

    use super::*;

    /// Returns a text with `|` at the boundaries of its words.
    fn marked(text: &str) -> String {
        let bytes = with_boundaries(text);
        let parts: Vec<&str> = bytes
            .split(|&byte| byte == BOUNDARY)
            .map(|part| std::str::from_utf8(part).unwrap())
            .collect();
        parts.join("|").nfc().collect()
    }

    #[test]
    fn words_end_where_readers_end_them() {
        for expected in [
            "|the| |art|-|house|",
            "|कर्म| |हिन्दी|",
            "|l|'|art|",
            "|café|",
            "|می\u{200c}خواهم|",
            "|كِتَاب|،|",
            "|我|喜|欢|苹|果|。|",
            "|青|リ|ン|ゴ|",
            "|コ|ー|ヒ|ー|",
            "|ผู้|ห|ญิ|ง|",
            "|사과를|",
            "|3|個|",
            "|iPhone|手|机|",
            "|👩\u{200d}🌾|👍🏽|",
            "|Ağrı|’|da|",
            "|🇩🇪|🇸🇪|a|🇪|",
        ] {
            let text = expected.replace('|', "");
            assert_eq!(marked(&text), expected);
        }
    }

    #[test]
    fn texts_in_both_normal_forms_are_the_same() {
        for text in [
            "café",
            "Việt Nam",
            "हिन्दी क़लम",
            "사과",
            "Å",
            "カ\u{3099}ギ",
            "ö\u{324}",
        ] {
            let composed: String = text.nfc().collect();
            let decomposed: String = text.nfd().collect();
            let patterns = patterns(text);
            for form in [composed, decomposed] {
                assert!(patterns.contains(&with_boundaries(&form)), "{form}");
            }
        }
        assert_eq!(
            with_boundaries("Fahr\u{ad}rad\u{200b}"),
            with_boundaries("Fahrrad")
        );
        assert_ne!(with_boundaries("cafe"), with_boundaries("café"));
        assert_eq!(patterns("\u{200b} das \u{ad} Haus"), patterns("das Haus"));
    }

    #[test]
    fn a_mark_begins_no_word() {
        assert!(begins_within_character("\u{301}a") && begins_within_character(" ्म"));
        assert!(
            begins_within_character("\u{200b} \u{301}a")
                && !begins_within_character("कर्म")
                && !begins_within_character("")
                && !begins_within_character("á")
        );
    }

    proptest! {
        /// UAX #29 by the crate `unicode-segmentation`, for text without the punctuation and the Katakana that it keeps
        /// together.
        #[test]
        fn words_end_as_in_uax_29(
            text in concat!(
                "([a-cé ]|[कखगरम]|[\u{93f}\u{93e}\u{94d}\u{93c}\u{301}\u{308}\u{64e}]|[ابت]|[가각]|[0-3]|[苹果我]|[ひら]",
                "|[กขญ\u{e34}\u{e49}]|[ກຂ]|[ခမ]|[ខម]|[-!(]|\u{200d}|\u{200c}|🌾|👍|\u{1f3fd}|[🇩🇪]){0,12}",
            ),
        ) {
            let text: String = text.nfd().collect();
            let expected: Vec<&str> = text.split_word_bounds().filter(|part| !part.is_empty()).collect();
            let bytes = with_boundaries(&text);
            let found: Vec<&str> = bytes
                .split(|&byte| byte == BOUNDARY)
                .map(|part| std::str::from_utf8(part).unwrap())
                .filter(|part| !part.is_empty())
                .collect();
            // UAX #29 keeps a run of spaces together.
            let joined = |parts: &[&str]| parts.join("|").replace(" | ", "  ").replace(" | ", "  ");
            prop_assert_eq!(joined(&found), joined(&expected));
        }
    }
}

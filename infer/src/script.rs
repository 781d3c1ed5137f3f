//! What the writing of a script has between words and between sentences.

use unicode_script::{Script, UnicodeScript};

/// The scripts that are written without spaces between words. They are the scripts between whose letters a line may be
/// broken, in the data of Unicode's library ICU.
const WITHOUT_SPACES: [Script; 18] = [
    Script::Ahom,
    Script::Bopomofo,
    Script::Han,
    Script::Hiragana,
    Script::Katakana,
    Script::Kawi,
    Script::Khitan_Small_Script,
    Script::Khmer,
    Script::Lao,
    Script::Myanmar,
    Script::New_Tai_Lue,
    Script::Nushu,
    Script::Tai_Le,
    Script::Tai_Tham,
    Script::Tai_Viet,
    Script::Tangut,
    Script::Thai,
    Script::Yi,
];

/// The scripts that are also written without spaces between sentences. Thai and its neighbours are not among them: a
/// space ends their sentences.
const WITHOUT_SPACES_BETWEEN_SENTENCES: [Script; 5] = [
    Script::Bopomofo,
    Script::Han,
    Script::Hiragana,
    Script::Katakana,
    Script::Yi,
];

/// Returns whether a letter belongs to a script that is written without spaces between words.
pub(crate) fn is_written_without_spaces(letter: char) -> bool {
    is_of(letter, &WITHOUT_SPACES)
}

/// Returns whether most letters of a text belong to scripts that are written without spaces between sentences. Returns
/// `None` for a text without letters.
pub(crate) fn has_no_spaces_between_sentences(text: impl Iterator<Item = char>) -> Option<bool> {
    let mut letters = Letters::default();
    letters.count(text);
    letters.have_no_spaces_between_sentences()
}

/// The number of a text's letters, of which those that have been read so far are counted.
#[derive(Debug, Default)]
pub(crate) struct Letters {
    all: usize,
    /// The letters of scripts that are written without spaces between sentences.
    without_spaces: usize,
}

impl Letters {
    /// Counts the letters of a further part of the text.
    pub(crate) fn count(&mut self, text: impl Iterator<Item = char>) {
        for letter in text.filter(|character| character.is_alphabetic()) {
            self.all += 1;
            self.without_spaces += usize::from(is_of(letter, &WITHOUT_SPACES_BETWEEN_SENTENCES));
        }
    }

    /// Returns whether most of the letters belong to scripts that are written without spaces between sentences. Returns
    /// `None` if there are no letters.
    pub(crate) fn have_no_spaces_between_sentences(&self) -> Option<bool> {
        (self.all > 0).then_some(2 * self.without_spaces > self.all)
    }
}

/// Returns whether a character belongs to one of the scripts. A character that all scripts share belongs to none.
fn is_of(character: char, scripts: &[Script]) -> bool {
    let own = character.script_extension();
    let is_shared = character.is_ascii() || own.is_common() || own.is_inherited();
    !is_shared && scripts.iter().any(|&script| own.contains_script(script))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names are those that `tests/make_unicode_lists.py` prints with PyICU 2.17 and ICU 72.
    #[test]
    fn the_scripts_without_spaces_are_those_of_icu() {
        let expected =
            "Ahom Bopo Hani Hira Kana Kawi Kits Khmr Laoo Mymr Talu Nshu Tale Lana Tavt Tang Thai Yiii";
        let names: Vec<&str> = WITHOUT_SPACES.iter().map(|script| script.short_name()).collect();
        assert_eq!(names.join(" "), expected);
    }

    #[test]
    fn a_character_belongs_to_its_script() {
        for letter in "苹リー々ไລខမㄅ".chars() {
            assert!(is_written_without_spaces(letter), "{letter}");
        }
        for letter in "aé7कعم한١²".chars() {
            assert!(!is_written_without_spaces(letter), "{letter}");
        }
    }

    #[test]
    fn most_letters_decide() {
        for (text, expected) in [
            ("我喜欢苹果。", Some(true)),
            ("このiPhoneSE。", Some(false)),
            ("私のiPadはとても古いです。", Some(true)),
            ("เขาชอบแอปเปิล", Some(false)),
            ("Ich mag Äpfel.", Some(false)),
            ("나는 사과를 좋아한다.", Some(false)),
            ("12, 13!", None),
        ] {
            assert_eq!(has_no_spaces_between_sentences(text.chars()), expected, "{text}");
        }
    }
}

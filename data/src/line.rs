//! Lines of text: what ends a line, and which characters no reader sees.
//!
//! | characters | what becomes of them |
//! |---|---|
//! | line ends: U+000A–000D, U+001C–001E, U+0085, U+2028, U+2029 | a space, by [`single_line`] |
//! | control characters other than white space | dropped, by [`visible`] |
//! | invisible format characters, such as U+00AD, U+200B, U+200E, U+2060 and U+FEFF | dropped, by [`visible`] |
//! | format characters that change how their neighbours look: U+180E, U+200C, U+200D, tags of emoji | kept |
//!
//! SentencePiece's rule `nmt_nfkc` also drops control characters, but writes a space for some of the invisible format
//! characters. Here they are dropped, because a reader sees no space: a soft hyphen, for example, stands within a word.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

/// The characters that end a line: those at which Python's `str.splitlines` divides a string.
const LINE_ENDS: &str = r"\n\x0b\x0c\r\x1c-\x1e\u{85}\u{2028}\u{2029}";

/// The characters that no reader sees, as [`visible`] describes them.
static INVISIBLE: LazyLock<Regex> = LazyLock::new(|| {
    let control = format!(r"[\p{{Cc}}--[\s{LINE_ENDS}]]");
    let format =
        r"[[\p{Cf}&&\p{Default_Ignorable_Code_Point}]--[\u{180e}\u{200c}\u{200d}\u{e0000}-\u{e007f}]]";
    class(&(control + format))
});

/// Returns `text` with a space in place of each character that ends a line: the line feed, the carriage return, the
/// vertical tab, the form feed, U+001C to U+001E, U+0085, U+2028 and U+2029.
///
/// ```
/// assert_eq!(attend_data::single_line("one\rtwo\u{2028}three"), "one two three");
/// ```
#[must_use]
pub fn single_line(text: &str) -> Cow<'_, str> {
    static LINE_END: LazyLock<Regex> = LazyLock::new(|| class(LINE_ENDS));
    LINE_END.replace_all(text, " ")
}

/// Returns `text` without the characters that no reader sees: control characters, and Unicode's format characters that
/// are ignorable by default, such as the soft hyphen, the zero width space, direction marks and the byte order mark.
/// White space and line ends stay. So do the zero width joiner, the zero width non-joiner, the Mongolian vowel
/// separator and the tags of emoji, which change how the characters beside them look.
///
/// ```
/// assert_eq!(attend_data::visible("\u{feff}Fahr\u{ad}rad\u{200b}"), "Fahrrad");
/// ```
#[must_use]
pub fn visible(text: &str) -> Cow<'_, str> {
    INVISIBLE.replace_all(text, "")
}

/// Returns whether [`visible`] keeps a character.
#[must_use]
pub fn is_visible(character: char) -> bool {
    // The expression takes longer, and most characters are letters.
    let is_usual = character == ' ' || character.is_ascii_graphic() || character.is_alphanumeric();
    is_usual || !INVISIBLE.is_match(character.encode_utf8(&mut [0; 4]))
}

/// Returns the text that a model reads of a line: a [`single_line`] of [`visible`] characters.
#[must_use]
pub fn readable(text: &str) -> Cow<'_, str> {
    match single_line(text) {
        Cow::Borrowed(text) => visible(text),
        Cow::Owned(text) => Cow::Owned(visible(&text).into_owned()),
    }
}

/// Returns the words of `text` as a reader sees them: without invisible characters, with one space between words, and
/// without white space at the start and the end.
///
/// ```
/// assert_eq!(attend_data::spaced_once(" das \u{200b} Fahr\u{ad}rad\n"), "das Fahrrad");
/// ```
#[must_use]
pub fn spaced_once(text: &str) -> String {
    readable(text).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns whether a reader sees nothing of `text`: it has only white space, control characters, and characters that
/// Unicode calls ignorable by default.
///
/// ```
/// assert!(attend_data::is_blank(" \t\u{feff}\u{200d}"));
/// assert!(!attend_data::is_blank("\u{200b}."));
/// ```
#[must_use]
pub fn is_blank(text: &str) -> bool {
    static SEEN: LazyLock<Regex> = LazyLock::new(|| class(r"^\s\p{Cc}\p{Default_Ignorable_Code_Point}"));
    !SEEN.is_match(text)
}

fn class(characters: &str) -> Regex {
    Regex::new(&format!("[{characters}]")).expect("the class is valid")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = char> {
        '\0'..=char::MAX
    }

    /// The expected characters are those at which Python's `str.splitlines` divides a string.
    #[test]
    fn line_ends_are_those_of_python() {
        let found: String = all()
            .filter(|c| single_line(&c.to_string()) != c.to_string())
            .collect();
        assert_eq!(found, "\n\u{b}\u{c}\r\u{1c}\u{1d}\u{1e}\u{85}\u{2028}\u{2029}");
        assert_eq!(single_line("a\r\nb"), "a  b");
    }

    /// The expected format characters are those that `infer/tests/make_unicode_lists.py` prints with ICU 72, without
    /// those that shape text. The control characters are those of the category Cc that are neither white space nor line
    /// ends.
    #[test]
    fn invisible_characters_are_those_of_unicode() {
        let shapes = ['\u{180e}', '\u{200c}', '\u{200d}'];
        let format = [
            '\u{ad}'..='\u{ad}',
            '\u{61c}'..='\u{61c}',
            '\u{200b}'..='\u{200f}',
            '\u{202a}'..='\u{202e}',
            '\u{2060}'..='\u{2064}',
            '\u{2066}'..='\u{206f}',
            '\u{feff}'..='\u{feff}',
            '\u{1bca0}'..='\u{1bca3}',
            '\u{1d173}'..='\u{1d17a}',
        ];
        let control = [
            '\0'..='\u{8}',
            '\u{e}'..='\u{1b}',
            '\u{1f}'..='\u{1f}',
            '\u{7f}'..='\u{84}',
            '\u{86}'..='\u{9f}',
        ];
        let expected =
            |c: &char| !shapes.contains(c) && format.iter().chain(&control).any(|range| range.contains(c));
        let found: Vec<char> = all().filter(|c| visible(&c.to_string()).is_empty()).collect();
        assert_eq!(found, all().filter(expected).collect::<Vec<char>>());
        assert!(all().all(|c| is_visible(c) != expected(&c)));
    }

    #[test]
    fn text_of_which_nothing_is_seen_is_blank() {
        for text in [
            "",
            " ",
            "\u{200b}",
            "\u{feff}\u{ad}\t",
            "\u{200e}\u{200f}",
            "\u{200d}",
            "\u{3164}",
            "\0",
            "\u{85}",
        ] {
            assert!(is_blank(text), "{text:?}");
        }
        // The Arabic number sign is a format character that is seen.
        for text in [".", "a\u{200b}", "\u{301}", "\u{fffd}", "\u{600}", "😀"] {
            assert!(!is_blank(text), "{text:?}");
        }
    }

    #[test]
    fn what_changes_the_look_of_text_stays() {
        for text in [
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "👩\u{200d}🌾",
            "❤\u{fe0f}",
            "🏴\u{e0067}\u{e007f}",
            "a\u{34f}b",
        ] {
            assert_eq!(visible(text), text);
        }
        assert_eq!(
            readable("\u{200e}Fahr\u{ad}rad\u{2028}\u{feff}neu"),
            "Fahrrad neu"
        );
    }
}

//! The text that tokens spell.

use super::words::LastCharacter;

/// The surface form of each token: the bytes that the token adds to a text.
///
/// A text is the surface forms of its tokens, one after the other, read as UTF-8. Bytes that are not valid UTF-8 are
/// read as U+FFFD.
///
/// Words begin and end at the boundaries of Unicode's annex 29 (UAX #29, "Unicode Text Segmentation"). For example,
/// `the art-house` has the boundaries `|the| |art|-|house|`. A combining mark or a joiner belongs to the character
/// before it: `कर्म` and `café` have no boundary within, in whichever form of Unicode. There are three differences:
///
/// - Punctuation always has boundaries, so that `l'art` has the word `art`, and `3.50` the word `50`.
/// - In scripts that are written without spaces between words, such as Han, Kana and Thai, a boundary lies between any
///   two characters, marks left out: `我|喜|欢|苹|果`. Nothing but a dictionary tells where their words end.
/// - Characters that are not [visible](attend_data::visible) do not count.
#[derive(Debug, Clone)]
pub struct SurfaceForms(Vec<Vec<u8>>);

impl SurfaceForms {
    /// Takes the surface form of each token, in the order of the token ids, `[vocab_size]`. The forms of special
    /// tokens must be empty.
    #[must_use]
    pub fn new(forms: Vec<Vec<u8>>) -> Self {
        Self(forms)
    }

    /// Returns the surface form of a token.
    pub(super) fn of(&self, token: u32) -> &[u8] {
        &self.0[token as usize]
    }

    /// Returns every token with its surface form.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &[u8])> {
        (0..).zip(self.0.iter().map(Vec::as_slice))
    }

    /// Returns the bytes of the text that tokens spell.
    pub(super) fn text(&self, tokens: &[u32]) -> Vec<u8> {
        let forms = tokens.iter().flat_map(|&token| self.of(token));
        forms.copied().collect()
    }

    /// Returns the bytes at the end of the text that begin a character but do not complete it.
    pub(super) fn incomplete_character(&self, tokens: &[u32]) -> Vec<u8> {
        let text = self.text(tokens);
        let last = text.utf8_chunks().last().map(|chunk| chunk.invalid());
        last.filter(|bytes| begins_with_character(bytes))
            .unwrap_or_default()
            .to_vec()
    }

    /// Returns whether a boundary of words lies before the token at `index`. An `index` equal to the number of tokens
    /// is the end of the text.
    pub(super) fn is_boundary(&self, tokens: &[u32], index: usize) -> bool {
        let (before, after) = tokens.split_at(index);
        let (before, after) = (self.text(before), self.text(after));
        let last = String::from_utf8_lossy(&before)
            .chars()
            .fold(LastCharacter::default(), LastCharacter::followed_by);
        let first = String::from_utf8_lossy(&after).chars().next();
        first.is_none_or(|first| last.has_boundary_before(first))
    }
}

/// Returns whether bytes begin with a character of UTF-8, or with a part of one to which more bytes can be added.
pub(super) fn begins_with_character(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).map_or_else(
        |error| error.valid_up_to() > 0 || error.error_len().is_none(),
        |text| !text.is_empty(),
    )
}

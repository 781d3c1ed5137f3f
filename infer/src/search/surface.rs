//! The text that tokens spell.

/// The surface form of each token: the bytes that it adds to a text.
///
/// A text is its tokens' surface forms, one behind the other, read as UTF-8 where what is none counts as U+FFFD. A word
/// begins or ends wherever two characters meet that are not both letters or digits, and at either end of the text.
#[derive(Debug, Clone)]
pub struct SurfaceForms(Vec<Vec<u8>>);

impl SurfaceForms {
    /// The surface forms by token ids; those of special tokens are empty.
    #[must_use]
    pub fn new(forms: Vec<Vec<u8>>) -> Self {
        Self(forms)
    }

    pub(super) fn of(&self, token: u32) -> &[u8] {
        &self.0[token as usize]
    }

    /// Every token with its surface form.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &[u8])> {
        (0..).zip(self.0.iter().map(Vec::as_slice))
    }

    /// The bytes of a text.
    pub(super) fn text(&self, tokens: &[u32]) -> Vec<u8> {
        let forms = tokens.iter().flat_map(|&token| self.of(token));
        forms.copied().collect()
    }

    /// Whether a word begins or ends before the token at `place`, or at the text's end.
    pub(super) fn is_boundary(&self, tokens: &[u32], place: usize) -> bool {
        let (before, after) = tokens.split_at(place);
        let (before, after) = (self.text(before), self.text(after));
        let last = String::from_utf8_lossy(&before).chars().next_back();
        let first = String::from_utf8_lossy(&after).chars().next();
        !(last.is_some_and(is_letter) && first.is_some_and(is_letter))
    }
}

/// Whether the character belongs to the same word as such characters beside it.
pub(super) fn is_letter(character: char) -> bool {
    character.is_alphanumeric()
}

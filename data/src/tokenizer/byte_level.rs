//! Byte-level vocabularies, whose tokens are spelt with one character for each byte.
//!
//! A byte that is a visible character in Latin-1 is written as that character. The other bytes are written as the
//! characters from U+0100 on, in the order of the bytes.

/// Returns the byte that a character stands for.
pub(super) fn byte_of(character: char) -> Option<u8> {
    match u32::from(character) {
        code @ 0..0x100 => u8::try_from(code).ok().filter(is_visible),
        code => (0..=u8::MAX)
            .filter(|byte| !is_visible(byte))
            .nth(usize::try_from(code - 0x100).ok()?),
    }
}

/// Returns the characters that stand for the bytes of `text`.
pub(super) fn spell(text: &str) -> String {
    text.bytes().map(character_of).collect()
}

fn character_of(byte: u8) -> char {
    if is_visible(&byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|byte| !is_visible(byte)).count() as u32;
    char::from_u32(0x100 + before).expect("there are 68 such bytes")
}

fn is_visible(byte: &u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff)
}

//! Byte-level vocabularies, whose tokens are spelt with one character for each byte.
//!
//! A byte that is a visible character in Latin-1 is written as that character. The other bytes are written as the
//! characters from U+0100 on, in the order of the bytes.

use std::array;
use std::sync::LazyLock;

/// The bytes that are no visible character in Latin-1, in order.
static OTHERS: LazyLock<Vec<u8>> = LazyLock::new(|| (0..=u8::MAX).filter(|byte| !is_visible(byte)).collect());

/// The character that stands for each byte.
static CHARACTERS: LazyLock<[char; 256]> = LazyLock::new(|| {
    let mut characters = array::from_fn(|byte| char::from(byte as u8));
    for (character, &byte) in ('\u{100}'..).zip(OTHERS.iter()) {
        characters[usize::from(byte)] = character;
    }
    characters
});

/// Returns the byte that a character stands for.
pub(super) fn byte_of(character: char) -> Option<u8> {
    match u32::from(character) {
        code @ 0..0x100 => u8::try_from(code).ok().filter(is_visible),
        code => OTHERS.get(usize::try_from(code - 0x100).ok()?).copied(),
    }
}

/// Returns the characters that stand for the bytes of `text`.
pub(super) fn spell(text: &str) -> String {
    text.bytes().map(|byte| CHARACTERS[usize::from(byte)]).collect()
}

fn is_visible(byte: &u8) -> bool {
    matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff)
}

//! What a file holds that is no text in UTF-8, as its first bytes show it.

use std::path::Path;

use crate::error::DataError;

const UTF8_MARK: &[u8] = b"\xEF\xBB\xBF";
/// The byte order marks of other encodings, by the names that `iconv` has for them. UTF-16 is tried last, since its
/// mark begins that of UTF-32.
const OTHER_MARKS: [(&[u8], &str); 4] = [
    (b"\xFF\xFE\0\0", "UTF-32"),
    (b"\0\0\xFE\xFF", "UTF-32"),
    (b"\xFF\xFE", "UTF-16"),
    (b"\xFE\xFF", "UTF-16"),
];
/// The number of bytes that show UTF-16 without a mark. An even number.
const LOOKED_AT: usize = 64;
/// The first bytes of archives.
const ARCHIVES: [(&[u8], &str); 3] = [
    (b"PK\x03\x04", "zip"),
    (b"7z\xBC\xAF\x27\x1C", "7z"),
    (b"Rar!\x1A\x07", "rar"),
];

/// Returns a text without a byte order mark at its beginning.
pub(crate) fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(UTF8_MARK).unwrap_or(text)
}

/// Checks that a file does not begin like text in another encoding than UTF-8, or like an archive.
///
/// # Errors
/// Returns [`DataError::Encoding`] or [`DataError::Archive`].
pub(crate) fn check_text(start: &[u8], path: &Path) -> Result<(), DataError> {
    let named = |names: &[(&[u8], &'static str)]| {
        let mut names = names.iter();
        names.find_map(|(bytes, name)| start.starts_with(bytes).then_some(*name))
    };
    let is_tar = start.get(257..262) == Some(b"ustar");
    if let Some(encoding) = named(&OTHER_MARKS).or_else(|| utf16_without_mark(start)) {
        return Err(DataError::Encoding {
            path: path.to_owned(),
            encoding,
        });
    }
    match named(&ARCHIVES).or(is_tar.then_some("tar")) {
        Some(format) => Err(DataError::Archive {
            path: path.to_owned(),
            format,
        }),
        None => Ok(()),
    }
}

/// Returns the name of UTF-16 if every other byte is zero, as it is in letters of Latin-1.
fn utf16_without_mark(start: &[u8]) -> Option<&'static str> {
    let start = &start[..start.len().min(LOOKED_AT)];
    let zeros = |first: usize| start.iter().skip(first).step_by(2).all(|byte| *byte == 0);
    let letters = |first: usize| start.iter().skip(first).step_by(2).all(|byte| *byte != 0);
    match start.len() {
        0..4 => None,
        _ if letters(0) && zeros(1) => Some("UTF-16LE"),
        _ if zeros(0) && letters(1) => Some("UTF-16BE"),
        _ => None,
    }
}

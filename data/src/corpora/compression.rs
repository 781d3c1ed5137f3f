//! The formats of compression, which a file's name shows by its ending.

use std::path::{Path, PathBuf};

const ENDINGS: [&str; 3] = ["gz", "xz", "zst"];

/// Returns whether [`Lines::open`](crate::Lines::open) decompresses a file: whether its name ends in `.gz`, `.xz` or
/// `.zst`.
#[must_use]
pub fn is_compressed(path: &Path) -> bool {
    compression(path).is_some()
}

/// Returns a path without the ending for its compression: `text.de` for `text.de.zst`.
pub(crate) fn without_compression(path: &Path) -> PathBuf {
    if is_compressed(path) {
        path.with_extension("")
    } else {
        path.to_owned()
    }
}

/// Returns the ending of a compressed file's name: `zst` for `text.de.zst`.
pub(crate) fn compression(path: &Path) -> Option<&'static str> {
    let ending = path.extension()?;
    ENDINGS.into_iter().find(|compressed| ending == *compressed)
}

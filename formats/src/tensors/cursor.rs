//! Reading the parts of a binary file in order, none of which may end behind the file.

use std::ops::Range;

/// A place in the bytes of a file. Each method reads what follows and moves behind it, or returns `None` and stays if
/// the file ends before. No memory is taken for a length that the file only claims.
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    place: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, place: 0 }
    }

    /// Returns the number of bytes that have not been read.
    pub(super) fn remaining(&self) -> usize {
        self.bytes.len() - self.place
    }

    /// Returns where the next `count` bytes are.
    pub(super) fn range(&mut self, count: u64) -> Option<Range<usize>> {
        let count = usize::try_from(count).ok()?;
        if count > self.remaining() {
            return None;
        }
        let start = self.place;
        self.place += count;
        Some(start..self.place)
    }

    /// Returns the next `count` bytes.
    pub(super) fn bytes(&mut self, count: u64) -> Option<&'a [u8]> {
        Some(&self.bytes[self.range(count)?])
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.bytes(N as u64)?.try_into().ok()
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(super) fn i32(&mut self) -> Option<i32> {
        self.array().map(i32::from_le_bytes)
    }

    pub(super) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// Returns the text of the next `count` bytes, of which the last is NUL.
    pub(super) fn text(&mut self, count: u64) -> Option<&'a str> {
        let (last, text) = self.bytes(count)?.split_last()?;
        (*last == 0).then(|| std::str::from_utf8(text).ok())?
    }
}

//! Mapping files into memory. This module alone in the crate needs `unsafe`: every library for mapping files asks its
//! caller to ensure that the files do not change.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;

use memmap2::Mmap;

/// Maps a file into memory for reading.
pub(super) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the bytes must not change while they are mapped. Shards are written under a temporary name, and renamed
    // once they are complete. From then on they are only replaced or removed, which does not change the mapped bytes.
    unsafe { Mmap::map(file) }
}

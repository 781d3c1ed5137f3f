//! Mapping files into memory: the one place of the crate that needs `unsafe`, which no library spares.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;

use memmap2::Mmap;

/// Maps a file into memory for reading.
pub(super) fn map(file: &File) -> io::Result<Mmap> {
    // SAFETY: the bytes must not change while they are mapped. Shards are written under a temporary name, renamed once
    // they are whole, and from then on only replaced or removed, which leaves the mapped file as it is.
    unsafe { Mmap::map(file) }
}

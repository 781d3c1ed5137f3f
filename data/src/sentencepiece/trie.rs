//! A trie of strings, in which the longest string that a text begins with is found.

use yada::DoubleArray;
use yada::builder::DoubleArrayBuilder;
use yada::unit::{UNIT_SIZE, Unit};

/// The maximum number of bytes in a string of a trie that is [made](Trie::new): making it takes a level of the stack
/// for each byte.
const LONGEST: usize = 1 << 10;

/// A trie as a double array, in the layout of the library Darts-clone, which SentencePiece stores in its models.
/// Each string has a number.
#[derive(Clone, Debug)]
pub(super) struct Trie(DoubleArray<Vec<u8>>);

impl Trie {
    /// Makes a trie of strings and their numbers, which must be below 2³¹.
    ///
    /// # Errors
    /// Returns a message if there are no strings, or a string is empty, longer than 1,024 bytes, there twice, or
    /// contains NUL.
    pub(super) fn new<'a>(strings: impl Iterator<Item = (&'a str, u32)>) -> Result<Self, String> {
        let mut strings: Vec<(&str, u32)> = strings.collect();
        strings.sort_unstable();
        if let Some((long, _)) = strings.iter().find(|(string, _)| string.len() > LONGEST) {
            return Err(format!("a piece has {} bytes, more than {LONGEST}", long.len()));
        }
        let array = DoubleArrayBuilder::build(&strings).map_err(|error| error.to_string())?;
        Self::read(array)
    }

    /// Reads a double array: units of four bytes, little-endian.
    ///
    /// # Errors
    /// Returns a message if a unit points outside the array.
    pub(super) fn read(array: Vec<u8>) -> Result<Self, String> {
        let array = DoubleArray::new(array).map_err(|error| error.to_string())?;
        // `DoubleArray` trusts its first unit without a check if that is marked as the end of a string.
        if units(&array.0).next().is_some_and(|root| root.is_leaf()) {
            return Err("its first unit ends a string".to_owned());
        }
        Ok(Self(array))
    }

    /// Returns the numbers of all strings.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> {
        let all: Vec<Unit> = units(&self.0.0).collect();
        let ends = (0..all.len()).filter(|&unit| !all[unit].is_leaf() && all[unit].has_leaf());
        let ends: Vec<usize> = ends.map(|unit| unit ^ all[unit].offset() as usize).collect();
        ends.into_iter().map(move |end| all[end].value())
    }

    /// Returns the number and the length in bytes of the longest string that `text` begins with.
    pub(super) fn longest_prefix(&self, text: &str) -> Option<(u32, usize)> {
        // No string contains NUL, which is the label of unused units.
        let has_nul = |length| text.as_bytes()[..length].contains(&0);
        let prefixes = self.0.common_prefix_search(text);
        prefixes
            .take_while(|&(_, length)| !has_nul(length))
            .filter(|&(_, length)| text.is_char_boundary(length))
            .last()
    }
}

fn units(array: &[u8]) -> impl Iterator<Item = Unit> {
    let (units, _) = array.as_chunks::<UNIT_SIZE>();
    units.iter().map(|&unit| Unit::from_u32(u32::from_le_bytes(unit)))
}

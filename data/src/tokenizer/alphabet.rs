//! The characters that subwords are learnt from.
//!
//! Subwords are learnt from characters, and then spelt in bytes. If they were learnt from bytes, many of them would end
//! within a character, which few texts can use: in Thai, two of the three bytes of nearly every letter are the same.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use super::byte_level::spell;

/// Returns the characters of more than one byte that occur in `words` at least twice, the most frequent first.
pub(super) fn frequent_characters(words: &HashMap<String, u64>) -> Vec<char> {
    let mut counts: HashMap<char, u64> = HashMap::new();
    for (word, count) in words {
        for character in word.chars().filter(|character| !character.is_ascii()) {
            *counts.entry(character).or_default() += count;
        }
    }
    counts.retain(|_, count| *count > 1);
    let mut characters: Vec<(char, u64)> = counts.into_iter().collect();
    characters.sort_unstable_by_key(|&(character, count)| (Reverse(count), character));
    characters.into_iter().map(|(character, _)| character).collect()
}

/// The merges of bytes that spell characters.
#[derive(Default)]
pub(super) struct CharacterMerges {
    /// The characters that the merges spell.
    pub(super) characters: HashSet<char>,
    /// The merges: for a character of three bytes, that of the first two, and that of these two with the third.
    pub(super) merges: Vec<(String, String)>,
}

impl CharacterMerges {
    /// Makes the merges for as many of `characters` as need at most `limit` merges, the first characters first.
    pub(super) fn new(characters: &[char], limit: usize) -> Self {
        let mut made = Self::default();
        let mut merged = HashSet::new();
        for character in characters {
            let bytes: Vec<char> = spell(&character.to_string()).chars().collect();
            let merge = |end| -> (String, char) { (bytes[..end].iter().collect(), bytes[end]) };
            let missing: Vec<(String, String)> = (1..bytes.len())
                .map(merge)
                .map(|(left, right)| (left, right.to_string()))
                .filter(|(left, right)| !merged.contains(&format!("{left}{right}")))
                .collect();
            if made.merges.len() + missing.len() > limit {
                break;
            }
            merged.extend(missing.iter().map(|(left, right)| format!("{left}{right}")));
            made.merges.extend(missing);
            made.characters.insert(*character);
        }
        made
    }
}

/// The character that marks the end of some words while a unigram model is learnt.
pub(super) const END: char = '\u{1}';

/// Removes the characters of more than one byte that are not among `characters`. A word that has one in its midst
/// becomes two words. NUL and [`END`] are removed, too, since they stand between words while pieces are learnt.
pub(super) fn without_others(
    words: HashMap<String, u64>,
    characters: &HashSet<char>,
) -> HashMap<String, u64> {
    let is_other = |character: char| {
        ['\0', END].contains(&character) || !(character.is_ascii() || characters.contains(&character))
    };
    let mut parts = HashMap::new();
    for (word, count) in words {
        for part in word.split(is_other).filter(|part| !part.is_empty()) {
            *parts.entry(part.to_owned()).or_default() += count;
        }
    }
    parts
}

/// Counts the different characters of `words`.
pub(super) fn count_characters(words: &HashMap<String, u64>) -> usize {
    let characters: HashSet<char> = words.keys().flat_map(|word| word.chars()).collect();
    characters.len()
}

//! Glossaries: terms, and what they are translated as.

use std::collections::{HashMap, HashSet};

use attend_data::{is_blank, spaced_once};

use crate::search::{BOUNDARY, begins_within_character, patterns, with_boundaries};

/// Terms of the source language, and the term of the target language for each.
///
/// A sentence has a term where it has its characters as a word or phrase of its own, by the rules of
/// [`BannedWords`](crate::search::BannedWords): `art` is in `art-house` and not in `party`, and upper and lower case
/// differ. Where several terms begin at the same word, the sentence has the longest of them. A word that belongs to one
/// term is not read again for another.
///
/// ```
/// use attend_infer::Glossary;
///
/// let mut glossary = Glossary::default();
/// glossary.add("bicycle", "Drahtesel")?;
/// glossary.add_line("red bicycle\tFeuerstuhl")?;
/// assert!(glossary.add("bicycle", "Velo").is_err());
/// # Ok::<(), attend_infer::InvalidTerm>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Glossary {
    /// The target terms, by the bytes of a sentence that have the source term, boundaries of words included.
    targets: HashMap<Vec<u8>, String>,
    /// The number of bytes of the longest source term.
    longest: usize,
}

/// The reason why a glossary does not take a term.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTerm {
    /// A line that is not two terms with a tab between them.
    #[error("a line has a term, one tab, and what the term is translated as")]
    NoPair,
    /// A term that is empty, or of which nothing is seen.
    #[error("a term is empty")]
    Blank,
    /// A term that no text has as a word.
    #[error("{0:?} is no word: it begins with a character that belongs to the one before it")]
    NoWord(String),
    /// A source term that the glossary already has.
    #[error("{0:?} is there twice")]
    Repeated(String),
}

impl Glossary {
    /// Adds a term and what it is translated as. White space around a term and invisible characters are left out.
    ///
    /// # Errors
    ///
    /// Returns an [`InvalidTerm`] if a term is blank or begins with a combining mark, or if the glossary has the
    /// `source` already.
    pub fn add(&mut self, source: &str, target: &str) -> Result<(), InvalidTerm> {
        for term in [source, target] {
            if is_blank(term) {
                return Err(InvalidTerm::Blank);
            }
            if begins_within_character(term) {
                return Err(InvalidTerm::NoWord(term.to_owned()));
            }
        }
        let patterns = patterns(source);
        if patterns.iter().any(|pattern| self.targets.contains_key(pattern)) {
            return Err(InvalidTerm::Repeated(source.to_owned()));
        }
        for pattern in patterns {
            self.longest = self.longest.max(pattern.len());
            self.targets.insert(pattern, spaced_once(target));
        }
        Ok(())
    }

    /// Adds the pair of a line: a term, a tab, and what the term is translated as. A blank line adds nothing.
    ///
    /// # Errors
    ///
    /// Returns an [`InvalidTerm`] if the line has no tab or several, and the errors of [`add`](Self::add).
    pub fn add_line(&mut self, line: &str) -> Result<(), InvalidTerm> {
        if is_blank(line) {
            return Ok(());
        }
        match line.split('\t').collect::<Vec<_>>()[..] {
            [source, target] => self.add(source, target),
            _ => Err(InvalidTerm::NoPair),
        }
    }

    /// Returns whether the glossary has no term.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Returns the target terms for the terms of a sentence, each once.
    pub(crate) fn targets_in(&self, sentence: &str) -> Vec<&str> {
        if self.is_empty() {
            return Vec::new();
        }
        let text = with_boundaries(&spaced_once(sentence));
        let boundaries: Vec<usize> = (0..text.len()).filter(|&place| text[place] == BOUNDARY).collect();
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        let mut first = 0;
        while let Some(&start) = boundaries.get(first) {
            let ends = boundaries[first + 1..].iter();
            let near = ends.take_while(|&&end| end - start < self.longest).count();
            let longest = (first + 1..=first + near).rev().find_map(|end| {
                let target = self.targets.get(&text[start..=boundaries[end]])?;
                Some((end, target.as_str()))
            });
            match longest {
                // The boundary at the end of a term is the one before the next word.
                Some((end, target)) => {
                    if seen.insert(target) {
                        found.push(target);
                    }
                    first = end;
                }
                None => first += 1,
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use unicode_normalization::UnicodeNormalization;

    use super::*;

    fn glossary(lines: &[&str]) -> Glossary {
        let mut glossary = Glossary::default();
        for line in lines {
            glossary.add_line(line).unwrap();
        }
        glossary
    }

    #[test]
    fn terms_are_words_of_the_sentence() {
        let glossary = glossary(&[
            "art\tKunst",
            " red  art \trote Kunst",
            "",
            "café\tKaffeehaus",
            "苹果\tApfel",
            "吃\tessen",
            "C++\tCPP",
            "picture\tKunst",
        ]);
        for (sentence, expected) in [
            ("art", vec!["Kunst"]),
            ("the art-house", vec!["Kunst"]),
            ("party, arts and Art", vec![]),
            ("the red\u{a0} ar\u{ad}t", vec!["rote Kunst"]),
            ("art and red art", vec!["Kunst", "rote Kunst"]),
            ("a picture is art", vec!["Kunst"]),
            ("我吃苹果。", vec!["essen", "Apfel"]),
            ("C++, not C+", vec!["CPP"]),
            ("", vec![]),
        ] {
            assert_eq!(glossary.targets_in(sentence), expected, "{sentence}");
        }
        let decomposed: String = "the café".nfd().collect();
        assert_eq!(glossary.targets_in(&decomposed), ["Kaffeehaus"]);
        assert!(Glossary::default().targets_in("art").is_empty());
    }

    #[test]
    fn the_longest_of_overlapping_terms_is_taken() {
        let glossary = glossary(&["new\tneu", "new york\tNew York", "york city\tYork", "city\tStadt"]);
        assert_eq!(glossary.targets_in("new york city"), ["New York", "Stadt"]);
        assert_eq!(glossary.targets_in("york city"), ["York"]);
        assert_eq!(glossary.targets_in("new york new york"), ["New York"]);
        assert_eq!(glossary.targets_in("new new york"), ["neu", "New York"]);
    }

    #[test]
    fn what_is_no_pair_of_terms_is_refused() {
        let mut glossary = glossary(&["art\tKunst"]);
        for (line, expected) in [
            ("art", InvalidTerm::NoPair),
            ("a\tb\tc", InvalidTerm::NoPair),
            ("a\t \u{200b}", InvalidTerm::Blank),
            ("\ta", InvalidTerm::Blank),
            ("\u{301}a\tb", InvalidTerm::NoWord("\u{301}a".to_owned())),
            (" art\tb", InvalidTerm::Repeated(" art".to_owned())),
        ] {
            assert_eq!(glossary.add_line(line), Err(expected), "{line}");
        }
        assert_eq!(glossary.targets_in("art"), ["Kunst"]);
    }
}

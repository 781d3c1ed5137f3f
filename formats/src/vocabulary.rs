//! The vocabulary of a foreign model: which number stands for which piece of text.

use std::collections::HashSet;
use std::fmt;
use std::path::Path;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::error::FormatError;

/// The token that fills the rows of a batch.
pub(crate) const PAD: &str = "<pad>";
/// The token that ends a sentence.
pub(crate) const EOS: &str = "</s>";
/// The token of all pieces outside of the vocabulary.
pub(crate) const UNK: &str = "<unk>";

/// What is added to the logit of a token that no translation has.
pub(crate) const NEVER: f32 = f32::NEG_INFINITY;

/// The pieces of a vocabulary, each at the place that is its number. It is written as a JSON object of pieces and
/// numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Vocabulary(Vec<String>);

/// The pieces of a JSON object with their numbers. Unlike a map, it keeps a piece that occurs twice.
pub(crate) struct Numbers(Vec<(String, usize)>);

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pieces;

        impl<'de> Visitor<'de> for Pieces {
            type Value = Numbers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of pieces and their numbers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut pieces: A) -> Result<Numbers, A::Error> {
                let mut numbers = Vec::new();
                while let Some(entry) = pieces.next_entry()? {
                    numbers.push(entry);
                }
                Ok(Numbers(numbers))
            }
        }

        deserializer.deserialize_map(Pieces)
    }
}

impl Vocabulary {
    /// Returns the vocabulary in which each piece has its number.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError::Settings`] if the numbers are not those from 0 to one less than there are pieces, and the
    /// errors of [`of_pieces`](Self::of_pieces).
    pub(crate) fn of_numbers(path: &Path, Numbers(numbers): Numbers) -> Result<Self, FormatError> {
        let count = numbers.len();
        let mut pieces = vec![None; count];
        for (piece, number) in numbers {
            let Some(place @ None) = pieces.get_mut(number) else {
                let reason =
                    format!("{piece:?} has the number {number}, which is not its own among {count} pieces");
                return Err(FormatError::settings(path, reason));
            };
            *place = Some(piece);
        }
        Self::of_pieces(path, pieces.into_iter().flatten().collect())
    }

    /// Returns the vocabulary of pieces in the order of their numbers.
    ///
    /// # Errors
    ///
    /// Returns [`FormatError::Settings`] if a piece occurs twice, or a token that every translator needs is missing.
    pub(crate) fn of_pieces(path: &Path, pieces: Vec<String>) -> Result<Self, FormatError> {
        let mut seen = HashSet::new();
        if let Some(piece) = pieces.iter().find(|piece| !seen.insert(*piece)) {
            return Err(FormatError::settings(
                path,
                format!("the piece {piece:?} occurs twice"),
            ));
        }
        let vocabulary = Self(pieces);
        for token in [PAD, EOS, UNK] {
            if vocabulary.number(token).is_none() {
                return Err(FormatError::settings(
                    path,
                    format!("the token {token} is missing"),
                ));
            }
        }
        Ok(vocabulary)
    }

    /// Returns the number of pieces.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the number of a piece.
    pub(crate) fn number(&self, piece: &str) -> Option<usize> {
        self.0.iter().position(|other| other == piece)
    }
}

impl Serialize for Vocabulary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().enumerate().map(|(number, piece)| (piece, number)))
    }
}

//! BPE-dropout: a sentence is cut into tokens in a different way each time it is trained on (Provilkov et al., 2020,
//! "BPE-Dropout: Simple and Effective Subword Regularization").
//!
//! The dropout of the tokenizers library is not used, because its random numbers have no seed, and a run could not be
//! repeated.

use std::collections::HashMap;

use rand_chacha::rand_core::Rng;
use serde::Deserialize;
use tokenizers::Model;
use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use super::hugging_face::TOTAL;
use super::words::for_each_word;
use super::{Cut, Tokenizer};

/// The number of values that 32 random bits can have.
const RANGE: f64 = 4_294_967_296.0;

/// The merges of a BPE model.
#[derive(Clone, Debug)]
pub(super) struct Merges {
    /// The token of each byte, by the character that stands for the byte.
    bytes: HashMap<char, u32>,
    /// The merge of two neighbouring tokens.
    merges: HashMap<(u32, u32), Merge>,
}

/// A merge. Merges are ordered by rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Merge {
    /// The index of the merge in the order of learning.
    rank: usize,
    /// The token that the two tokens become.
    token: u32,
}

impl Merges {
    /// Reads the merges of a model.
    pub(super) fn of(model: &BPE) -> Result<Self, String> {
        let id = |token: &str| {
            model
                .token_to_id(token)
                .ok_or(format!("the token {token} is missing"))
        };
        let merges = written_merges(model)?
            .into_iter()
            .enumerate()
            .map(|(rank, (left, right))| {
                let token = id(&format!("{left}{right}"))?;
                Ok(((id(&left)?, id(&right)?), Merge { rank, token }))
            });
        let bytes = ByteLevel::alphabet().into_iter();
        Ok(Self {
            merges: merges.collect::<Result<_, String>>()?,
            bytes: bytes
                .map(|byte| Ok((byte, id(&byte.to_string())?)))
                .collect::<Result<_, String>>()?,
        })
    }

    /// Cuts a word into tokens by BPE-dropout (Provilkov et al., 2020, algorithm 1). Each character of `word` stands
    /// for a byte. In each step, every applicable merge is skipped with `probability`, and the merge of the lowest rank
    /// among the others is applied. The word is done when a step has no merge to apply.
    fn encode_word(&self, word: &str, probability: f64, random: &mut impl Rng) -> Vec<u32> {
        let mut tokens: Vec<u32> = word.chars().map(|byte| self.bytes[&byte]).collect();
        let threshold = probability * RANGE;
        loop {
            let possible = tokens.windows(2).enumerate().filter_map(|(position, pair)| {
                let merge = self.merges.get(&(pair[0], pair[1]))?;
                Some((*merge, position))
            });
            let kept = possible.filter(|_| f64::from(random.next_u32()) >= threshold);
            let Some((Merge { token, .. }, position)) = kept.min() else {
                return tokens;
            };
            tokens[position] = token;
            tokens.remove(position + 1);
        }
    }
}

/// Returns the merges of a model, each with the two tokens that it joins. The tokenizers library gives access to them
/// only through the model's JSON.
pub(super) fn written_merges(model: &BPE) -> Result<Vec<(String, String)>, String> {
    #[derive(Deserialize)]
    struct Written {
        merges: Vec<(String, String)>,
    }
    let written: Written = serde_json::to_value(model)
        .and_then(serde_json::from_value)
        .map_err(|error| error.to_string())?;
    Ok(written.merges)
}

impl Tokenizer {
    /// Encodes `text` by BPE-dropout: in each step, every applicable merge is skipped with `probability`. A probability
    /// of 0 gives the tokens of [`Tokenizer::encode`], and a probability of 1 gives a token for each byte, and for the
    /// space before the text if the tokenizer puts one there. Every result decodes to the
    /// [normalised](Tokenizer::normalize) text. A tokenizer that is not
    /// [`TokenizerKind::Bpe`](super::TokenizerKind::Bpe) has no merges to skip, and the method then returns the tokens
    /// of [`Tokenizer::encode`].
    #[must_use]
    pub fn encode_with_dropout(&self, text: &str, probability: f64, random: &mut impl Rng) -> Vec<u32> {
        let Cut::HuggingFace(library) = &self.0 else {
            return self.encode(text);
        };
        let (Some(merges), Some(split)) = (&library.merges, library.inner.get_pre_tokenizer()) else {
            return self.encode(text);
        };
        let mut ids = Vec::new();
        for_each_word(split, &library.spaced(text), |word| {
            ids.extend(merges.encode_word(word, probability, random));
        })
        .expect(TOTAL);
        ids
    }
}

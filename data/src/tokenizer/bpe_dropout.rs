//! BPE-dropout: a sentence cut differently each time it is trained on (Provilkov et al., 2020, "BPE-Dropout: Simple
//! and Effective Subword Regularization").
//!
//! The tokenizers library has it, too, but draws from a generator without a seed: no run could be repeated.

use std::collections::HashMap;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::Deserialize;
use tokenizers::Model;
use tokenizers::models::bpe::BPE;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use super::train::{byte_level_words, for_each_word};
use super::{TOTAL, Tokenizer};

/// The number of values that 32 random bits take: one more than the highest, so that a probability of 1 is certain.
const RANGE: f64 = 4_294_967_296.0;

/// The merges of a BPE model.
#[derive(Clone, Debug)]
pub(super) struct Merges {
    /// The token of each byte, by the character that stands for it.
    bytes: HashMap<char, u32>,
    /// By two neighbouring tokens: the merge's rank, the first learnt being 0, and the token that they become.
    merges: HashMap<(u32, u32), Merge>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Merge {
    rank: usize,
    token: u32,
}

impl Merges {
    /// Takes the merges out of a model, which shows them only when it is written.
    pub(super) fn of(model: &BPE) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Written {
            merges: Vec<(String, String)>,
        }
        let written: Written = serde_json::to_value(model)
            .and_then(serde_json::from_value)
            .map_err(|error| error.to_string())?;
        let id = |token: &str| {
            model
                .token_to_id(token)
                .ok_or(format!("the token {token} is missing"))
        };
        let merges = written.merges.iter().enumerate().map(|(rank, (left, right))| {
            let token = id(&format!("{left}{right}"))?;
            Ok(((id(left)?, id(right)?), Merge { rank, token }))
        });
        let bytes = ByteLevel::alphabet().into_iter();
        Ok(Self {
            merges: merges.collect::<Result<_, String>>()?,
            bytes: bytes
                .map(|byte| Ok((byte, id(&byte.to_string())?)))
                .collect::<Result<_, String>>()?,
        })
    }

    /// Cuts a word, written in the characters that stand for bytes, as algorithm 1 of the paper does: of all merges
    /// possible at a step, each is left out with `probability`, and the first learnt of the others is made, until
    /// none is left.
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

impl Tokenizer {
    /// The ids of `text` where each merge that is possible at a step is left out with `probability`: at 0 those of
    /// [`Tokenizer::encode`], at 1 single bytes. Every result decodes to `text`. Kinds without merges encode as
    /// always.
    #[must_use]
    pub fn encode_with_dropout(&self, text: &str, probability: f64, random: &mut impl Rng) -> Vec<u32> {
        let Some(merges) = &self.merges else {
            return self.encode(text);
        };
        let mut ids = Vec::new();
        for_each_word(&byte_level_words(), text, |word| {
            ids.extend(merges.encode_word(word, probability, random));
        })
        .expect(TOTAL);
        ids
    }
}

/// The random numbers by which a sentence is cut in an epoch of a run: the same however the work is divided, and
/// wherever a run is resumed. `place` is the sentence's place in the epoch's order, so that a sentence that the epoch
/// takes twice is cut twice.
#[must_use]
pub fn dropout_random(seed: u64, epoch: u64, place: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (part, number) in key.chunks_exact_mut(8).zip([seed, epoch, place]) {
        part.copy_from_slice(&number.to_le_bytes());
    }
    // Keeps these streams apart from the others that a run draws from the same seed and epoch.
    key[24..].copy_from_slice(b"dropout\0");
    ChaCha8Rng::from_seed(key)
}

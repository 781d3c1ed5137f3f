//! The choice of the elements that dropout drops. It is a hash of the seed and of the element's number. The hash needs
//! no state, so that elements can be processed in any order.

use burn::tensor::Shape;

use crate::padding::MULTIPLE;

/// The shape `[..., seq, d]` of a tensor, seen as `count` sequences.
///
/// Each element has a number. Numbers are consecutive within a sequence. They skip the elements that padding along
/// `seq` to a multiple of [`MULTIPLE`] would add after each sequence, so that padding does not change the number of any
/// element.
///
/// For example, if `seq = 3` and `d = 2`, the first of two sequences has the numbers 0 to 5 and the second 16 to 21.
#[derive(Clone, Copy)]
pub(super) struct Sequences {
    count: usize,
    pub(super) seq: usize,
    pub(super) d: usize,
}

impl Sequences {
    pub(super) fn of(shape: &Shape) -> Self {
        let from_end = |place: usize| shape.iter().rev().nth(place).copied().unwrap_or(1);
        let [d, seq] = [0, 1].map(from_end);
        Self {
            count: shape.iter().rev().skip(2).product(),
            seq,
            d,
        }
    }

    /// Returns the number of each sequence's first element. Numbers wrap around at 2^32.
    pub(super) fn starts(self) -> impl Iterator<Item = u32> {
        let size = self.seq.next_multiple_of(MULTIPLE) * self.d;
        (0..self.count).map(move |sequence| (sequence * size) as u32)
    }
}

/// 2^32 divided by the golden ratio. Multiplication by it spreads consecutive numbers far apart.
pub(super) const SPREAD: u32 = 0x9E37_79B9;
/// The factors of MurmurHash3's finalizer.
pub(super) const ROUNDS: [u32; 2] = [0x85EB_CA6B, 0xC2B2_AE35];

/// The random numbers of one call. An element's number is hashed with the finalizer of MurmurHash3, which has two
/// rounds. A key is mixed in before each round. The element is dropped if the hash is below `threshold`.
#[derive(Clone, Copy)]
pub(super) struct Draw {
    pub(super) keys: [u32; 2],
    /// `probability · 2^32`
    pub(super) threshold: u32,
    /// `1 / (1 - probability)`, the factor of the elements that are not dropped.
    pub(super) kept: f32,
}

impl Draw {
    pub(super) fn new(probability: f64, seed: u64) -> Self {
        // SplitMix64 (Steele et al., 2014) returns unrelated keys even for two seeds that differ in one bit.
        let mut key = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        key = (key ^ (key >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        key = (key ^ (key >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        key ^= key >> 31;
        Self {
            keys: [key as u32, (key >> 32) as u32],
            threshold: (probability * 2f64.powi(32)) as u32,
            kept: (1.0 / (1.0 - probability)) as f32,
        }
    }

    /// Returns the factor of the element with this number: 0, or [`kept`](Self::kept).
    #[cfg(feature = "flex")]
    #[inline(always)]
    pub(super) fn factor(self, number: u32) -> f32 {
        let mut hash = number.wrapping_mul(SPREAD) ^ self.keys[0];
        hash = (hash ^ (hash >> 16)).wrapping_mul(ROUNDS[0]);
        hash = (hash ^ self.keys[1] ^ (hash >> 13)).wrapping_mul(ROUNDS[1]);
        hash ^= hash >> 16;
        if hash < self.threshold { 0.0 } else { self.kept }
    }
}

//! The random numbers that a run draws for its data. Each use has its own stream of random numbers, which depends on
//! the seed and on indices such as that of the epoch. So a resumed run draws the numbers that it would have drawn
//! without the stop.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// Returns the random numbers that order the batches of an epoch.
pub(crate) fn batch_random(seed: u64, epoch: u64) -> ChaCha8Rng {
    random([seed, epoch, 0], 0)
}

/// Returns the random numbers that decide which examples of a corpus an epoch takes. `corpus` is the index of the
/// corpus in the mixture.
pub(crate) fn corpus_random(seed: u64, epoch: u64, corpus: u64) -> ChaCha8Rng {
    random([seed, epoch, corpus + 1], 0)
}

/// Returns the random numbers by which BPE-dropout cuts the sentences of an example. `index` is the index of the
/// example in the epoch, not in the corpus, so that a sentence that an epoch takes twice is cut in two ways.
pub(crate) fn dropout_random(seed: u64, epoch: u64, index: u64) -> ChaCha8Rng {
    random([seed, epoch, index], u64::from_le_bytes(*b"dropout\0"))
}

/// Returns a stream of ChaCha8. Its key consists of the little-endian bytes of `numbers` and `usage`.
fn random(numbers: [u64; 3], usage: u64) -> ChaCha8Rng {
    let [first, second, third] = numbers;
    let mut key = [0; 32];
    for (part, number) in key.chunks_exact_mut(8).zip([first, second, third, usage]) {
        part.copy_from_slice(&number.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

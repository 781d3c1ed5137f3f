//! The random numbers that a run draws for its data. Each use has a stream of its own, so that a run that goes on from
//! any position draws what it would have drawn without the stop, however its work is divided.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// Returns the random numbers that order the batches of an epoch.
pub(crate) fn batch_random(seed: u64, epoch: u64) -> ChaCha8Rng {
    random([seed, epoch, 0], 0)
}

/// Returns the random numbers that draw the examples which an epoch takes of a corpus, given by its index in the
/// mixture.
pub(crate) fn corpus_random(seed: u64, epoch: u64, corpus: u64) -> ChaCha8Rng {
    random([seed, epoch, corpus + 1], 0)
}

/// Returns the random numbers by which BPE-dropout cuts the sentences of an example. `place` is the example's place in
/// the order of the epoch, so that a sentence which the epoch takes twice is cut in two ways.
pub(crate) fn dropout_random(seed: u64, epoch: u64, place: u64) -> ChaCha8Rng {
    random([seed, epoch, place], u64::from_le_bytes(*b"dropout\0"))
}

/// Returns the stream of ChaCha8 whose key is the numbers and the use, in little-endian bytes.
fn random(numbers: [u64; 3], usage: u64) -> ChaCha8Rng {
    let [first, second, third] = numbers;
    let mut key = [0; 32];
    for (part, number) in key.chunks_exact_mut(8).zip([first, second, third, usage]) {
        part.copy_from_slice(&number.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

//! Encoded examples, and batches of them under a budget of tokens.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A sentence pair as token ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The source sentence, ending with `</s>`.
    pub source: Vec<u32>,
    /// The target sentence, ending with `</s>` and not starting with `<s>`.
    pub target: Vec<u32>,
}

impl Example {
    /// The number of tokens of the longer side, `</s>` included.
    #[must_use]
    pub fn longest_side(&self) -> usize {
        self.source.len().max(self.target.len())
    }
}

/// Rows of token ids, `[rows, width]`, padded on the right to the longest row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenMatrix {
    /// The ids, row after row: `rows * width` of them.
    pub ids: Vec<i32>,
    /// The number of sentences.
    pub rows: usize,
    /// The number of tokens in the longest sentence.
    pub width: usize,
}

impl TokenMatrix {
    /// Lays `rows` out as a matrix, filling up shorter rows with `pad`.
    #[must_use]
    pub fn new<R: AsRef<[u32]>>(rows: &[R], pad: u32) -> Self {
        let width = rows.iter().map(|row| row.as_ref().len()).max().unwrap_or(0);
        let mut ids = Vec::with_capacity(rows.len() * width);
        for row in rows {
            let row = row.as_ref();
            // The numbers of a vocabulary's tokens are far below i32::MAX, the integers that tensors take.
            ids.extend(row.iter().map(|&id| id as i32));
            ids.extend(std::iter::repeat_n(pad as i32, width - row.len()));
        }
        Self {
            ids,
            rows: rows.len(),
            width,
        }
    }
}

/// What one step of training computes on: three matrices over the same rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The encoder's input; rows end with `</s>`.
    pub source: TokenMatrix,
    /// The decoder's input; rows start with `<s>` and lack the final `</s>`.
    pub target_input: TokenMatrix,
    /// What the decoder should predict at each position; rows end with `</s>`.
    pub target_output: TokenMatrix,
    /// The number of tokens in `target_output` that are not padding: what a loss is divided by.
    pub target_tokens: usize,
}

impl Batch {
    /// Makes a batch of `examples`, in their order. `pad` and `bos` are the ids of `<pad>` and `<s>`.
    #[must_use]
    pub fn new<'a>(examples: impl IntoIterator<Item = &'a Example>, pad: u32, bos: u32) -> Self {
        let examples: Vec<&Example> = examples.into_iter().collect();
        let sources: Vec<&[u32]> = examples.iter().map(|example| example.source.as_slice()).collect();
        let outputs: Vec<&[u32]> = examples.iter().map(|example| example.target.as_slice()).collect();
        let inputs: Vec<Vec<u32>> = outputs
            .iter()
            .map(|output| {
                let before_each_token = std::iter::once(bos).chain(output.iter().copied());
                before_each_token.take(output.len()).collect()
            })
            .collect();
        Self {
            source: TokenMatrix::new(&sources, pad),
            target_input: TokenMatrix::new(&inputs, pad),
            target_output: TokenMatrix::new(&outputs, pad),
            target_tokens: outputs.iter().map(|output| output.len()).sum(),
        }
    }
}

/// Divides `examples` into batches for one epoch and returns their indices, batch by batch.
///
/// Each batch keeps `rows × longest side ≤ max_tokens`, where the longest side is the longest source or target
/// sentence of the batch, padding included; an example that is longer by itself forms a batch of its own. Examples
/// of similar lengths share a batch, so that little of it is padding (section 5.1 of "Attention Is All You Need").
/// Examples of equal lengths, and then the batches, come in an order drawn from `seed` and `epoch`: the same on
/// every platform. Every example is in exactly one batch.
#[must_use]
pub fn plan_batches(examples: &[Example], max_tokens: usize, seed: u64, epoch: u64) -> Vec<Vec<usize>> {
    let mut random = epoch_random(seed, epoch);
    let mut by_length: Vec<(usize, usize, usize, u64, usize)> = examples
        .iter()
        .enumerate()
        .map(|(index, example)| {
            let (source, target) = (example.source.len(), example.target.len());
            (source.max(target), source, target, random.next_u64(), index)
        })
        .collect();
    by_length.sort_unstable();

    let mut batches: Vec<Vec<usize>> = Vec::new();
    let mut batch: Vec<usize> = Vec::new();
    for (longest, _, _, _, index) in by_length {
        if !batch.is_empty() && (batch.len() + 1) * longest > max_tokens {
            batches.push(std::mem::take(&mut batch));
        }
        batch.push(index);
    }
    if !batch.is_empty() {
        batches.push(batch);
    }

    // Sorting by random keys, because the order of a library's `shuffle` may change with its release.
    let mut shuffled: Vec<(u64, Vec<usize>)> = batches
        .into_iter()
        .map(|batch| (random.next_u64(), batch))
        .collect();
    shuffled.sort_unstable();
    shuffled.into_iter().map(|(_, batch)| batch).collect()
}

/// The stream of random numbers that belongs to an epoch of a run.
fn epoch_random(seed: u64, epoch: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&epoch.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

//! Encoded examples, and batches of them under a budget of tokens.

use std::ops::Range;

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

    /// The numbers of tokens of both sides.
    #[must_use]
    pub fn lengths(&self) -> Lengths {
        Lengths {
            source: self.source.len() as u32,
            target: self.target.len() as u32,
        }
    }
}

/// The numbers of tokens of an [`Example`], `</s>` included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lengths {
    /// Of the source sentence.
    pub source: u32,
    /// Of the target sentence.
    pub target: u32,
}

/// What shorter rows of a batch are filled up with, and to which width.
#[derive(Clone, Copy, Debug)]
pub struct Padding {
    /// The id of `<pad>`.
    pub token: u32,
    /// The width is a multiple of this,
    pub multiple: usize,
    /// unless that is more than so many.
    pub most: usize,
}

impl Padding {
    fn width(self, longest: usize) -> usize {
        longest
            .next_multiple_of(self.multiple)
            .min(self.most)
            .max(longest)
    }
}

/// The width of the longest row.
impl From<u32> for Padding {
    fn from(token: u32) -> Self {
        Self {
            token,
            multiple: 1,
            most: usize::MAX,
        }
    }
}

/// Rows of token ids, `[rows, width]`, padded on the right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenMatrix {
    /// The ids, row after row: `rows * width` of them.
    pub ids: Vec<i32>,
    /// The number of sentences.
    pub rows: usize,
    /// The number of tokens in the longest sentence, or more.
    pub width: usize,
}

impl TokenMatrix {
    /// Lays `rows` out as a matrix.
    #[must_use]
    pub fn new<R: AsRef<[u32]>>(rows: &[R], padding: impl Into<Padding>) -> Self {
        let padding = padding.into();
        let width = padding.width(rows.iter().map(|row| row.as_ref().len()).max().unwrap_or(0));
        let mut ids = Vec::with_capacity(rows.len() * width);
        for row in rows {
            let row = row.as_ref();
            // The numbers of a vocabulary's tokens are far below i32::MAX, the integers that tensors take.
            ids.extend(row.iter().map(|&id| id as i32));
            ids.extend(std::iter::repeat_n(padding.token as i32, width - row.len()));
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
    /// Makes a batch of `examples`, in their order. `bos` is the id of `<s>`.
    #[must_use]
    pub fn new<'a>(
        examples: impl IntoIterator<Item = &'a Example>,
        padding: impl Into<Padding>,
        bos: u32,
    ) -> Self {
        let padding = padding.into();
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
            source: TokenMatrix::new(&sources, padding),
            target_input: TokenMatrix::new(&inputs, padding),
            target_output: TokenMatrix::new(&outputs, padding),
            target_tokens: outputs.iter().map(|output| output.len()).sum(),
        }
    }
}

/// The batches of an epoch, in their order. A batch is the numbers of its examples.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BatchPlan {
    /// The examples of all batches.
    examples: Vec<u32>,
    /// Where each batch is among them.
    batches: Vec<Range<u32>>,
}

impl BatchPlan {
    /// The number of batches.
    #[must_use]
    pub fn len(&self) -> usize {
        self.batches.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// The examples of a batch, where there are so many.
    #[must_use]
    pub fn batch(&self, number: usize) -> Option<&[u32]> {
        let Range { start, end } = self.batches.get(number)?.clone();
        Some(&self.examples[start as usize..end as usize])
    }

    /// All batches.
    pub fn iter(&self) -> impl Iterator<Item = &[u32]> {
        (0..self.len()).filter_map(|number| self.batch(number))
    }
}

/// Divides the examples of one epoch, given by number and lengths, into batches.
///
/// Each batch keeps `rows × longest side ≤ max_tokens`, where the longest side is the longest source or target
/// sentence of the batch, padding included; an example that is longer by itself forms a batch of its own. Examples
/// of similar lengths share a batch, so that little of it is padding (section 5.1 of "Attention Is All You Need").
/// Examples of equal lengths, and then the batches, come in an order drawn from `seed` and `epoch`: the same on
/// every platform. An example is in as many batches as it is given times: in exactly one, if each is given once.
///
/// Planning takes 24 bytes for an example, of which 4 stay, and there may be as many as `u32` counts.
#[must_use]
pub fn plan_batches(
    examples: impl IntoIterator<Item = (u32, Lengths)>,
    max_tokens: usize,
    seed: u64,
    epoch: u64,
) -> BatchPlan {
    let mut random = epoch_random(seed, epoch, 0);
    let mut by_length: Vec<(u32, u32, u32, u64, u32)> = examples
        .into_iter()
        .map(|(number, Lengths { source, target })| {
            (source.max(target), source, target, random.next_u64(), number)
        })
        .collect();
    by_length.sort_unstable();

    let mut batches: Vec<Range<u32>> = Vec::new();
    let mut start = 0;
    for (end, (longest, ..)) in (0..).zip(&by_length) {
        if end > start && (end - start + 1) as usize * *longest as usize > max_tokens {
            batches.push(start..end);
            start = end;
        }
    }
    if !by_length.is_empty() {
        batches.push(start..by_length.len() as u32);
    }

    // Sorting by random keys, because the order of a library's `shuffle` may change with its release.
    let mut shuffled: Vec<(u64, Range<u32>)> = batches
        .into_iter()
        .map(|batch| (random.next_u64(), batch))
        .collect();
    shuffled.sort_unstable_by_key(|(key, batch)| (*key, batch.start));
    BatchPlan {
        examples: by_length.into_iter().map(|(.., number)| number).collect(),
        batches: shuffled.into_iter().map(|(_, batch)| batch).collect(),
    }
}

/// The random numbers of an epoch of a run, in several streams that have nothing to do with each other.
pub(crate) fn epoch_random(seed: u64, epoch: u64, stream: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&epoch.to_le_bytes());
    key[16..24].copy_from_slice(&stream.to_le_bytes());
    ChaCha8Rng::from_seed(key)
}

//! Encoded sentence pairs, and batches of them as padded matrices.

/// A sentence pair as token ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The ids of the source sentence, ending with `</s>` unless the model reads sources without it.
    pub source: Vec<u32>,
    /// The ids of the target sentence, ending with `</s>` and not starting with `<s>`.
    pub target: Vec<u32>,
}

impl Example {
    /// Returns the number of tokens of the longer side, `</s>` included.
    #[must_use]
    pub fn longest_side(&self) -> usize {
        self.source.len().max(self.target.len())
    }

    /// Returns the numbers of tokens of both sides, `</s>` included.
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
    /// The number of tokens of the source sentence.
    pub source: u32,
    /// The number of tokens of the target sentence.
    pub target: u32,
}

/// The token that fills shorter rows of a batch, and the width to which it fills them.
///
/// The width is the length of the longest row, rounded up to a multiple of `multiple`, but not above `most`. With a
/// `multiple` of 8 and a `most` of 20, a longest row of 13 tokens gives a width of 16, and one of 17 tokens a width of
/// 20. A row that is longer than `most` is not cut, and the width is then its length.
#[derive(Clone, Copy, Debug)]
pub struct Padding {
    /// The id of `<pad>`.
    pub token: u32,
    /// The width is rounded up to a multiple of this number, which is at least 1; 1 leaves the width as it is.
    pub multiple: usize,
    /// The maximum width after rounding up.
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

/// Pads with the token of this id to the width of the longest row.
impl From<u32> for Padding {
    fn from(token: u32) -> Self {
        Self {
            token,
            multiple: 1,
            most: usize::MAX,
        }
    }
}

/// A matrix of token ids, `[rows, width]`. Each row is a sentence, padded on the right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenMatrix {
    /// The `rows * width` ids, row after row.
    pub ids: Vec<i32>,
    /// The number of sentences.
    pub rows: usize,
    /// The number of tokens of each row, padding included.
    pub width: usize,
}

impl TokenMatrix {
    /// Pads `rows` to a common width.
    #[must_use]
    pub fn new<R: AsRef<[u32]>>(rows: &[R], padding: impl Into<Padding>) -> Self {
        let padding = padding.into();
        let width = padding.width(rows.iter().map(|row| row.as_ref().len()).max().unwrap_or(0));
        let mut ids = Vec::with_capacity(rows.len() * width);
        for row in rows {
            let row = row.as_ref();
            // Tensors take i32, and no vocabulary has as many tokens as that counts.
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

/// The input of one step of training: three matrices with a row for each example.
///
/// The pair `[5, 6, </s>] → [7, 8, </s>]` becomes the row `5 6 </s>` of `source`, the row `<s> 7 8` of `target_input`
/// and the row `7 8 </s>` of `target_output`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The input of the encoder, `[rows, source width]`. Each row is a source, before the padding.
    pub source: TokenMatrix,
    /// The input of the decoder, `[rows, target width]`. Each row starts with `<s>` and lacks the final `</s>`.
    pub target_input: TokenMatrix,
    /// The token that the decoder should predict at each position, `[rows, target width]`. Each row ends with `</s>`,
    /// before the padding.
    pub target_output: TokenMatrix,
    /// The number of tokens of `target_output` that are not padding. The mean loss is the sum of losses divided by this
    /// number.
    pub target_tokens: usize,
}

impl Batch {
    /// Makes a batch of `examples`. Each example becomes a row, in the order of the examples. `bos` is the id of `<s>`,
    /// or of another token that the decoder reads first.
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

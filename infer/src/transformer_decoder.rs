//! The [`StepDecoder`] of the Transformer.

use std::iter::zip;

use attend_device::{is_processor, values};
use attend_model::{DecoderState, Ensemble, Memory, NextTokens, OutputShortlist};
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::search::{Logits, Shortlist, StepDecoder, StepLogits};

/// The decoder of a batch of encoded sentences, whose rows are the hypotheses of a search.
pub(crate) struct TransformerDecoder<'a> {
    model: &'a Ensemble,
    states: Vec<DecoderState>,
    vocab_size: usize,
    choice: Choice,
    /// Whether steps return the attention of their rows.
    attends: bool,
    device: Device,
}

/// The tokens whose logits steps return.
enum Choice {
    All,
    /// The most probable ones of all.
    Best(Box<DeviceShortlist>),
    /// Those that may translate the sentence of a row. No other logits are computed.
    Lexical(LexicalChoice),
}

/// The tokens that may translate each sentence of a batch.
struct LexicalChoice {
    sentences: Vec<SentenceChoice>,
    /// The index of each row's sentence.
    sentence_of_row: Vec<usize>,
}

/// The tokens that may translate a sentence.
struct SentenceChoice {
    /// In the order of their ids.
    tokens: Vec<u32>,
    /// The output layer of each network for these tokens.
    outputs: Vec<OutputShortlist>,
}

impl LexicalChoice {
    /// Returns the sentences of the rows and the numbers of their rows. Rows of a sentence that do not follow one
    /// another are several parts.
    fn parts(&self) -> Vec<(usize, &SentenceChoice)> {
        let parts = self.sentence_of_row.chunk_by(|one, next| one == next);
        parts.map(|rows| (rows.len(), &self.sentences[rows[0]])).collect()
    }
}

/// The maximum number of tokens in a shortlist that a device makes. GPUs sort in a small memory, which a list of
/// several hundred tokens exceeds; 100 tokens fit. For a longer list, the logits of all tokens are copied.
const MOST_TOKENS: usize = 100;

/// A [`Shortlist`] that the device makes, so that only the tokens of the list are copied from the device.
struct DeviceShortlist {
    best: usize,
    eos: u32,
    /// The mask that is added to logits, `[1, vocab_size]`. It is -inf for the tokens that are never among the best,
    /// and 0 for all others.
    mask: Tensor<2>,
}

impl DeviceShortlist {
    /// Returns `None` if all logits are copied instead: on the processor, which has them in its memory; for a list of
    /// more than [`MOST_TOKENS`]; and for a list that needs more tokens than the vocabulary has.
    fn new(shortlist: &Shortlist, vocab_size: usize, device: &Device) -> Option<Self> {
        let fits = shortlist.best + shortlist.without.len() <= vocab_size;
        if !fits || shortlist.best > MOST_TOKENS || is_processor(device) {
            return None;
        }
        let mut mask = vec![0.0; vocab_size];
        for &token in &shortlist.without {
            mask[token as usize] = f32::NEG_INFINITY;
        }
        Some(Self {
            best: shortlist.best,
            eos: shortlist.eos,
            mask: Tensor::from_data(TensorData::new(mask, [1, vocab_size]), device),
        })
    }

    /// Returns the list of each row of `logits` `[rows, vocab_size]` as one tensor `[rows, 2 (best + 1)]`: the logits
    /// of the best tokens and of `</s>`, then the ids of these tokens.
    fn of(&self, logits: Tensor<2>) -> Tensor<2> {
        let eos = self.eos as usize;
        let eos_logit = logits.clone().slice_dim(1, eos..eos + 1);
        // Ids below 2^24 are exact in 32-bit floats.
        let eos_token = Tensor::full_like(&eos_logit, self.eos);
        let (best, tokens) = (logits + self.mask.clone()).topk_with_indices(self.best, 1);
        Tensor::cat(vec![best, eos_logit, tokens.float(), eos_token], 1)
    }

    /// Returns the tokens of each list with their logits, in the order of their ids. `lists` has the values of the
    /// tensor that [`of`](Self::of) returns.
    fn candidates(&self, lists: &[f32]) -> Vec<Vec<(u32, f32)>> {
        let rows = lists.chunks_exact(2 * (self.best + 1));
        let of_row = rows.map(|row| {
            let (logits, tokens) = row.split_at(self.best + 1);
            let tokens = tokens.iter().map(|&token| token as u32);
            let mut candidates: Vec<(u32, f32)> = tokens.zip(logits.iter().copied()).collect();
            candidates.sort_unstable_by_key(|(token, _)| *token);
            candidates
        });
        of_row.collect()
    }
}

impl<'a> TransformerDecoder<'a> {
    /// Starts to decode a batch of sentences. Each of `memories` is the output of one network's encoder, with a row
    /// for each sentence. Steps return the attention of their rows if `attends` is set. With a `shortlist`, a device
    /// other than the processor copies only the tokens of the list.
    pub(crate) fn new(
        model: &'a Ensemble,
        memories: Vec<Memory>,
        vocab_size: usize,
        shortlist: Option<&Shortlist>,
        attends: bool,
    ) -> Self {
        let device = model.device();
        let shortlist = shortlist.and_then(|shortlist| DeviceShortlist::new(shortlist, vocab_size, &device));
        Self {
            states: model.start(memories),
            choice: shortlist.map_or(Choice::All, |shortlist| Choice::Best(shortlist.into())),
            device,
            model,
            vocab_size,
            attends,
        }
    }

    /// Chooses among some tokens alone: those of `tokens` for each sentence, in the order of their ids.
    pub(crate) fn among(mut self, tokens: Vec<Vec<u32>>) -> Self {
        let sentence_of_row = (0..tokens.len()).collect();
        let of_sentence = |tokens: Vec<u32>| SentenceChoice {
            outputs: self.model.shortlist(ids(&tokens, &self.device)),
            tokens,
        };
        self.choice = Choice::Lexical(LexicalChoice {
            sentences: tokens.into_iter().map(of_sentence).collect(),
            sentence_of_row,
        });
        self
    }

    /// Extends each row by its token, and chooses among the tokens of `choice`.
    fn step_among(&self, choice: &LexicalChoice, tokens: &[u32], states: &mut [DecoderState]) -> StepLogits {
        let tokens = ids(tokens, &self.device);
        let parts = choice.parts();
        let shortlists: Vec<(usize, &[OutputShortlist])> = parts
            .iter()
            .map(|(rows, sentence)| (*rows, sentence.outputs.as_slice()))
            .collect();
        let (next, attention) = if self.attends {
            let (next, attention) = self.model.step_among_aligned(&shortlists, tokens, states);
            (next, values(attention))
        } else {
            (self.model.step_among(&shortlists, tokens, states), Vec::new())
        };
        let (mut rows, mut totals) = (Vec::new(), Vec::new());
        for (NextTokens { logits, log_sum_exp }, (_, sentence)) in next.into_iter().zip(&parts) {
            let logits = values(logits);
            let of_rows = logits.chunks_exact(sentence.tokens.len());
            rows.extend(
                of_rows.map(|row| zip(sentence.tokens.iter().copied(), row.iter().copied()).collect()),
            );
            totals.extend(values(log_sum_exp));
        }
        StepLogits {
            logits: Logits::Some(rows),
            totals,
            attention,
        }
    }
}

impl StepDecoder for TransformerDecoder<'_> {
    fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    fn step(&mut self, tokens: &[u32]) -> StepLogits {
        if let Choice::Lexical(choice) = &self.choice {
            let mut states = std::mem::take(&mut self.states);
            let logits = self.step_among(choice, tokens, &mut states);
            self.states = states;
            return logits;
        }
        let tokens = ids(tokens, &self.device);
        let (NextTokens { logits, log_sum_exp }, attention) = if self.attends {
            let (next, attention) = self.model.step_aligned(tokens, &mut self.states);
            (next, Some(attention))
        } else {
            (self.model.step(tokens, &mut self.states), None)
        };
        let logits = match &self.choice {
            Choice::Best(shortlist) => shortlist.of(logits),
            _ => logits,
        };
        let parts = [Some(logits), Some(log_sum_exp.unsqueeze_dim(1)), attention];
        let [logits, totals, attention] = read_together(parts, &self.device);
        let logits = match &self.choice {
            Choice::Best(shortlist) => Logits::Some(shortlist.candidates(&logits)),
            _ => Logits::All(logits),
        };
        StepLogits {
            logits,
            totals,
            attention,
        }
    }

    fn select(&mut self, rows: &[usize]) {
        if let Choice::Lexical(choice) = &mut self.choice {
            choice.sentence_of_row = rows.iter().map(|row| choice.sentence_of_row[*row]).collect();
        }
        let rows: Vec<u32> = rows.iter().map(|&row| row as u32).collect();
        let rows = ids(&rows, &self.device);
        for state in &mut self.states {
            state.select(rows.clone());
        }
    }
}

/// Returns a tensor of ids or indices.
fn ids(ids: &[u32], device: &Device) -> Tensor<1, Int> {
    let ids: Vec<i32> = ids.iter().map(|&id| id as i32).collect();
    let shape = [ids.len()];
    Tensor::from_data(TensorData::new(ids, shape), device)
}

/// Returns the values of each tensor `[rows, width]`, row-major, and no values for `None`. All tensors have equally
/// many rows. The program waits only once for a device other than the processor, since the tensors are copied
/// together.
fn read_together<const N: usize>(tensors: [Option<Tensor<2>>; N], device: &Device) -> [Vec<f32>; N] {
    if is_processor(device) {
        return tensors.map(|tensor| tensor.map(values).unwrap_or_default());
    }
    let widths = tensors
        .each_ref()
        .map(|tensor| tensor.as_ref().map_or(0, |tensor| tensor.dims()[1]));
    let together = Tensor::cat(tensors.into_iter().flatten().collect(), 1);
    let [_, width] = together.dims();
    let values = values(together);
    let mut start = 0;
    widths.map(|of_tensor| {
        let columns = start..start + of_tensor;
        start += of_tensor;
        let rows = values.chunks_exact(width);
        rows.flat_map(|row| row[columns.clone()].iter().copied())
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_lists_the_best_tokens_and_the_end() {
        let device = Device::default();
        let shortlist = |best| Shortlist {
            best,
            without: vec![0, 2],
            eos: 2,
        };
        let list = DeviceShortlist {
            best: 2,
            eos: 2,
            mask: Tensor::from_floats([[f32::NEG_INFINITY, 0.0, f32::NEG_INFINITY, 0.0, 0.0]], &device),
        };
        let logits = [[9.0, 1.0, 0.5, 3.0, 2.0], [9.0, -1.0, 8.0, -3.0, -2.0]];
        let found = list.candidates(&values(list.of(Tensor::from_floats(logits, &device))));
        assert_eq!(found[0], [(2, 0.5), (3, 3.0), (4, 2.0)]);
        assert_eq!(found[1], [(1, -1.0), (2, 8.0), (4, -2.0)]);

        // On the processor all logits are in memory. Of three other tokens there are no four best.
        for best in [3, 4] {
            let list = DeviceShortlist::new(&shortlist(best), 5, &device);
            assert_eq!(list.is_some(), best == 3 && !is_processor(&device));
        }
    }
}

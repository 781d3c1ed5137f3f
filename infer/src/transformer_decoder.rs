//! The Transformer as a search sees it.

use attend_model::{DecoderState, Ensemble, Memory, NextTokens};
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::search::{Logits, Shortlist, StepDecoder, StepLogits};

/// A batch of encoded sentences being decoded.
pub(crate) struct TransformerDecoder<'a> {
    model: &'a Ensemble,
    states: Vec<DecoderState>,
    vocab_size: usize,
    /// What steps tell, in place of all logits.
    shortlist: Option<DeviceShortlist>,
    /// Whether steps tell their attention.
    attends: bool,
    device: Device,
}

/// A [`Shortlist`] that the device makes.
struct DeviceShortlist {
    best: usize,
    eos: usize,
    /// `[1, vocab_size]`: -inf for the tokens that are not among the best, 0 for the others.
    mask: Tensor<2>,
}

impl DeviceShortlist {
    fn new(shortlist: &Shortlist, vocab_size: usize, device: &Device) -> Self {
        let mut mask = vec![0.0; vocab_size];
        for &token in &shortlist.without {
            mask[token as usize] = f32::NEG_INFINITY;
        }
        Self {
            best: shortlist.best.min(vocab_size),
            eos: shortlist.eos as usize,
            mask: Tensor::from_data(TensorData::new(mask, [1, vocab_size]), device),
        }
    }

    /// The tokens with their logits and the totals, read in one go.
    fn read(&self, next: NextTokens) -> (Vec<(u32, f32)>, Vec<f32>) {
        let NextTokens { logits, log_totals } = next;
        let eos = logits.clone().slice_dim(1, self.eos..self.eos + 1);
        let (best, tokens) = (logits + self.mask.clone()).topk_with_indices(self.best, 1);
        // Ids below 2^24 are exact in 32-bit floats.
        let columns = vec![best, eos, tokens.float(), log_totals.unsqueeze_dim(1)];
        let numbers = numbers(Tensor::cat(columns, 1));
        let rows = numbers.chunks_exact(2 * self.best + 2);
        let candidates = rows.clone().flat_map(|row| {
            let (logits, tokens) = row.split_at(self.best + 1);
            let tokens = tokens.iter().map(|&token| token as u32);
            let tokens = tokens.take(self.best).chain([self.eos as u32]);
            tokens.zip(logits.iter().copied())
        });
        let totals = rows.clone().map(|row| row[2 * self.best + 1]);
        (candidates.collect(), totals.collect())
    }
}

impl<'a> TransformerDecoder<'a> {
    /// Starts decoding the sentences that `memories` encode, a row each. Steps tell their attention if asked to. Where
    /// a search needs no more than the `shortlist`, a device that has its memory to itself sends only that.
    pub(crate) fn new(
        model: &'a Ensemble,
        memories: Vec<Memory>,
        vocab_size: usize,
        shortlist: Option<&Shortlist>,
        attends: bool,
    ) -> Self {
        let device = model.device();
        let shortlist = shortlist.filter(|_| !shares_memory(&device));
        Self {
            states: model.start(memories),
            shortlist: shortlist.map(|shortlist| DeviceShortlist::new(shortlist, vocab_size, &device)),
            device,
            model,
            vocab_size,
            attends,
        }
    }
}

impl StepDecoder for TransformerDecoder<'_> {
    fn vocab_size(&self) -> usize {
        self.vocab_size
    }

    fn step(&mut self, tokens: &[u32]) -> StepLogits {
        let ids: Vec<i32> = tokens.iter().map(|&token| token as i32).collect();
        let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [tokens.len()]), &self.device);
        let (next, attention) = match self.attends {
            false => (self.model.step(ids, &mut self.states), Vec::new()),
            true => {
                let (next, attention) = self.model.step_aligned(ids, &mut self.states);
                (next, numbers(attention))
            }
        };
        let (logits, totals) = match &self.shortlist {
            None => (Logits::All(numbers(next.logits)), numbers(next.log_totals)),
            Some(shortlist) => {
                let (candidates, totals) = shortlist.read(next);
                (Logits::Shortlist(candidates), totals)
            }
        };
        StepLogits {
            logits,
            totals,
            attention,
        }
    }

    fn select(&mut self, rows: &[usize]) {
        let rows: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
        let shape = [rows.len()];
        let rows = Tensor::<1, Int>::from_data(TensorData::new(rows, shape), &self.device);
        for state in &mut self.states {
            state.select(rows.clone());
        }
    }
}

/// Whether the device's tensors are in this program's memory already, and all logits as near as a few.
#[cfg(feature = "flex")]
fn shares_memory(device: &Device) -> bool {
    *device == Device::flex()
}

#[cfg(not(feature = "flex"))]
fn shares_memory(_: &Device) -> bool {
    false
}

/// The values of a tensor, row after row.
pub(crate) fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let numbers = tensor.try_into_vec_as();
    numbers.expect("a device that computed them can be read")
}

//! The Transformer as the decoder of a search.

use attend_device::{is_processor, values};
use attend_model::{DecoderState, Ensemble, Memory, NextTokens};
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::search::{Logits, Shortlist, StepDecoder, StepLogits};

/// A batch of encoded sentences being decoded.
pub(crate) struct TransformerDecoder<'a> {
    model: &'a Ensemble,
    states: Vec<DecoderState>,
    vocab_size: usize,
    /// The tokens that steps return; `None` if they return all logits.
    shortlist: Option<DeviceShortlist>,
    /// Whether steps return their attention.
    attends: bool,
    device: Device,
}

/// The most tokens of a shortlist that a device makes: for more than some hundreds, GPUs run out of the memory in which
/// they sort.
const MOST_TOKENS: usize = 100;

/// A [`Shortlist`] that the device makes, so that only its tokens are copied from there.
struct DeviceShortlist {
    best: usize,
    eos: u32,
    /// The mask that is added to logits, `[1, vocab_size]`: -inf for the tokens that are never among the best, else 0.
    mask: Tensor<2>,
}

impl DeviceShortlist {
    /// Returns `None` if all logits are less work, or if the vocabulary has fewer tokens than the list.
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

    /// Returns the list of each row of `logits` `[rows, vocab_size]`: its logits and then its token ids,
    /// `[rows, 2 (best + 1)]`.
    fn of(&self, logits: Tensor<2>) -> Tensor<2> {
        let eos = self.eos as usize;
        let eos_logit = logits.clone().slice_dim(1, eos..eos + 1);
        // Ids below 2^24 are exact in 32-bit floats.
        let eos_token = Tensor::full_like(&eos_logit, self.eos);
        let (best, tokens) = (logits + self.mask.clone()).topk_with_indices(self.best, 1);
        Tensor::cat(vec![best, eos_logit, tokens.float(), eos_token], 1)
    }

    /// Returns the tokens of [lists](Self::of) with their logits, row after row.
    fn candidates(&self, lists: &[f32]) -> Vec<(u32, f32)> {
        let rows = lists.chunks_exact(2 * (self.best + 1));
        let of_row = rows.flat_map(|row| {
            let (logits, tokens) = row.split_at(self.best + 1);
            let tokens = tokens.iter().map(|&token| token as u32);
            tokens.zip(logits.iter().copied())
        });
        of_row.collect()
    }
}

impl<'a> TransformerDecoder<'a> {
    /// Starts to decode the sentences that are the rows of `memories`. Steps return their attention if `attends` is set.
    /// If the search needs no more than a `shortlist`, a device other than the processor copies only its tokens.
    pub(crate) fn new(
        model: &'a Ensemble,
        memories: Vec<Memory>,
        vocab_size: usize,
        shortlist: Option<&Shortlist>,
        attends: bool,
    ) -> Self {
        let device = model.device();
        Self {
            states: model.start(memories),
            shortlist: shortlist.and_then(|shortlist| DeviceShortlist::new(shortlist, vocab_size, &device)),
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
        let (NextTokens { logits, log_sum_exp }, attention) = if self.attends {
            let (next, attention) = self.model.step_aligned(ids, &mut self.states);
            (next, Some(attention))
        } else {
            (self.model.step(ids, &mut self.states), None)
        };
        let logits = match &self.shortlist {
            None => logits,
            Some(shortlist) => shortlist.of(logits),
        };
        let parts = [Some(logits), Some(log_sum_exp.unsqueeze_dim(1)), attention];
        let [logits, totals, attention] = read_together(parts, &self.device);
        let logits = match &self.shortlist {
            None => Logits::All(logits),
            Some(shortlist) => Logits::Shortlist(shortlist.candidates(&logits)),
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

/// Returns the values of tensors `[rows, width]` that have the same rows, each row-major; nothing for `None`. A device
/// other than the processor is waited for once.
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
        assert_eq!(found[..3], [(3, 3.0), (4, 2.0), (2, 0.5)]);
        assert_eq!(found[3..], [(1, -1.0), (4, -2.0), (2, 8.0)]);

        // On the processor all logits are in memory. Of three other tokens there are no four best.
        for best in [3, 4] {
            let list = DeviceShortlist::new(&shortlist(best), 5, &device);
            assert_eq!(list.is_some(), best == 3 && !is_processor(&device));
        }
    }
}

//! The Transformer as a search sees it.

use attend_model::{DecoderState, Ensemble, Memory};
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::search::{StepDecoder, StepLogits};

/// A batch of encoded sentences being decoded.
pub(crate) struct TransformerDecoder<'a> {
    model: &'a Ensemble,
    states: Vec<DecoderState>,
    vocab_size: usize,
    /// Whether steps tell their attention.
    attends: bool,
    device: Device,
}

impl<'a> TransformerDecoder<'a> {
    /// Starts decoding the sentences that `memories` encode, a row each. Steps tell their attention if asked to.
    pub(crate) fn new(model: &'a Ensemble, memories: Vec<Memory>, vocab_size: usize, attends: bool) -> Self {
        Self {
            device: model.device(),
            states: model.start(memories),
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
        StepLogits {
            logits: numbers(next.logits),
            totals: numbers(next.log_totals),
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

/// The values of a tensor, row after row.
pub(crate) fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let numbers = tensor.try_into_vec_as();
    numbers.expect("a device that computed them can be read")
}

//! The Transformer as a search sees it.

use attend_model::{DecoderState, InferenceTransformer, Memory};
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::search::{StepDecoder, StepLogits};

/// A batch of encoded sentences being decoded.
pub(crate) struct TransformerDecoder<'a> {
    model: &'a InferenceTransformer,
    state: DecoderState,
    vocab_size: usize,
    device: Device,
}

impl<'a> TransformerDecoder<'a> {
    /// Starts decoding the sentences that `memory` encodes, a row each.
    pub(crate) fn new(model: &'a InferenceTransformer, memory: Memory, vocab_size: usize) -> Self {
        Self {
            device: memory.states.device(),
            state: model.start(memory),
            model,
            vocab_size,
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
        let next = self.model.step(ids, &mut self.state);
        StepLogits {
            logits: numbers(next.logits),
            totals: numbers(next.log_totals),
        }
    }

    fn select(&mut self, rows: &[usize]) {
        let rows: Vec<i32> = rows.iter().map(|&row| row as i32).collect();
        let shape = [rows.len()];
        self.state
            .select(Tensor::from_data(TensorData::new(rows, shape), &self.device));
    }
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    let numbers = tensor.try_into_vec_as();
    numbers.expect("a device that computed them can be read")
}

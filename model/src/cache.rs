//! What decoding one step at a time remembers.

use burn::tensor::{Bool, Int, Tensor};

use crate::attention::KeyValue;

/// One decoder layer's keys and values.
#[derive(Clone, Debug)]
pub struct LayerCache {
    /// Of the target so far; `None` before the first step.
    pub(crate) target: Option<KeyValue>,
    /// Of the encoder's output, projected once.
    pub(crate) memory: KeyValue,
}

impl LayerCache {
    /// A cache before the first step, over the projected encoder output.
    pub fn new(memory: KeyValue) -> Self {
        Self { target: None, memory }
    }
}

/// A batch of partly decoded targets: everything that [`Transformer::decode`](crate::Transformer::decode) needs
/// besides the next tokens. A row is a sentence, or one of its hypotheses.
#[derive(Clone, Debug)]
pub struct DecoderState {
    pub(crate) layers: Vec<LayerCache>,
    /// `[rows, 1, 1, source_seq]`, `true` at source padding
    pub(crate) memory_hidden: Tensor<4, Bool>,
    /// Number of target tokens decoded.
    pub(crate) length: usize,
}

impl DecoderState {
    /// Number of target tokens decoded so far.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Keeps the given rows in the given order. A row may be named several times, as when a beam splits, or not
    /// at all, as when its sentence is finished.
    ///
    /// # Shapes
    ///
    /// - rows: `[new_rows]`, indices into the present rows
    pub fn select(&mut self, rows: Tensor<1, Int>) {
        let select = |sequence: &KeyValue| KeyValue {
            key: sequence.key.clone().select(0, rows.clone()),
            value: sequence.value.clone().select(0, rows.clone()),
        };
        for layer in &mut self.layers {
            layer.target = layer.target.as_ref().map(select);
            layer.memory = select(&layer.memory);
        }
        self.memory_hidden = self.memory_hidden.clone().select(0, rows.clone());
    }
}

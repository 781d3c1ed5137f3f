//! The state of decoding one position at a time: keys and values in slots, and the slots that each row attends to; or
//! the states of recurrent layers.

use attend_ops::{Window, padding_multiple};
use burn::tensor::{Bool, Int, Tensor};

use crate::key_value::{KeyValue, KeyValueTable};

/// The number of positions per row that fit into a new table before it grows.
const INITIAL_POSITIONS: usize = 16;

/// What one decoder layer keeps of the positions before.
#[derive(Clone, Debug)]
pub(crate) struct LayerCache {
    /// What it keeps of the target positions decoded so far.
    pub(crate) target: TargetCache,
    /// Keys and values of the encoder's output. They are computed once, before the first step.
    pub(crate) memory: KeyValueTable,
}

/// What one decoder layer keeps of the target positions decoded so far.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one for each layer")]
pub(crate) enum TargetCache {
    /// Their keys and values, if the layer attends to them.
    Attention(KeyValueTable),
    /// The state of each row after them, `[rows, 1, d_model]`, if the layer is recurrent.
    Recurrence(Tensor<3>),
}

impl LayerCache {
    /// Returns the cache of a layer with self-attention before the first step. `memory` holds the keys and values of
    /// the encoder's output.
    pub(crate) fn of_attention(memory: KeyValue) -> Self {
        let [sentences, _, d_model] = memory.key.dims();
        let room = [sentences * INITIAL_POSITIONS, d_model];
        let room = || Tensor::zeros(room, &memory.key.device());
        Self {
            target: TargetCache::Attention(KeyValueTable {
                key: room(),
                value: room(),
            }),
            memory: KeyValueTable::new(memory),
        }
    }

    /// Returns the cache of a recurrent layer before the first step. `memory` holds the keys and values of the
    /// encoder's output.
    pub(crate) fn of_recurrence(memory: KeyValue) -> Self {
        let [sentences, _, d_model] = memory.key.dims();
        let state = Tensor::zeros([sentences, 1, d_model], &memory.key.device());
        Self {
            target: TargetCache::Recurrence(state),
            memory: KeyValueTable::new(memory),
        }
    }
}

/// The slots that one decoding step writes and reads. They are the same in every layer.
pub(crate) struct CacheSlots {
    /// The slots of target positions; `None` if no layer attends to the target.
    pub(crate) target: Option<TargetSlots>,
    /// The slots of each row's encoder output, `[rows, source_seq]`. They are -1 at source padding.
    pub(crate) memory: Tensor<2, Int>,
}

/// The slots of target positions that one decoding step writes and reads.
pub(crate) struct TargetSlots {
    /// The first slot that the step writes to. Row `i` writes its next target position to slot `first_new + i`.
    pub(crate) first_new: usize,
    /// The slots of those target positions of each row that the next one sees, itself included, `[rows, width]`. The
    /// columns after the last position are -1.
    pub(crate) of_rows: Tensor<2, Int>,
}

/// A batch of partly decoded targets: everything that a [step](crate::InferenceTransformer::step) needs besides the
/// next tokens. A row is a sentence, or one of its hypotheses.
///
/// In a layer with attention, a key or value stays in the slot to which it was written, and each row has a list of its
/// slots. To drop, duplicate or reorder rows, only these lists are changed. Hypotheses of a sentence therefore share
/// the slots of its encoder output and of their common prefix.
///
/// For example, two sentences have the slots `[[0, 2], [1, 3]]` after two steps. If the second row is dropped and the
/// first duplicated, the slots become `[[0, 2], [0, 2]]`. The next step writes to the slots 4 and 5:
/// `[[0, 2, 4], [0, 2, 5]]`.
///
/// If the decoder's window is restricted to the last `r` positions, a row has the slots of at most `r + 1` positions.
/// Once the slots in use are at least twice the rows times the positions in sight, those in sight are moved to the
/// start of the tables, which therefore do not grow with the length of the target. A slot that rows share is copied for
/// each.
///
/// A recurrent layer has no slots, but a state of each row, which is dropped, duplicated or moved with the row.
#[derive(Clone, Debug)]
pub struct DecoderState {
    pub(crate) layers: Vec<LayerCache>,
    /// The slots of each row's target positions that are still in sight, `[rows, width]`, with `width >= in_sight`. The
    /// columns from `in_sight` on are -1. `None` before the first step.
    target_slots: Option<Tensor<2, Int>>,
    /// The number of target positions in each row of `target_slots`.
    in_sight: usize,
    /// The window of the decoder's self-attention; `None` if no layer attends to the target.
    window: Option<Window>,
    /// The number of target tokens decoded in each row.
    length: usize,
    /// The slots of each row's encoder output, `[rows, source_seq]`. They are -1 at source padding.
    memory_slots: Tensor<2, Int>,
    /// The number of slots in use in each layer's target table.
    written: usize,
}

impl DecoderState {
    /// Returns the state before the first step, with one row per sentence. `hidden`, `[sentences, 1, 1, source_seq]`,
    /// is `true` at source padding. `window` is that of the decoder's self-attention, if it has one.
    pub(crate) fn new(layers: Vec<LayerCache>, hidden: Tensor<4, Bool>, window: Option<Window>) -> Self {
        let device = hidden.device();
        let [sentences, _, _, source_seq] = hidden.dims();
        let hidden = hidden.reshape([sentences, source_seq]);
        let slots = Tensor::arange(0..(sentences * source_seq) as i64, &device);
        Self {
            layers,
            target_slots: None,
            in_sight: 0,
            window,
            length: 0,
            memory_slots: slots.reshape([sentences, source_seq]).mask_fill(hidden, -1),
            written: 0,
        }
    }

    /// Returns the number of target tokens decoded in each row.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Begins the next position of each row, and returns the slots that this step writes and reads.
    pub(crate) fn advance(&mut self) -> CacheSlots {
        self.length += 1;
        CacheSlots {
            target: self.window.map(|window| self.next_slots(window)),
            memory: self.memory_slots.clone(),
        }
    }

    /// Reserves a slot for the next target position of each row.
    fn next_slots(&mut self, window: Window) -> TargetSlots {
        self.forget(window);
        let [rows, _] = self.memory_slots.dims();
        let device = self.memory_slots.device();
        let first = self.written;
        let next = Tensor::arange(first as i64..(first + rows) as i64, &device).reshape([rows, 1]);
        let column = self.in_sight;
        let slots = match self.target_slots.take() {
            Some(slots) if column < slots.dims()[1] => slots,
            full => {
                // The width grows by the multiple to which the device pads rows.
                let room = Tensor::full([rows, padding_multiple(&device)], -1, &device);
                Tensor::cat(full.into_iter().chain([room]).collect(), 1)
            }
        };
        let slots = slots.slice_assign([0..rows, column..column + 1], next);
        self.in_sight += 1;
        self.target_slots = Some(slots.clone());
        self.written += rows;
        TargetSlots {
            first_new: first,
            of_rows: slots,
        }
    }

    /// Forgets the position that the next one does not see, if there is one. If the slots in use are then at least
    /// twice the rows times the positions in sight, those in sight are moved to the start of the tables.
    fn forget(&mut self, window: Window) {
        if self.in_sight <= window.before {
            return;
        }
        let Some(slots) = self.target_slots.take() else {
            return;
        };
        let ([rows, width], device) = (slots.dims(), slots.device());
        self.in_sight -= 1;
        let (in_sight, kept) = (self.in_sight, rows * self.in_sight);
        let seen = slots.select(1, Tensor::arange(1..in_sight as i64 + 1, &device));
        let slots = if self.written < 2 * kept {
            seen
        } else {
            let old = seen.reshape([kept]);
            for layer in &mut self.layers {
                if let TargetCache::Attention(table) = &mut layer.target {
                    table.keep(&old);
                }
            }
            self.written = kept;
            Tensor::arange(0..kept as i64, &device).reshape([rows, in_sight])
        };
        let no_slot = Tensor::full([rows, width - in_sight], -1, &device);
        let slots = Tensor::cat(vec![slots, no_slot], 1);
        self.target_slots = Some(slots);
    }

    /// Keeps the given rows, in the given order. A row may occur several times, if several continuations of a
    /// hypothesis are kept, or not at all, if its sentence is finished.
    ///
    /// # Shapes
    ///
    /// - rows: `[new_rows]`, indices into the present rows
    pub fn select(&mut self, rows: Tensor<1, Int>) {
        let select = |slots: Tensor<2, Int>| slots.select(0, rows.clone());
        self.target_slots = self.target_slots.take().map(select);
        self.memory_slots.inplace(select);
        for layer in &mut self.layers {
            if let TargetCache::Recurrence(state) = &mut layer.target {
                state.inplace(|state| state.select(0, rows.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{LayerKind, Preset, TransformerConfig};
    use crate::decoder::Decoder;
    use crate::{Memory, ReturnedAttention};
    use burn::tensor::Device;

    #[test]
    fn tables_of_a_restricted_decoder_do_not_grow_with_the_target() {
        let device = Device::default();
        let config = TransformerConfig {
            d_model: 8,
            d_ff: 8,
            n_heads: 2,
            decoder_layers: 2,
            decoder_layer: LayerKind::Restricted,
            attention_window: Some(5),
            ..Preset::Tiny.config(11)
        };
        let memory = Memory {
            states: Tensor::ones([3, 2, 8], &device),
            hidden: Tensor::zeros([3, 1, 1, 2], &device),
        };
        let decoder = Decoder::new(&config, &device);
        let mut state = decoder.start(memory);
        for length in 1..=1_000 {
            decoder.step(
                Tensor::ones([3, 1, 8], &device),
                &mut state,
                ReturnedAttention::None,
            );
            // Rows change their places, as under a beam.
            state.select(Tensor::from_ints([2, 0, 0], &device));
            assert_eq!(state.length(), length);
            let slots = state.layers.iter().map(|layer| match &layer.target {
                TargetCache::Attention(table) => table.key.dims()[0],
                TargetCache::Recurrence(_) => panic!("a layer with self-attention"),
            });
            assert!(slots.max() <= Some(3 * INITIAL_POSITIONS), "at {length}");
            let seen = state.target_slots.clone().expect("a step").greater_equal_elem(0);
            let seen: usize = seen.int().sum().into_scalar::<i64>() as usize;
            assert_eq!(seen, 3 * length.min(6));
        }
    }
}

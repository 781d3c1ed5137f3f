//! The state of decoding one position at a time: keys and values in slots, and the slots that each row attends to.

use attend_ops::padding_multiple;
use burn::tensor::{Bool, Int, Tensor};

use crate::key_value::{KeyValue, KeyValueTable};

/// The number of positions per row that fit into a new table before it grows.
const INITIAL_POSITIONS: usize = 16;

/// The cached keys and values of one decoder layer.
#[derive(Clone, Debug)]
pub(crate) struct LayerCache {
    /// Keys and values of the target positions decoded so far.
    pub(crate) target: KeyValueTable,
    /// Keys and values of the encoder's output. They are computed once, before the first step.
    pub(crate) memory: KeyValueTable,
}

impl LayerCache {
    /// Returns the cache before the first step. `memory` holds the keys and values of the encoder's output.
    pub(crate) fn new(memory: KeyValue) -> Self {
        let [sentences, _, d_model] = memory.key.dims();
        let room = [sentences * INITIAL_POSITIONS, d_model];
        let room = || Tensor::zeros(room, &memory.key.device());
        Self {
            target: KeyValueTable {
                key: room(),
                value: room(),
            },
            memory: KeyValueTable::new(memory),
        }
    }
}

/// The slots that one decoding step writes and reads. They are the same in every layer.
pub(crate) struct CacheSlots {
    /// The first slot that the step writes to. Row `i` writes its next target position to slot `first_new_slot + i`.
    pub(crate) first_new_slot: usize,
    /// The slots of each row's target positions, including the next one, `[rows, width]`. The columns after the last
    /// position are -1.
    pub(crate) target: Tensor<2, Int>,
    /// The slots of each row's encoder output, `[rows, source_seq]`. They are -1 at source padding.
    pub(crate) memory: Tensor<2, Int>,
}

/// A batch of partly decoded targets: everything that a [step](crate::InferenceTransformer::step) needs besides the
/// next tokens. A row is a sentence, or one of its hypotheses.
///
/// A key or value stays in the slot to which it was written, and each row has a list of its slots. To drop, duplicate
/// or reorder rows, only these lists are changed. Hypotheses of a sentence therefore share the slots of its encoder
/// output and of their common prefix.
///
/// For example, two sentences have the slots `[[0, 2], [1, 3]]` after two steps. If the second row is dropped and the
/// first duplicated, the slots become `[[0, 2], [0, 2]]`. The next step writes to the slots 4 and 5:
/// `[[0, 2, 4], [0, 2, 5]]`.
#[derive(Clone, Debug)]
pub struct DecoderState {
    pub(crate) layers: Vec<LayerCache>,
    /// The slots of each row's target positions, `[rows, width]`, with `width >= length`. The columns from `length` on
    /// are -1. `None` before the first step.
    target_slots: Option<Tensor<2, Int>>,
    /// The number of target tokens decoded in each row.
    length: usize,
    /// The slots of each row's encoder output, `[rows, source_seq]`. They are -1 at source padding.
    memory_slots: Tensor<2, Int>,
    /// The number of slots written so far in each layer's target table.
    written: usize,
}

impl DecoderState {
    /// Returns the state before the first step, with one row per sentence. `hidden`, `[sentences, 1, 1, source_seq]`,
    /// is `true` at source padding.
    pub(crate) fn new(layers: Vec<LayerCache>, hidden: Tensor<4, Bool>) -> Self {
        let device = hidden.device();
        let [sentences, _, _, source_seq] = hidden.dims();
        let hidden = hidden.reshape([sentences, source_seq]);
        let slots = Tensor::arange(0..(sentences * source_seq) as i64, &device);
        Self {
            layers,
            target_slots: None,
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

    /// Reserves a slot for the next position of each row, and returns the slots that this step writes and reads.
    pub(crate) fn advance(&mut self) -> CacheSlots {
        let [rows, _] = self.memory_slots.dims();
        let device = self.memory_slots.device();
        let first = self.written;
        let next = Tensor::arange(first as i64..(first + rows) as i64, &device).reshape([rows, 1]);
        let length = self.length;
        let slots = match self.target_slots.take() {
            Some(slots) if length < slots.dims()[1] => slots,
            full => {
                // The width grows by the multiple to which the device pads rows.
                let room = Tensor::full([rows, padding_multiple(&device)], -1, &device);
                Tensor::cat(full.into_iter().chain([room]).collect(), 1)
            }
        };
        let slots = slots.slice_assign([0..rows, length..length + 1], next);
        self.length += 1;
        self.target_slots = Some(slots.clone());
        self.written += rows;
        CacheSlots {
            first_new_slot: first,
            target: slots,
            memory: self.memory_slots.clone(),
        }
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
    }
}

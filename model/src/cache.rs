//! What decoding one position at a time remembers: keys and values in slots, and which row sees which slots.

use attend_ops::padding_multiple;
use burn::tensor::{Bool, Int, Tensor};

use crate::key_value::{KeyValue, KeyValueTable};

/// The positions of each row that a table has room for before it grows.
const FIRST_POSITIONS: usize = 16;

/// One decoder layer's keys and values.
#[derive(Clone, Debug)]
pub(crate) struct LayerCache {
    /// Keys and values of the target's positions so far.
    pub(crate) target: KeyValueTable,
    /// Keys and values of the encoder's output, projected once.
    pub(crate) memory: KeyValueTable,
}

impl LayerCache {
    /// Returns a cache before the first step, over the projected encoder output.
    pub(crate) fn new(memory: KeyValue) -> Self {
        let [sentences, _, d_model] = memory.key.dims();
        let room = [sentences * FIRST_POSITIONS, d_model];
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

/// The slots that one step writes to and reads from, in the table of every layer.
pub(crate) struct CacheSlots {
    /// Where the step writes the next target position of the first row; the other rows' slots follow.
    pub(crate) next: usize,
    /// The slots of each row's target, the next position included: `[rows, length]`, or a little wider, with -1 behind.
    pub(crate) target: Tensor<2, Int>,
    /// The slots of each row's encoder output: `[rows, source_seq]`, -1 at source padding.
    pub(crate) memory: Tensor<2, Int>,
}

/// A batch of partly decoded targets: everything that a [step](crate::InferenceTransformer::step) needs besides the
/// next tokens. A row is a sentence, or one of its hypotheses.
///
/// Keys and values stay in the slots where they were written. A row is the list of its slots, so that rows are dropped,
/// doubled and reordered by doing so with these lists, and the hypotheses of a sentence share its encoder output and
/// their common beginning. Two sentences after two steps have the slots `[[0, 2], [1, 3]]`. When the second row is
/// dropped and the first doubled, these become `[[0, 2], [0, 2]]`, and the next step writes to the slots 4 and 5:
/// `[[0, 2, 4], [0, 2, 5]]`.
#[derive(Clone, Debug)]
pub struct DecoderState {
    pub(crate) layers: Vec<LayerCache>,
    /// `[rows, length]`, or a little wider, with -1 behind; `None` before the first step.
    target_slots: Option<Tensor<2, Int>>,
    /// Target tokens of each row.
    length: usize,
    /// The columns that `target_slots` gets when it is full.
    growth: usize,
    /// `[rows, source_seq]`, -1 at source padding.
    memory_slots: Tensor<2, Int>,
    /// The slots of each layer's target table that are written to.
    written: usize,
}

impl DecoderState {
    /// Returns the state before the first step, a row for each sentence. `hidden` is `true` at source padding,
    /// `[sentences, 1, 1, source_seq]`.
    pub(crate) fn new(layers: Vec<LayerCache>, hidden: Tensor<4, Bool>) -> Self {
        let device = hidden.device();
        let [sentences, _, _, source_seq] = hidden.dims();
        let hidden = hidden.reshape([sentences, source_seq]);
        let slots = Tensor::arange(0..(sentences * source_seq) as i64, &device);
        Self {
            layers,
            target_slots: None,
            length: 0,
            growth: padding_multiple(&device),
            memory_slots: slots.reshape([sentences, source_seq]).mask_fill(hidden, -1),
            written: 0,
        }
    }

    /// Returns how many target tokens of each row are decoded.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Gives each row a slot for one more position, and returns the slots of the step that takes it.
    pub(crate) fn advance(&mut self) -> CacheSlots {
        let [rows, _] = self.memory_slots.dims();
        let device = self.memory_slots.device();
        let first = self.written;
        let next = Tensor::arange(first as i64..(first + rows) as i64, &device).reshape([rows, 1]);
        let length = self.length;
        let slots = match self.target_slots.take() {
            Some(slots) if length < slots.dims()[1] => slots,
            full => {
                let room = Tensor::full([rows, self.growth], -1, &device);
                Tensor::cat(full.into_iter().chain([room]).collect(), 1)
            }
        };
        let slots = slots.slice_assign([0..rows, length..length + 1], next);
        self.length += 1;
        self.target_slots = Some(slots.clone());
        self.written += rows;
        CacheSlots {
            next: first,
            target: slots,
            memory: self.memory_slots.clone(),
        }
    }

    /// Keeps the given rows in the given order. A row may be named several times, as when a beam splits, or not at
    /// all, as when its sentence is finished.
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

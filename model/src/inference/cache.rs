//! What decoding one step at a time remembers.

use attend_ops::padding_multiple;
use burn::tensor::{Int, Tensor};

use crate::attention::KeyValue;

/// Room for so many positions of every row at first.
const FIRST_POSITIONS: usize = 16;

/// Keys and values of positions, a row of a table each: `[capacity, d_model]`.
#[derive(Clone, Debug)]
pub(crate) struct KeyValueTable {
    pub(crate) key: Tensor<2>,
    pub(crate) value: Tensor<2>,
}

impl KeyValueTable {
    /// The positions of all sequences, `[batch, seq, d_model]`, one after the other.
    pub(crate) fn of(sequences: KeyValue) -> Self {
        let flat = |x: Tensor<3>| {
            let [batch, seq, d_model] = x.dims();
            x.reshape([batch * seq, d_model])
        };
        Self {
            key: flat(sequences.key),
            value: flat(sequences.value),
        }
    }

    /// Writes the next position of each row, `[rows, 1, d_model]`, from `place` on. The table grows as it must; else
    /// nothing is moved.
    pub(crate) fn write(&mut self, place: usize, next: KeyValue) {
        let next = Self::of(next);
        let [rows, d_model] = next.key.dims();
        for (table, next) in [(&mut self.key, next.key), (&mut self.value, next.value)] {
            table.inplace(|table| {
                let [capacity, _] = table.dims();
                let table = match place + rows <= capacity {
                    true => table,
                    false => {
                        let room = [capacity.max(rows), d_model];
                        let room = Tensor::zeros(room, &table.device());
                        Tensor::cat(vec![table, room], 0)
                    }
                };
                table.slice_assign([place..place + rows, 0..d_model], next)
            });
        }
    }
}

/// One decoder layer's keys and values.
#[derive(Clone, Debug)]
pub(crate) struct LayerCache {
    /// Of the target's positions so far.
    pub(crate) target: KeyValueTable,
    /// Of the encoder's output, projected once.
    pub(crate) memory: KeyValueTable,
}

impl LayerCache {
    /// A cache before the first step, over the projected encoder output.
    pub(crate) fn new(memory: KeyValue) -> Self {
        let [sentences, _, d_model] = memory.key.dims();
        let room = [sentences * FIRST_POSITIONS, d_model];
        let room = || Tensor::zeros(room, &memory.key.device());
        Self {
            target: KeyValueTable {
                key: room(),
                value: room(),
            },
            memory: KeyValueTable::of(memory),
        }
    }
}

/// Where a step finds keys and values.
pub(crate) struct Places {
    /// Where it writes the first row's of the next target position; the other rows' follow.
    pub(crate) next: usize,
    /// Of the target, the next position included: `[rows, length]`, or a little longer, with -1 behind
    pub(crate) target: Tensor<2, Int>,
    /// Of the encoder's output: `[rows, source_seq]`, -1 at source padding
    pub(crate) memory: Tensor<2, Int>,
}

/// A batch of partly decoded targets: everything that a [step](crate::InferenceTransformer::step) needs besides the
/// next tokens. A row is a sentence, or one of its hypotheses.
///
/// Keys and values stay where they were written. Rows know the places of theirs, so that to drop, double or reorder
/// rows is to do so with their places, and the hypotheses of a sentence share its encoder output and their common
/// beginning.
#[derive(Clone, Debug)]
pub struct DecoderState {
    pub(crate) layers: Vec<LayerCache>,
    /// `[rows, length]`, or a little longer, with -1 behind; `None` before the first step
    target_places: Option<Tensor<2, Int>>,
    length: usize,
    /// What the places are made longer by.
    growth: usize,
    /// `[rows, source_seq]`, -1 at source padding
    memory_places: Tensor<2, Int>,
    /// Positions written to each layer's table.
    written: usize,
}

impl DecoderState {
    pub(crate) fn new(layers: Vec<LayerCache>, memory_places: Tensor<2, Int>) -> Self {
        Self {
            layers,
            target_places: None,
            length: 0,
            growth: padding_multiple(&memory_places.device()),
            memory_places,
            written: 0,
        }
    }

    /// Number of target tokens decoded so far.
    #[must_use]
    pub fn length(&self) -> usize {
        self.length
    }

    /// Makes place for one more position of every row.
    pub(crate) fn advance(&mut self) -> Places {
        let [rows, _] = self.memory_places.dims();
        let place = self.written;
        let end = (place + rows) as i64;
        let next = Tensor::arange(place as i64..end, &self.memory_places.device()).reshape([rows, 1]);
        let length = self.length;
        let places = match self.target_places.take() {
            Some(places) if length < places.dims()[1] => places,
            full => {
                let room = Tensor::full([rows, self.growth], -1, &self.memory_places.device());
                Tensor::cat(full.into_iter().chain([room]).collect(), 1)
            }
        };
        let places = places.slice_assign([0..rows, length..length + 1], next);
        self.length += 1;
        self.target_places = Some(places.clone());
        self.written += rows;
        Places {
            next: place,
            target: places,
            memory: self.memory_places.clone(),
        }
    }

    /// Keeps the given rows in the given order. A row may be named several times, as when a beam splits, or not
    /// at all, as when its sentence is finished.
    ///
    /// # Shapes
    ///
    /// - rows: `[new_rows]`, indices into the present rows
    pub fn select(&mut self, rows: Tensor<1, Int>) {
        let select = |places: Tensor<2, Int>| places.select(0, rows.clone());
        self.target_places = self.target_places.take().map(select);
        self.memory_places.inplace(select);
    }
}

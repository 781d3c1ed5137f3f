//! Keys and values (section 3.2) of whole sequences, and in tables with one row per cache slot.

use burn::tensor::{Int, Tensor};

/// The keys and values of a batch of sequences. The last dimension is the concatenation of the heads.
#[derive(Clone, Debug)]
pub struct KeyValue {
    /// `[batch, seq, d_model]`
    pub(crate) key: Tensor<3>,
    /// `[batch, seq, d_model]`
    pub(crate) value: Tensor<3>,
}

/// Keys and values in a table with one row per cache slot. A slot belongs to one position of one sequence.
#[derive(Clone, Debug)]
pub(crate) struct KeyValueTable {
    /// `[slots, d_model]`
    pub(crate) key: Tensor<2>,
    /// `[slots, d_model]`
    pub(crate) value: Tensor<2>,
}

impl KeyValueTable {
    /// Returns a table of the keys and values of sequences, `[batch, seq, d_model]`. Position `p` of sequence `b` is in
    /// slot `b · seq + p`.
    pub(crate) fn new(sequences: KeyValue) -> Self {
        let flatten = |x: Tensor<3>| {
            let [batch, seq, d_model] = x.dims();
            x.reshape([batch * seq, d_model])
        };
        Self {
            key: flatten(sequences.key),
            value: flatten(sequences.value),
        }
    }

    /// Writes the keys and values of the next position of each row, `[rows, 1, d_model]`, to consecutive slots from
    /// `first_slot` on. A full table is first copied to one of at least twice the size.
    pub(crate) fn write(&mut self, first_slot: usize, next: KeyValue) {
        let next = Self::new(next);
        let [rows, d_model] = next.key.dims();
        for (table, next) in [(&mut self.key, next.key), (&mut self.value, next.value)] {
            table.inplace(|table| {
                let [capacity, _] = table.dims();
                let table = if first_slot + rows <= capacity {
                    table
                } else {
                    let room = Tensor::zeros([capacity.max(rows), d_model], &table.device());
                    Tensor::cat(vec![table, room], 0)
                };
                table.slice_assign([first_slot..first_slot + rows, 0..d_model], next)
            });
        }
    }

    /// Keeps the keys and values in the given slots alone, and moves them to the first slots in the given order. As many
    /// free slots follow.
    ///
    /// # Shapes
    ///
    /// - slots: `[kept]`
    pub(crate) fn keep(&mut self, slots: &Tensor<1, Int>) {
        for table in [&mut self.key, &mut self.value] {
            table.inplace(|table| {
                let kept = table.select(0, slots.clone());
                let room = kept.zeros_like();
                Tensor::cat(vec![kept, room], 0)
            });
        }
    }
}

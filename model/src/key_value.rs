//! Keys and values (section 3.2) of whole sequences, and in the tables of a cache.

use burn::tensor::Tensor;

/// The keys and values of a batch of sequences, those of the heads side by side.
#[derive(Clone, Debug)]
pub struct KeyValue {
    /// `[batch, seq, d_model]`
    pub(crate) key: Tensor<3>,
    /// `[batch, seq, d_model]`
    pub(crate) value: Tensor<3>,
}

/// Keys and values in a table whose rows are the slots of a cache, one for each position of each sequence.
#[derive(Clone, Debug)]
pub(crate) struct KeyValueTable {
    /// `[slots, d_model]`
    pub(crate) key: Tensor<2>,
    /// `[slots, d_model]`
    pub(crate) value: Tensor<2>,
}

impl KeyValueTable {
    /// Returns the table of `[batch, seq, d_model]` whose slot `seq · row + position` belongs to that position of that
    /// row.
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

    /// Writes the next position of each row, `[rows, 1, d_model]`, to the slots from `first_slot` on. A full table is
    /// copied to one of twice the size; no other call moves what the table holds.
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
}

//! The kernel for dropout on flex.

use burn::backend::flex::{Flex, FlexTensor};

use super::draw::{Draw, Sequences};
use super::kernel::Dropout;
use crate::flex::tensor::{contiguous, floats, tensor};
use crate::flex::vectorized;

impl Dropout for Flex {
    fn dropout(x: FlexTensor, probability: f64, seed: u64) -> FlexTensor {
        let x = contiguous(x);
        let draw = Draw::new(probability, seed);
        let sequences = Sequences::of(x.layout().shape());
        let output = vectorized(
            #[inline(always)]
            || {
                let values = floats(&x);
                let mut output = Vec::with_capacity(values.len());
                let size = (sequences.seq * sequences.d).max(1);
                for (values, start) in values.chunks_exact(size).zip(sequences.starts()) {
                    let numbered = values.iter().zip(start..);
                    output.extend(numbered.map(|(&value, number)| value * draw.factor(number)));
                }
                output
            },
        );
        tensor(output, x.layout().shape().clone())
    }
}

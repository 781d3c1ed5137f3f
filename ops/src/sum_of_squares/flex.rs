//! The kernel for a sum of squares on flex.

use burn::backend::flex::{Flex, FlexTensor};
use pulp::{Simd, WithSimd};

use super::kernel::SumOfSquares;
use crate::flex::tensor::{contiguous, floats, tensor};
use crate::flex::vectorized;
use crate::flex::vectors::sum_of_squares;

/// The number of squares that are summed in 32-bit floats. The sums of such chunks are summed in 64-bit floats.
const CHUNK: usize = 4096;

impl SumOfSquares for Flex {
    fn sum_of_squares(vector: FlexTensor) -> FlexTensor {
        let vector = contiguous(vector);
        let sum = vectorized(Squares(floats(&vector)));
        tensor(vec![sum as f32], [1])
    }
}

/// The pass over a vector.
struct Squares<'a>(&'a [f32]);

impl WithSimd for Squares<'_> {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        let mut total = 0.0;
        for chunk in self.0.chunks(CHUNK) {
            total += f64::from(sum_of_squares(simd, chunk, 0.0));
        }
        total
    }
}

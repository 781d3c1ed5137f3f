//! Products with a weight that was packed once.
//!
//! In 8-bit integers, a weight's column `j` is `s_j` times integers of at most [`largest_weight`], a row `i` of input
//! `s_i` times integers of at most 127; their product is `s_i · s_j` times a sum of integers, which is exact, whatever
//! its order.

use std::fmt;

use pulp::bytemuck::cast_slice_mut;
use pulp::{Simd, WithSimd};
use rten_gemm::{
    GemmExecutor, GemmInT, GemmInputA, GemmInputB, GemmOptions, GemmOutT, PackedBMatrix, QuantParams,
};
use rten_tensor::{Matrix, NdTensorView};

use crate::kernel::vectorized;
use crate::kernel::vectors::max_magnitude;
use crate::linear::Activation;

/// What stands for zero in unsigned integers.
const ZERO: u8 = 128;

/// The largest magnitude of an integer.
const LARGEST: f32 = 127.0;

/// A weight in 32-bit floats.
pub(crate) struct Float32Weight {
    values: PackedBMatrix<f32>,
    d_input: usize,
}

impl Float32Weight {
    /// Packs a weight with a row for each output, `[d_output, d_input]`.
    pub(crate) fn new(weight: &[f32], d_input: usize) -> Self {
        Self {
            values: float32().prepack_b(matrix(weight, weight.len() / d_input).transposed()),
            d_input,
        }
    }

    /// `activation(x W + bias)` of rows of `d_input` values.
    pub(crate) fn linear(&self, x: &[f32], bias: &[f32], activation: Activation) -> Vec<f32> {
        let rows = x.len() / self.d_input;
        // Added to what is there. A bias that it is told of, the routine adds in vectors of the oldest processor.
        let options = GemmOptions {
            beta: 1.0,
            ..GemmOptions::default()
        };
        let mut output = bias.repeat(rows);
        product(&float32(), &mut output, matrix(x, rows), &self.values, options);
        if activation == Activation::Relu {
            vectorized(
                #[inline(always)]
                || output.iter_mut().for_each(|value| *value = value.max(0.0)),
            );
        }
        output
    }
}

/// A weight in 8-bit integers.
pub(crate) struct Int8Weight {
    integers: PackedBMatrix<i8>,
    d_input: usize,
    /// Of each output.
    scales: Vec<f32>,
}

impl Int8Weight {
    /// Rounds and packs a weight with a row for each output, `[d_output, d_input]`.
    pub(crate) fn new(weight: &[f32], d_input: usize) -> Self {
        let (integers, scales) = vectorized(Rows {
            values: weight,
            length: d_input,
            largest: largest_weight(),
        });
        let integers: Vec<i8> = integers
            .into_iter()
            .map(|integer| integer.wrapping_sub(ZERO) as i8)
            .collect();
        Self {
            integers: int8().prepack_b(matrix(&integers, scales.len()).transposed()),
            d_input,
            scales,
        }
    }

    /// `activation(x W + bias)` of rows of `d_input` values.
    pub(crate) fn linear(&self, x: &[f32], bias: &[f32], activation: Activation) -> Vec<f32> {
        let (rows, d_output) = (x.len() / self.d_input, bias.len());
        let (integers, row_scales) = vectorized(Rows {
            values: x,
            length: self.d_input,
            largest: LARGEST,
        });
        let zeros = vec![ZERO; rows];
        let options = GemmOptions {
            a_quant: Some(QuantParams { zero_point: &zeros }),
            ..GemmOptions::default()
        };
        let mut output = vec![0.0_f32; rows * d_output];
        // Each sum gives its place to the number that is made of it.
        let sums: &mut [i32] = cast_slice_mut(&mut output);
        product(&int8(), sums, matrix(&integers, rows), &self.integers, options);
        let lowest = match activation {
            Activation::Identity => f32::NEG_INFINITY,
            Activation::Relu => 0.0,
        };
        vectorized(
            #[inline(always)]
            || {
                for (row, row_scale) in output.chunks_exact_mut(d_output).zip(&row_scales) {
                    for ((value, scale), bias) in row.iter_mut().zip(&self.scales).zip(bias) {
                        let sum = value.to_bits() as i32;
                        *value = (sum as f32 * (row_scale * scale) + bias).max(lowest);
                    }
                }
            },
        );
        output
    }
}

/// The largest magnitude of a weight's integers on this processor. One without instructions for these products (VNNI, or
/// ARM's dot product) keeps sums of two in 16 bits, which smaller weights do not overflow.
pub(crate) fn largest_weight() -> f32 {
    if int8().may_saturate() { 63.0 } else { LARGEST }
}

impl fmt::Debug for Float32Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Float32Weight").finish_non_exhaustive()
    }
}

impl fmt::Debug for Int8Weight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Int8Weight").finish_non_exhaustive()
    }
}

// They take the quickest instructions that the processor has, cannot be sent to another thread, and are made in no
// time.

fn float32() -> GemmExecutor<f32> {
    GemmExecutor::new()
}

fn int8() -> GemmExecutor<u8, i8, i32> {
    GemmExecutor::new()
}

fn matrix<T>(values: &[T], rows: usize) -> Matrix<'_, T> {
    NdTensorView::from_data([rows, values.len() / rows], values)
}

fn product<L: GemmInT, R: GemmInT, O: GemmOutT>(
    executor: &GemmExecutor<L, R, O>,
    output: &mut [O],
    rows: Matrix<'_, L>,
    weight: &PackedBMatrix<R>,
    options: GemmOptions<'_, L, R, O>,
) {
    let (rows, weight) = (GemmInputA::Unpacked(rows), GemmInputB::Packed(weight));
    let done = executor.gemm(output, rows, weight, options);
    done.expect("rows have as many values as the weight has inputs");
}

/// Rows to be rounded to integers, each by a scale of its own, by which their largest magnitude is `largest`.
struct Rows<'a> {
    values: &'a [f32],
    length: usize,
    largest: f32,
}

impl WithSimd for Rows<'_> {
    /// Integers with [`ZERO`] for zero, and each row's scale.
    type Output = (Vec<u8>, Vec<f32>);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let Self {
            values,
            length,
            largest,
        } = self;
        let mut integers = vec![ZERO; values.len()];
        let mut scales = vec![0.0; values.len() / length];
        let rows = values.chunks_exact(length).zip(integers.chunks_exact_mut(length));
        for ((row, integers), scale) in rows.zip(&mut scales) {
            *scale = max_magnitude(simd, row) / largest;
            // Of nothing but zeros there is nothing to round.
            let inverse = if *scale > 0.0 { 1.0 / *scale } else { 0.0 };
            for (value, integer) in row.iter().zip(integers) {
                // The sum is positive, so that to cut it off is to round it.
                *integer = (value * inverse + (f32::from(ZERO) + 0.5)) as u8;
            }
        }
        (integers, scales)
    }
}

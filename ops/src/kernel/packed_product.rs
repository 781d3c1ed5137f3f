//! Products with a weight that was packed once.
//!
//! In 8-bit integers, a weight's column `j` is `s_j` times integers of at most [`largest_weight`], a row `i` of input
//! `s_i` times integers of at most 127; their product is `s_i · s_j` times a sum of integers, which is exact, whatever
//! its order.

use std::fmt;

use pulp::bytemuck::cast_slice_mut;
use rten_gemm::{
    BiasVector, GemmExecutor, GemmInT, GemmInputA, GemmInputB, GemmOptions, GemmOutT, PackedBMatrix,
    QuantParams,
};
use rten_tensor::{Matrix, NdTensorView};

use crate::kernel::lanes::max_magnitude;
use crate::kernel::vectorized;
use crate::linear::Activation;

/// What stands for zero in the unsigned integers of a row.
const ZERO: u8 = 128;

/// A weight in 32-bit floats.
pub(crate) struct Float32Weight {
    values: PackedBMatrix<f32>,
    d_input: usize,
}

impl Float32Weight {
    /// Packs a weight `[d_input, d_output]`.
    pub(crate) fn new(weight: &[f32], d_input: usize) -> Self {
        Self {
            values: float32().prepack_b(matrix(weight, d_input)),
            d_input,
        }
    }

    /// `activation(x W + bias)` of rows of `d_input` values.
    pub(crate) fn linear(&self, x: &[f32], bias: &[f32], activation: Activation) -> Vec<f32> {
        let rows = x.len() / self.d_input;
        let options = GemmOptions {
            bias: Some(BiasVector::Row(bias)),
            ..GemmOptions::default()
        };
        let mut output = vec![0.0; rows * bias.len()];
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
    /// Of each column.
    scales: Vec<f32>,
}

impl Int8Weight {
    /// Rounds and packs a weight `[d_input, d_output]`.
    pub(crate) fn new(weight: &[f32], d_input: usize) -> Self {
        let d_output = weight.len() / d_input;
        let mut magnitudes = vec![0.0_f32; d_output];
        for row in weight.chunks_exact(d_output) {
            let pairs = magnitudes.iter_mut().zip(row);
            pairs.for_each(|(magnitude, value)| *magnitude = magnitude.max(value.abs()));
        }
        let scales: Vec<f32> = magnitudes
            .iter()
            .map(|magnitude| magnitude / largest_weight())
            .collect();
        let rows = weight.chunks_exact(d_output);
        let integers: Vec<i8> = rows
            .flat_map(|row| row.iter().zip(&scales))
            .map(|(value, &scale)| (value * inverse(scale)).round() as i8)
            .collect();
        Self {
            integers: int8().prepack_b(matrix(&integers, d_input)),
            d_input,
            scales,
        }
    }

    /// `activation(x W + bias)` of rows of `d_input` values.
    pub(crate) fn linear(&self, x: &[f32], bias: &[f32], activation: Activation) -> Vec<f32> {
        let (rows, d_output) = (x.len() / self.d_input, bias.len());
        let (integers, row_scales) = rounded_rows(x, self.d_input);
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
    if int8().may_saturate() { 63.0 } else { 127.0 }
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

/// Each row's integers, and its scale.
fn rounded_rows(x: &[f32], d_input: usize) -> (Vec<u8>, Vec<f32>) {
    let mut integers = vec![ZERO; x.len()];
    let mut scales = Vec::with_capacity(x.len() / d_input);
    vectorized(
        #[inline(always)]
        || {
            for (row, integers) in x.chunks_exact(d_input).zip(integers.chunks_exact_mut(d_input)) {
                let scale = max_magnitude(row) / 127.0;
                let inverse = inverse(scale);
                for (value, integer) in row.iter().zip(integers) {
                    // The sum is positive, so that to cut it off is to round it.
                    *integer = (value * inverse + (f32::from(ZERO) + 0.5)) as u8;
                }
                scales.push(scale);
            }
        },
    );
    (integers, scales)
}

/// `1 / scale`, and 0 of the scale of nothing but zeros.
#[inline(always)]
fn inverse(scale: f32) -> f32 {
    if scale > 0.0 { 1.0 / scale } else { 0.0 }
}

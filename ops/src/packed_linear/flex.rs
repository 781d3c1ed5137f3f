//! The kernel for linear layers with packed weights on flex.

use std::fmt;
use std::sync::Arc;

use burn::backend::flex::Flex;
use burn::tensor::Tensor;
use pulp::bytemuck::cast_slice_mut;
use pulp::{Simd, WithSimd};
use rten_gemm::{
    GemmExecutor, GemmInT, GemmInputA, GemmInputB, GemmOptions, GemmOutT, PackedBMatrix, QuantParams,
};
use rten_tensor::{Matrix, NdTensorView};

use crate::flex::tensor::{contiguous, floats, shape_with_columns, tensor};
use crate::flex::vectorized;
use crate::flex::vectors::max_magnitude;
use crate::linear::Activation;
use crate::precision::Precision;

/// A weight in the layout that its matrix products take. Clones share it.
#[derive(Clone, Debug)]
pub(super) enum PackedWeight {
    Float32(Arc<Float32Weight>),
    Int8(Arc<Int8Weight>),
}

impl PackedWeight {
    /// Packs a weight `[d_input, d_output]` of 32-bit floats, as 8-bit integers for [`Precision::Int8`] and else as
    /// floats.
    pub(super) fn new(weight: Tensor<2>, precision: Precision) -> Self {
        let [d_input, _] = weight.dims();
        // With a row for each output, as weights come from a file, so that there is nothing to move.
        let rows = weight.transpose().into_data();
        let rows = rows.as_slice().expect("the kernels compute in f32 alone");
        match precision {
            Precision::Int8 => Self::Int8(Arc::new(Int8Weight::new(rows, d_input))),
            _ => Self::Float32(Arc::new(Float32Weight::new(rows, d_input))),
        }
    }

    /// Returns `activation(x W + bias)` for x and a bias on flex, where the weight was packed.
    pub(super) fn forward(&self, x: Tensor<3>, bias: Tensor<1>, activation: Activation) -> Tensor<3> {
        const ON_FLEX: &str = "x and the bias are on flex, without autodiff";
        let x = contiguous(x.try_into_primitive::<Flex>().expect(ON_FLEX));
        let bias = contiguous(bias.try_into_primitive::<Flex>().expect(ON_FLEX));
        let output = match self {
            Self::Float32(weight) => weight.linear(floats(&x), floats(&bias), activation),
            Self::Int8(weight) => weight.linear(floats(&x), floats(&bias), activation),
        };
        Tensor::from_primitive::<Flex>(tensor(output, shape_with_columns(&x, floats(&bias).len())))
    }
}

/// The unsigned integer that stands for zero.
const ZERO: u8 = 128;

/// The largest magnitude of an integer in x.
const LARGEST: f32 = 127.0;

/// A weight in 32-bit floats.
pub(super) struct Float32Weight {
    values: PackedBMatrix<f32>,
    d_input: usize,
}

impl Float32Weight {
    /// Packs a transposed weight, `[d_output, d_input]`.
    fn new(weight: &[f32], d_input: usize) -> Self {
        Self {
            values: float32().prepack_b(matrix(weight, weight.len() / d_input).transposed()),
            d_input,
        }
    }

    /// Returns `activation(x W + bias)` for rows x of `d_input` values.
    fn linear(&self, x: &[f32], bias: &[f32], activation: Activation) -> Vec<f32> {
        let rows = x.len() / self.d_input;
        // The product is added to the bias, which is in the output already: a bias in the options would be added in
        // vectors of the oldest processor.
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
pub(super) struct Int8Weight {
    integers: PackedBMatrix<i8>,
    d_input: usize,
    /// The scale of each output.
    scales: Vec<f32>,
}

impl Int8Weight {
    /// Rounds and packs a transposed weight, `[d_output, d_input]`.
    fn new(weight: &[f32], d_input: usize) -> Self {
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

    /// Returns `activation(x W + bias)` for rows x of `d_input` values.
    fn linear(&self, x: &[f32], bias: &[f32], activation: Activation) -> Vec<f32> {
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
        // The integer sums lie in the output's memory, where each is replaced by the float that it becomes.
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

/// Returns the largest magnitude to which this processor's kernel rounds weights for [`Precision::Int8`]: 127, or 63.
///
/// A processor without instructions for sums of products of 8-bit integers (VNNI, or ARM's dot product) adds two
/// products in 16 bits, which weights up to 63 do not overflow: `2 · 255 · 63 = 32130`.
#[must_use]
pub fn largest_weight() -> f32 {
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

// Executors use the quickest instructions that the processor has. One is made for each product, which takes no time,
// because it could not be sent to another thread.

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

/// Rounds rows of `length` values to integers with a scale for each row, so that the largest magnitude in a row becomes
/// `largest`.
struct Rows<'a> {
    values: &'a [f32],
    length: usize,
    largest: f32,
}

impl WithSimd for Rows<'_> {
    /// The integers plus [`ZERO`], and the scale of each row.
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
            // In a row of zeros there is nothing to round.
            let inverse = if *scale > 0.0 { 1.0 / *scale } else { 0.0 };
            for (value, integer) in row.iter().zip(integers) {
                // The sum is positive, so that cutting off its fraction after adding 1/2 rounds it.
                *integer = (value * inverse + (f32::from(ZERO) + 0.5)) as u8;
            }
        }
        (integers, scales)
    }
}

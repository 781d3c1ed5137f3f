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

use super::LARGEST;
use crate::flex::activation::activate;
use crate::flex::tensor::{contiguous, floats, shape_with_columns, tensor};
use crate::flex::vectorized;
use crate::flex::vectors::max_magnitude;
use crate::linear::Activation;
use crate::precision::Precision;

const ON_FLEX: &str = "the tensor is on flex, without autodiff";

/// A weight in the memory layout that the routine for matrix products needs. Clones share the memory.
#[derive(Clone, Debug)]
pub(super) enum PackedWeight {
    Float32(Arc<Float32Weight>),
    Int8(Arc<Int8Weight>),
}

impl PackedWeight {
    /// Packs a weight `[d_input, d_output]` of 32-bit floats: as 8-bit integers for [`Precision::Int8`], as floats
    /// otherwise.
    pub(super) fn new(weight: Tensor<2>, precision: Precision) -> Self {
        let [d_input, _] = weight.dims();
        // A weight from a file is transposed in memory, so that transposing it again moves nothing.
        let rows = contiguous(weight.transpose().try_into_primitive::<Flex>().expect(ON_FLEX));
        match precision {
            Precision::Int8 => Self::Int8(Arc::new(Int8Weight::new(floats(&rows), d_input))),
            _ => Self::Float32(Arc::new(Float32Weight::new(floats(&rows), d_input))),
        }
    }

    /// Returns `activation(x W + bias)`. The tensors x and bias are on flex, on which the weight was packed.
    pub(super) fn forward(&self, x: Tensor<3>, bias: Tensor<1>, activation: Activation) -> Tensor<3> {
        let x = contiguous(x.try_into_primitive::<Flex>().expect(ON_FLEX));
        let bias = contiguous(bias.try_into_primitive::<Flex>().expect(ON_FLEX));
        let output = match self {
            Self::Float32(weight) => weight.linear(floats(&x), floats(&bias), activation),
            Self::Int8(weight) => weight.linear(floats(&x), floats(&bias), activation),
        };
        Tensor::from_primitive::<Flex>(tensor(output, shape_with_columns(&x, floats(&bias).len())))
    }
}

/// The zero point of rounded values: the unsigned integer that represents 0.
const ZERO_POINT: u8 = 128;

/// A weight in 32-bit floats.
pub(super) struct Float32Weight {
    values: PackedBMatrix<f32>,
    d_input: usize,
}

impl Float32Weight {
    /// Packs a weight that is given transposed, `[d_output, d_input]`.
    fn new(weight: &[f32], d_input: usize) -> Self {
        Self {
            values: float32().prepack_b(matrix(weight, weight.len() / d_input).transposed()),
            d_input,
        }
    }

    /// Returns `activation(x W + bias)` for rows x of `d_input` values.
    fn linear(&self, x: &[f32], bias: &[f32], activation: Activation) -> Vec<f32> {
        let rows = x.len() / self.d_input;
        // The output begins as the bias, to which the product is added. If the options held the bias, it would be added
        // by code that is compiled for the oldest supported processor.
        let options = GemmOptions {
            beta: 1.0,
            ..GemmOptions::default()
        };
        let mut output = bias.repeat(rows);
        product(&float32(), &mut output, matrix(x, rows), &self.values, options);
        activate(&mut output, activation);
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
    /// Rounds and packs a weight that is given transposed, `[d_output, d_input]`.
    fn new(weight: &[f32], d_input: usize) -> Self {
        let (integers, scales) = vectorized(Rows {
            values: weight,
            length: d_input,
            largest: largest_weight(),
        });
        let integers: Vec<i8> = integers
            .into_iter()
            .map(|integer| integer.wrapping_sub(ZERO_POINT) as i8)
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
        let zero_points = vec![ZERO_POINT; rows];
        let options = GemmOptions {
            a_quant: Some(QuantParams {
                zero_point: &zero_points,
            }),
            ..GemmOptions::default()
        };
        let mut output = vec![0.0_f32; rows * d_output];
        // The integer sums are in the memory of the output. Each sum is later replaced by the float computed from it.
        let sums: &mut [i32] = cast_slice_mut(&mut output);
        product(&int8(), sums, matrix(&integers, rows), &self.integers, options);
        // ReLU needs no pass of its own.
        let (lowest, activation) = match activation {
            Activation::Relu => (0.0, Activation::Identity),
            other => (f32::NEG_INFINITY, other),
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
        activate(&mut output, activation);
        output
    }
}

/// Returns the largest magnitude to which this processor's kernel rounds weights for [`Precision::Int8`]: 127 or 63.
///
/// Some processors have no instructions (VNNI, or ARM's dot product) that add products of 8-bit integers in 32 bits.
/// They add two products in 16 bits, which cannot overflow with weights up to 63: `2 · 255 · 63 = 32130` is less than
/// `2^15 = 32768`.
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

// An executor chooses the fastest instructions of the processor. One is created for each matrix product, which takes
// almost no time, because an executor cannot be sent to another thread.

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

/// Rounds rows of `length` values to integers. Each row has a scale, with which its largest magnitude becomes
/// `largest`.
struct Rows<'a> {
    values: &'a [f32],
    length: usize,
    largest: f32,
}

impl WithSimd for Rows<'_> {
    /// The integers plus [`ZERO_POINT`], and the scale of each row.
    type Output = (Vec<u8>, Vec<f32>);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let Self {
            values,
            length,
            largest,
        } = self;
        let mut integers = vec![ZERO_POINT; values.len()];
        let mut scales = vec![0.0; values.len() / length];
        let rows = values.chunks_exact(length).zip(integers.chunks_exact_mut(length));
        for ((row, integers), scale) in rows.zip(&mut scales) {
            *scale = max_magnitude(simd, row) / largest;
            // A row of zeros has the scale 0, by which nothing can be divided.
            let inverse = if *scale > 0.0 { 1.0 / *scale } else { 0.0 };
            for (value, integer) in row.iter().zip(integers) {
                // The value plus the zero point is positive, so that adding 1/2 and cutting off the fraction rounds it.
                *integer = (value * inverse + (f32::from(ZERO_POINT) + 0.5)) as u8;
            }
        }
        (integers, scales)
    }
}

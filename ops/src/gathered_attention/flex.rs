//! The kernel for attention to the rows of a table on flex.

use burn::backend::flex::{Flex, FlexTensor};
use pulp::{Simd, WithSimd};

use super::kernel::GatheredAttention;
use crate::flex::small_product::padded;
use crate::flex::tensor::{columns, contiguous, floats, integers, tensor};
use crate::flex::vectorized;
use crate::flex::vectors::{dot, softmax_in_place};

impl GatheredAttention for Flex {
    fn gathered_attention(
        query: FlexTensor,
        key: FlexTensor,
        value: FlexTensor,
        slots: FlexTensor,
        n_heads: usize,
    ) -> FlexTensor {
        let [query, key, value] = [query, key, value].map(contiguous);
        let output = vectorized(Queries {
            query: floats(&query),
            d_model: columns(&query),
            key: floats(&key),
            value: floats(&value),
            positions: columns(&slots),
            slots: &integers(&slots),
            n_heads,
        });
        tensor(output, query.layout().shape().clone())
    }
}

/// The pass over all queries.
struct Queries<'a> {
    query: &'a [f32],
    d_model: usize,
    key: &'a [f32],
    value: &'a [f32],
    positions: usize,
    slots: &'a [i64],
    n_heads: usize,
}

impl WithSimd for Queries<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let Self {
            query,
            d_model,
            key,
            value,
            positions,
            slots,
            n_heads,
        } = self;
        let d_head = d_model / n_heads;
        let scale = (d_head as f32).sqrt().recip();
        let mut output = vec![0.0; query.len()];
        // The offsets in the table at which a query's keys, and its values, begin.
        let mut starts = Vec::with_capacity(positions);
        let mut weights = vec![0.0; n_heads * padded(positions)];
        let queries = query.chunks_exact(d_model).zip(output.chunks_exact_mut(d_model));
        for ((query, output), slots) in queries.zip(slots.chunks_exact(positions)) {
            starts.clear();
            for &slot in slots {
                if let Ok(slot) = usize::try_from(slot) {
                    starts.push(slot * d_model);
                }
            }
            // The weights of each head in turn. Those of a head are padded to whole registers with negative infinity.
            let width = padded(starts.len());
            let weights = &mut weights[..n_heads * width];
            weights.fill(f32::NEG_INFINITY);
            // The outer loop is over keys and the inner one over heads, so that the table is read in long contiguous
            // pieces.
            for (position, start) in starts.iter().enumerate() {
                let key = key[*start..][..d_model].chunks_exact(d_head);
                for (head, (query, key)) in query.chunks_exact(d_head).zip(key).enumerate() {
                    weights[head * width + position] = scale * dot(simd, query, key);
                }
            }
            for weights in weights.chunks_exact_mut(width) {
                softmax_in_place(simd, weights);
            }
            for (position, start) in starts.iter().enumerate() {
                let value = value[*start..][..d_model].chunks_exact(d_head);
                for (head, (output, value)) in output.chunks_exact_mut(d_head).zip(value).enumerate() {
                    add_scaled(simd, output, weights[head * width + position], value);
                }
            }
        }
        output
    }
}

/// Computes `sum = sum + factor · row`.
#[inline(always)]
fn add_scaled<S: Simd>(simd: S, sum: &mut [f32], factor: f32, row: &[f32]) {
    let (sums, last_sums) = S::as_mut_simd_f32s(sum);
    let (vectors, last) = S::as_simd_f32s(row);
    let factors = simd.splat_f32s(factor);
    for (sum, &vector) in sums.iter_mut().zip(vectors) {
        *sum = simd.mul_add_e_f32s(factors, vector, *sum);
    }
    for (sum, value) in last_sums.iter_mut().zip(last) {
        *sum += factor * value;
    }
}

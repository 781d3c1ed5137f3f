//! Attention of single queries to keys and values wherever they lie.

use burn::tensor::{Int, Tensor};

use crate::attention::attention_with_weights;

/// [`attention`](crate::attention()) of one query a row, whose keys and values are rows of a table in any order:
/// hypotheses share what they have in common, and none is moved when a beam picks others.
///
/// There is no backward pass of its own: the network is trained on whole sequences.
///
/// # Shapes
///
/// - query and output: `[rows, d_model]`
/// - key, value: `[table, d_model]`, those of the heads side by side
/// - places: `[rows, positions]`, the row in the table of each position that the query sees; negative where there is
///   none. Each query must see at least one.
#[must_use]
pub fn gathered_attention(
    query: Tensor<2>,
    key: Tensor<2>,
    value: Tensor<2>,
    places: Tensor<2, Int>,
    n_heads: usize,
) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if crate::kernel::serves_inference(&query) {
        use burn::backend::Dispatch;
        use flex::GatheredAttention;
        return Tensor::from_dispatch(Dispatch::gathered_attention(
            query.into_dispatch(),
            key.into_dispatch(),
            value.into_dispatch(),
            places.into_dispatch(),
            n_heads,
        ));
    }
    gathered_attention_with_weights(query, key, value, places, n_heads).0
}

/// [`gathered_attention`] as a chain of tensor operations, which also returns the weights `[rows, n_heads, positions]`.
#[must_use]
pub fn gathered_attention_with_weights(
    query: Tensor<2>,
    key: Tensor<2>,
    value: Tensor<2>,
    places: Tensor<2, Int>,
    n_heads: usize,
) -> (Tensor<2>, Tensor<3>) {
    let [rows, positions] = places.dims();
    let [_, d_model] = query.dims();
    let hidden = places.clone().lower_elem(0).reshape([rows, 1, 1, positions]);
    let places = places.clamp_min(0).reshape([rows * positions]);
    let gather = |table: Tensor<2>| {
        table
            .select(0, places.clone())
            .reshape([rows, positions, d_model])
    };
    let query = query.reshape([rows, 1, d_model]);
    let (attended, weights) = attention_with_weights(query, gather(key), gather(value), hidden, n_heads);
    (attended.reshape([rows, d_model]), weights.squeeze_dim(2))
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::flex::{Flex, FlexTensor};
    use burn::backend::tensor::{FloatTensor, IntTensor};
    use burn::backend::{Backend, backend_extension};
    use pulp::{Simd, WithSimd};

    use crate::kernel::small_product::padded;
    use crate::kernel::tensor::{columns, contiguous, floats, integers, tensor};
    use crate::kernel::vectorized;
    use crate::kernel::vectors::{dot, softmax_in_place};

    #[backend_extension(Flex)]
    pub(super) trait GatheredAttention: Backend {
        fn gathered_attention(
            query: FloatTensor<Self>,
            key: FloatTensor<Self>,
            value: FloatTensor<Self>,
            places: IntTensor<Self>,
            n_heads: usize,
        ) -> FloatTensor<Self>;
    }

    impl GatheredAttention for Flex {
        fn gathered_attention(
            query: FlexTensor,
            key: FlexTensor,
            value: FlexTensor,
            places: FlexTensor,
            n_heads: usize,
        ) -> FlexTensor {
            let [query, key, value] = [query, key, value].map(contiguous);
            let output = vectorized(Queries {
                query: floats(&query),
                d_model: columns(&query),
                key: floats(&key),
                value: floats(&value),
                positions: columns(&places),
                places: &integers(&places),
                n_heads,
            });
            tensor(output, query.layout().shape().clone())
        }
    }

    /// Queries, and what they attend to.
    struct Queries<'a> {
        query: &'a [f32],
        d_model: usize,
        key: &'a [f32],
        value: &'a [f32],
        positions: usize,
        places: &'a [i64],
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
                places,
                n_heads,
            } = self;
            let d_head = d_model / n_heads;
            let scale = (d_head as f32).sqrt().recip();
            let mut output = vec![0.0; query.len()];
            // Where the key and the value of each position that is there begin.
            let mut starts = Vec::with_capacity(positions);
            let mut weights = vec![0.0; n_heads * padded(positions)];
            let queries = query.chunks_exact(d_model).zip(output.chunks_exact_mut(d_model));
            for ((query, output), places) in queries.zip(places.chunks_exact(positions)) {
                starts.clear();
                for &place in places {
                    if let Ok(place) = usize::try_from(place) {
                        starts.push(place * d_model);
                    }
                }
                // Of each head; what lies behind the positions is hidden.
                let width = padded(starts.len());
                let weights = &mut weights[..n_heads * width];
                weights.fill(f32::NEG_INFINITY);
                // Whole keys and values one after the other, as they come from memory.
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

    /// `sum = sum + factor · row`
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
}

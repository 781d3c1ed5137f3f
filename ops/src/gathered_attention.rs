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

    use crate::kernel::lanes::{exp_in_place, max, sum_pairs};
    use crate::kernel::tensor::{columns, contiguous, floats, integers, tensor};
    use crate::kernel::vectorized;

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
            let (d_model, positions) = (columns(&query), columns(&places));
            let places = integers(&places);
            let mut output = vec![0.0; floats(&query).len()];
            let mut weights = vec![0.0; n_heads * positions];
            vectorized(
                #[inline(always)]
                || {
                    let rows = floats(&query).chunks_exact(d_model);
                    let rows = rows.zip(output.chunks_exact_mut(d_model));
                    for ((query, output), places) in rows.zip(places.chunks_exact(positions)) {
                        weigh(&mut weights, query, floats(&key), places, n_heads);
                        add_weighted(output, &weights, floats(&value), places, n_heads);
                    }
                },
            );
            tensor(output, query.layout().shape().clone())
        }
    }

    /// The positions that are there, each with its row of `table`.
    #[inline(always)]
    fn rows<'a>(
        table: &'a [f32],
        places: &'a [i64],
        d_model: usize,
    ) -> impl Iterator<Item = (usize, &'a [f32])> {
        places.iter().enumerate().filter_map(move |(position, &place)| {
            let place = usize::try_from(place).ok()?;
            Some((position, &table[place * d_model..][..d_model]))
        })
    }

    /// A query's attention weights, `[n_heads, positions]`.
    #[inline(always)]
    fn weigh(weights: &mut [f32], query: &[f32], keys: &[f32], places: &[i64], n_heads: usize) {
        let (positions, d_head) = (places.len(), query.len() / n_heads);
        let scale = (d_head as f32).sqrt().recip();
        weights.fill(f32::NEG_INFINITY);
        for (position, key) in rows(keys, places, query.len()) {
            let heads = query.chunks_exact(d_head).zip(key.chunks_exact(d_head));
            for (head, (query, key)) in heads.enumerate() {
                weights[head * positions + position] =
                    scale * sum_pairs(query, key, |query, key| query * key);
            }
        }
        for weights in weights.chunks_exact_mut(positions) {
            let total = exp_in_place(weights, max(weights));
            let share = total.recip();
            weights.iter_mut().for_each(|weight| *weight *= share);
        }
    }

    /// Adds the values of all positions to `output`, each head's by its weights.
    #[inline(always)]
    fn add_weighted(output: &mut [f32], weights: &[f32], values: &[f32], places: &[i64], n_heads: usize) {
        let (positions, d_head) = (places.len(), output.len() / n_heads);
        for (position, value) in rows(values, places, output.len()) {
            let heads = output.chunks_exact_mut(d_head).zip(value.chunks_exact(d_head));
            for (head, (output, value)) in heads.enumerate() {
                let weight = weights[head * positions + position];
                for (sum, value) in output.iter_mut().zip(value) {
                    *sum = weight.mul_add(*value, *sum);
                }
            }
        }
    }
}

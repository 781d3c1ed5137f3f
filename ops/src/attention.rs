//! Attention of all heads.

use burn::tensor::activation::softmax;
use burn::tensor::{Bool, Tensor};

use crate::mixed_precision::product;

/// `softmax(Q Kᵀ / sqrt(d_head)) V` (section 3.2.1, equation 1) of `n_heads` heads, whose queries, keys and values
/// lie side by side in the last dimension, as do the attended values in the output.
///
/// A query from which every key is hidden has no defined answer: each must see at least one.
///
/// # Shapes
///
/// - query and output: `[batch, queries, d_model]`
/// - key, value: `[batch, keys, d_model]`
/// - hidden: `[batch or 1, 1, queries or 1, keys]`, `true` where a key is hidden
#[must_use]
pub fn attention(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    hidden: Tensor<4, Bool>,
    n_heads: usize,
) -> Tensor<3> {
    #[cfg(feature = "flex")]
    if crate::kernel::serves(&query) {
        use burn::backend::Dispatch;
        use flex::Attention;
        return Tensor::from_dispatch(Dispatch::attention(
            query.into_dispatch(),
            key.into_dispatch(),
            value.into_dispatch(),
            hidden.into_dispatch(),
            n_heads,
        ));
    }
    attention_with_weights(query, key, value, hidden, n_heads).0
}

/// `softmax(Q Kᵀ / sqrt(d_head)) V` (section 3.2.1, equation 1) as a chain of tensor operations.
///
/// Returns the attended values and the weights, each row of which sums to 1. A query from which every key is
/// hidden has no defined answer: each must see at least one.
///
/// # Shapes
///
/// - query: `[batch, n_heads, queries, d_head]`
/// - key, value: `[batch, n_heads, keys, d_head]`
/// - hidden: broadcastable to `[batch, n_heads, queries, keys]`, `true` where a key is hidden
/// - output: `[batch, n_heads, queries, d_head]` and `[batch, n_heads, queries, keys]`
#[must_use]
pub fn scaled_dot_product_attention(
    query: Tensor<4>,
    key: Tensor<4>,
    value: Tensor<4>,
    hidden: Option<Tensor<4, Bool>>,
) -> (Tensor<4>, Tensor<4>) {
    let [_, _, _, d_head] = query.dims();
    // Scaling the query is the same as scaling the scores, on a smaller tensor.
    let query = query.mul_scalar((d_head as f64).powf(-0.5));
    let scores = product(query, key.swap_dims(2, 3));
    let scores = match hidden {
        Some(hidden) => scores.mask_fill(hidden, f32::NEG_INFINITY),
        None => scores,
    };
    let weights = softmax(scores, 3);
    (product(weights.clone(), value), weights)
}

/// [`attention`] by [`scaled_dot_product_attention`] of the split heads, which also returns the weights
/// `[batch, n_heads, queries, keys]`.
#[must_use]
pub fn attention_with_weights(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    hidden: Tensor<4, Bool>,
    n_heads: usize,
) -> (Tensor<3>, Tensor<4>) {
    let [batch, queries, d_model] = query.dims();
    let split_heads = |x: Tensor<3>| {
        let [_, length, _] = x.dims();
        x.reshape([batch, length, n_heads, d_model / n_heads])
            .swap_dims(1, 2)
    };
    let [query, key, value] = [query, key, value].map(split_heads);
    let (attended, weights) = scaled_dot_product_attention(query, key, value, Some(hidden));
    (
        attended.swap_dims(1, 2).reshape([batch, queries, d_model]),
        weights,
    )
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::flex::{Flex, FlexTensor};
    use burn::backend::tensor::{BoolTensor, FloatTensor};
    use burn::backend::{Backend, backend_extension};
    use pulp::{Simd, WithSimd};

    use crate::kernel::small_product::{Left, padded, small_product};
    use crate::kernel::tensor::{contiguous, floats, tensor};
    use crate::kernel::vectorized;
    use crate::kernel::vectors::softmax_in_place;

    #[backend_extension(Flex, Autodiff: cfg(feature = "autodiff"))]
    pub(super) trait Attention: Backend {
        fn attention(
            query: FloatTensor<Self>,
            key: FloatTensor<Self>,
            value: FloatTensor<Self>,
            hidden: BoolTensor<Self>,
            n_heads: usize,
        ) -> FloatTensor<Self>;
    }

    impl Attention for Flex {
        fn attention(
            query: FlexTensor,
            key: FlexTensor,
            value: FlexTensor,
            hidden: FlexTensor,
            n_heads: usize,
        ) -> FlexTensor {
            let [query, key, value, hidden] = [query, key, value, hidden].map(contiguous);
            let output = vectorized(Heads {
                sizes: Sizes::of(&query, &key, &hidden, n_heads),
                query: floats(&query),
                key: floats(&key),
                value: floats(&value),
                hidden: hidden.storage(),
            });
            tensor(output, query.layout().shape().clone())
        }
    }

    /// What all heads attend with.
    struct Heads<'a> {
        sizes: Sizes,
        query: &'a [f32],
        key: &'a [f32],
        value: &'a [f32],
        hidden: &'a [u8],
    }

    impl WithSimd for Heads<'_> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
            let Self {
                sizes,
                query,
                key,
                value,
                hidden,
            } = self;
            let mut output = vec![0.0; query.len()];
            let mut weights = vec![0.0; sizes.queries * sizes.padded_keys];
            let mut keys = vec![0.0; sizes.d_head * sizes.padded_keys];
            let mut values = vec![0.0; sizes.keys * sizes.padded_head];
            let mut attended = vec![0.0; sizes.queries * sizes.padded_head];
            for (batch, head) in sizes.heads() {
                let query = sizes.queries_of(query, batch, head);
                sizes.copy_columns(&mut keys, sizes.keys_of(key, batch, head));
                sizes.copy_rows(&mut values, sizes.keys_of(value, batch, head));
                sizes.weigh(simd, &mut weights, query, &keys, hidden, batch);
                let left = Left::rows(&weights, sizes.padded_keys);
                small_product(&mut attended, left, &values, sizes.keys, sizes.padded_head);
                sizes.paste_rows(&mut output, sizes.queries, batch, head, &attended);
            }
            output
        }
    }

    /// The sizes of a call, and where a head's part of a batch lies. What is a right factor is copied first, its
    /// rows padded to whole registers.
    #[derive(Clone, Copy)]
    struct Sizes {
        batch: usize,
        queries: usize,
        keys: usize,
        d_model: usize,
        n_heads: usize,
        d_head: usize,
        padded_keys: usize,
        padded_head: usize,
        hidden_batch: usize,
        hidden_queries: usize,
    }

    impl Sizes {
        fn of(query: &FlexTensor, key: &FlexTensor, hidden: &FlexTensor, n_heads: usize) -> Self {
            let (query, keys, hidden) = (
                query.layout().shape(),
                key.layout().shape()[1],
                hidden.layout().shape(),
            );
            let (d_model, d_head) = (query[2], query[2] / n_heads);
            assert_eq!(
                (hidden[1], hidden[3]),
                (1, keys),
                "the mask is the same for all heads"
            );
            Self {
                batch: query[0],
                queries: query[1],
                keys,
                d_model,
                n_heads,
                d_head,
                padded_keys: padded(keys),
                padded_head: padded(d_head),
                hidden_batch: hidden[0],
                hidden_queries: hidden[2],
            }
        }

        /// Each sentence of the batch with each head.
        fn heads(self) -> impl Iterator<Item = (usize, usize)> {
            (0..self.batch).flat_map(move |batch| (0..self.n_heads).map(move |head| (batch, head)))
        }

        /// A head's part of a sentence among queries, as rows of `d_head` values at a stride of `d_model`.
        #[inline(always)]
        fn queries_of(self, queries: &[f32], batch: usize, head: usize) -> &[f32] {
            &queries[batch * self.queries * self.d_model + head * self.d_head..]
        }

        /// The same among keys or values.
        #[inline(always)]
        fn keys_of(self, keys: &[f32], batch: usize, head: usize) -> &[f32] {
            &keys[batch * self.keys * self.d_model + head * self.d_head..]
        }

        /// Copies a head's part to padded rows.
        #[inline(always)]
        fn copy_rows(self, rows: &mut [f32], part: &[f32]) {
            for (row, values) in rows
                .chunks_exact_mut(self.padded_head)
                .zip(part.chunks(self.d_model))
            {
                row[..self.d_head].copy_from_slice(&values[..self.d_head]);
            }
        }

        /// Copies a head's part of keys or values to padded columns: `[d_head, padded_keys]`.
        #[inline(always)]
        fn copy_columns(self, columns: &mut [f32], part: &[f32]) {
            for (key, values) in part.chunks(self.d_model).take(self.keys).enumerate() {
                for (dimension, &value) in values[..self.d_head].iter().enumerate() {
                    columns[dimension * self.padded_keys + key] = value;
                }
            }
        }

        /// Writes padded rows into a head's part of a sentence of `length` positions.
        #[inline(always)]
        fn paste_rows(self, into: &mut [f32], length: usize, batch: usize, head: usize, rows: &[f32]) {
            let part = &mut into[batch * length * self.d_model + head * self.d_head..];
            for (row, values) in rows
                .chunks_exact(self.padded_head)
                .zip(part.chunks_mut(self.d_model))
            {
                values[..self.d_head].copy_from_slice(&row[..self.d_head]);
            }
        }

        #[inline(always)]
        fn scale(self) -> f32 {
            (self.d_head as f32).sqrt().recip()
        }

        /// A head's attention weights, `[queries, padded_keys]` with zeros as padding, from its queries and the
        /// columns of its keys.
        #[inline(always)]
        fn weigh<S: Simd>(
            self,
            simd: S,
            weights: &mut [f32],
            query: &[f32],
            keys: &[f32],
            hidden: &[u8],
            batch: usize,
        ) {
            small_product(
                weights,
                Left::rows(query, self.d_model),
                keys,
                self.d_head,
                self.padded_keys,
            );
            let scale = self.scale();
            for (query, row) in weights.chunks_exact_mut(self.padded_keys).enumerate() {
                let of_sentence = batch % self.hidden_batch * self.hidden_queries;
                let hidden = &hidden[(of_sentence + query % self.hidden_queries) * self.keys..][..self.keys];
                for (score, &hidden) in row.iter_mut().zip(hidden) {
                    *score = if hidden == 0 {
                        *score * scale
                    } else {
                        f32::NEG_INFINITY
                    };
                }
                row[self.keys..].fill(f32::NEG_INFINITY);
                softmax_in_place(simd, row);
            }
        }
    }

    #[cfg(feature = "autodiff")]
    mod autodiff {
        use burn::backend::Autodiff;
        use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
        use burn::backend::autodiff::grads::Gradients;
        use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};

        use crate::kernel::tensor::propagate;
        use crate::kernel::vectors::dot;

        use super::{
            Attention, BoolTensor, Flex, FlexTensor, FloatTensor, Heads, Left, Simd, Sizes, WithSimd,
            contiguous, floats, small_product, tensor, vectorized,
        };

        impl<C: CheckpointStrategy> Attention for Autodiff<Flex, C> {
            fn attention(
                query: FloatTensor<Self>,
                key: FloatTensor<Self>,
                value: FloatTensor<Self>,
                hidden: BoolTensor<Self>,
                n_heads: usize,
            ) -> FloatTensor<Self> {
                let nodes = [query.node(), key.node(), value.node()];
                let inputs = [query, key, value].map(|tensor| contiguous(tensor.into_primitive()));
                let [query, key, value] = inputs.clone();
                let output = Flex::attention(query, key, value, hidden.clone(), n_heads);
                match AttentionBackward.prepare::<C>(nodes).compute_bound().stateful() {
                    OpsKind::Tracked(operation) => {
                        operation.finish((inputs, contiguous(hidden), n_heads), output)
                    }
                    OpsKind::UnTracked(operation) => operation.finish(output),
                }
            }
        }

        #[derive(Debug)]
        struct AttentionBackward;

        impl Backward<Flex, 3> for AttentionBackward {
            type State = ([FlexTensor; 3], FlexTensor, usize);

            fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
                propagate(ops, grads, |([query, key, value], hidden, n_heads), gradient| {
                    let gradients = vectorized(Gradient {
                        of_output: floats(&contiguous(gradient)),
                        heads: Heads {
                            sizes: Sizes::of(&query, &key, &hidden, n_heads),
                            query: floats(&query),
                            key: floats(&key),
                            value: floats(&value),
                            hidden: hidden.storage(),
                        },
                    });
                    let shapes = [query, key, value].map(|input| input.layout().shape().clone());
                    let mut shapes = shapes.into_iter();
                    gradients.map(|gradient| tensor(gradient, shapes.next().expect("as many as gradients")))
                });
            }
        }

        /// The output's gradient on its way to query, key and value. The weights are computed again: that costs less
        /// than to keep them.
        ///
        /// With the weights `W` and `G = gradient · Vᵀ`: `dV = Wᵀ gradient`,
        /// `dS = W ∘ (G - rowsum(W ∘ G)) / sqrt(d_head)`, `dQ = dS K`, `dK = dSᵀ Q`.
        struct Gradient<'a> {
            of_output: &'a [f32],
            heads: Heads<'a>,
        }

        impl WithSimd for Gradient<'_> {
            type Output = [Vec<f32>; 3];

            #[inline(always)]
            fn with_simd<S: Simd>(self, simd: S) -> [Vec<f32>; 3] {
                let Heads {
                    sizes,
                    query,
                    key,
                    value,
                    hidden,
                } = self.heads;
                let (queries, keys) = (sizes.queries, sizes.keys);
                let (padded_keys, padded_head) = (sizes.padded_keys, sizes.padded_head);
                let mut d_query = vec![0.0; query.len()];
                let mut d_key = vec![0.0; key.len()];
                let mut d_value = vec![0.0; value.len()];
                let mut weights = vec![0.0; queries * padded_keys];
                let mut d_scores = vec![0.0; queries * padded_keys];
                let mut columns = vec![0.0; sizes.d_head * padded_keys];
                let mut query_rows = vec![0.0; queries * padded_head];
                let mut key_rows = vec![0.0; keys * padded_head];
                let scale = sizes.scale();
                for (batch, head) in sizes.heads() {
                    let query = sizes.queries_of(query, batch, head);
                    let key = sizes.keys_of(key, batch, head);
                    let value = sizes.keys_of(value, batch, head);
                    let gradient = sizes.queries_of(self.of_output, batch, head);
                    sizes.copy_columns(&mut columns, key);
                    sizes.weigh(simd, &mut weights, query, &columns, hidden, batch);

                    sizes.copy_rows(&mut query_rows, gradient);
                    let transposed = Left::columns(&weights, padded_keys);
                    small_product(&mut key_rows, transposed, &query_rows, queries, padded_head);
                    sizes.paste_rows(&mut d_value, keys, batch, head, &key_rows);

                    sizes.copy_columns(&mut columns, value);
                    let left = Left::rows(gradient, sizes.d_model);
                    small_product(&mut d_scores, left, &columns, sizes.d_head, padded_keys);
                    let rows = d_scores.chunks_exact_mut(padded_keys);
                    for (d_scores, weights) in rows.zip(weights.chunks_exact(padded_keys)) {
                        let total = dot(simd, d_scores, weights);
                        for (d_score, weight) in d_scores.iter_mut().zip(weights) {
                            *d_score = (*d_score - total) * weight * scale;
                        }
                    }

                    sizes.copy_rows(&mut key_rows, key);
                    let left = Left::rows(&d_scores, padded_keys);
                    small_product(&mut query_rows, left, &key_rows, keys, padded_head);
                    sizes.paste_rows(&mut d_query, queries, batch, head, &query_rows);

                    sizes.copy_rows(&mut query_rows, query);
                    let transposed = Left::columns(&d_scores, padded_keys);
                    small_product(&mut key_rows, transposed, &query_rows, queries, padded_head);
                    sizes.paste_rows(&mut d_key, keys, batch, head, &key_rows);
                }
                [d_query, d_key, d_value]
            }
        }
    }
}

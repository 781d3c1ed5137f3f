//! The kernel for attention on flex.

use burn::backend::flex::{Flex, FlexTensor};
use pulp::{Simd, WithSimd};

use super::kernel::Attention;
use crate::flex::small_product::{Left, padded, small_product};
use crate::flex::tensor::{contiguous, floats, tensor};
use crate::flex::vectorized;
use crate::flex::vectors::softmax_in_place;

impl Attention for Flex {
    fn attention_forward(
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

/// The forward pass over all heads.
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

/// The sizes of a call. The methods find and copy the part of a batch that belongs to one head of one sentence.
///
/// A part that becomes the right factor of a [`small_product`] is first copied to rows that are padded to whole
/// registers.
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

    /// Returns the indices `(batch, head)` of all heads of all sentences.
    fn heads(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.batch).flat_map(move |batch| (0..self.n_heads).map(move |head| (batch, head)))
    }

    /// Returns the queries of one head of one sentence: rows of `d_head` values, the starts of which are `d_model`
    /// values apart.
    #[inline(always)]
    fn queries_of(self, queries: &[f32], batch: usize, head: usize) -> &[f32] {
        &queries[batch * self.queries * self.d_model + head * self.d_head..]
    }

    /// Returns the keys, or the values, of one head of one sentence: rows of `d_head` values, the starts of which are
    /// `d_model` values apart.
    #[inline(always)]
    fn keys_of(self, keys: &[f32], batch: usize, head: usize) -> &[f32] {
        &keys[batch * self.keys * self.d_model + head * self.d_head..]
    }

    /// Copies the part of one head of one sentence to padded rows, `[positions, padded_head]`.
    #[inline(always)]
    fn copy_rows(self, rows: &mut [f32], part: &[f32]) {
        for (row, values) in rows
            .chunks_exact_mut(self.padded_head)
            .zip(part.chunks(self.d_model))
        {
            row[..self.d_head].copy_from_slice(&values[..self.d_head]);
        }
    }

    /// Copies the keys, or the values, of one head of one sentence to columns, `[d_head, padded_keys]`.
    #[inline(always)]
    fn copy_columns(self, columns: &mut [f32], part: &[f32]) {
        for (key, values) in part.chunks(self.d_model).take(self.keys).enumerate() {
            for (dimension, &value) in values[..self.d_head].iter().enumerate() {
                columns[dimension * self.padded_keys + key] = value;
            }
        }
    }

    /// Copies padded rows to the part of one head of one sentence, in a batch of sentences with `length` positions.
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

    /// Returns `1 / sqrt(d_head)`.
    #[inline(always)]
    fn scale(self) -> f32 {
        (self.d_head as f32).sqrt().recip()
    }

    /// Computes the attention weights of one head of one sentence, `[queries, padded_keys]`, with zeros as padding.
    /// `keys` are columns from [`copy_columns`](Self::copy_columns).
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
mod backward {
    use super::{
        Flex, FlexTensor, Heads, Left, Simd, Sizes, WithSimd, contiguous, floats, small_product, tensor,
        vectorized,
    };
    use crate::attention::kernel::AttentionBackward;
    use crate::flex::vectors::dot;

    impl AttentionBackward for Flex {
        fn attention_backward(
            query: FlexTensor,
            key: FlexTensor,
            value: FlexTensor,
            hidden: FlexTensor,
            n_heads: usize,
            gradient: FlexTensor,
        ) -> [FlexTensor; 3] {
            let [query, key, value, hidden, gradient] = [query, key, value, hidden, gradient].map(contiguous);
            let [d_query, d_key, d_value] = vectorized(Gradient {
                of_output: floats(&gradient),
                heads: Heads {
                    sizes: Sizes::of(&query, &key, &hidden, n_heads),
                    query: floats(&query),
                    key: floats(&key),
                    value: floats(&value),
                    hidden: hidden.storage(),
                },
            });
            [(d_query, query), (d_key, key), (d_value, value)]
                .map(|(gradient, input)| tensor(gradient, input.layout().shape().clone()))
        }
    }

    /// The backward pass over all heads. It computes the attention weights again, which costs less than keeping them.
    ///
    /// For one head, let `W = softmax(S)` with `S = Q Kᵀ / sqrt(d_head)`, and let `G` be the gradient with respect to
    /// the output `W V`:
    ///
    /// ```text
    /// dV = Wᵀ G,  dW = G Vᵀ
    /// dS = W ∘ (dW - rowsum(W ∘ dW))      (∘ multiplies element by element)
    /// dQ = dS K / sqrt(d_head),  dK = dSᵀ Q / sqrt(d_head)
    /// ```
    ///
    /// For example, with `d_head = 1`, one query `Q = [1]`, two keys `K = [0; 0]` and values `V = [1; 3]`, the weights
    /// are `W = [1/2 1/2]` and the output is 2. For `G = [1]`: `dV = [1/2; 1/2]`, `dW = [1 3]`, whose weighted sum is
    /// 2, `dS = [-1/2 1/2]`, `dQ = [0]` and `dK = [-1/2; 1/2]`. The output grows as the second key comes nearer to the
    /// query.
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

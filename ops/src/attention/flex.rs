//! The kernel for attention on flex.
//!
//! It takes the queries of a head in blocks. For a block, it computes with the keys only that a query of the block sees.

use std::ops::Range;

use burn::backend::flex::{Flex, FlexTensor};
use pulp::{Simd, WithSimd};

use super::Window;
use super::kernel::Attention;
use crate::flex::small_product::{Left, Right, WIDTH, padded, small_product};
use crate::flex::tensor::{contiguous, floats, tensor};
use crate::flex::vectorized;
use crate::flex::vectors::softmax_in_place;

/// The number of queries in a block. In larger blocks, more keys are seen by only some of the queries. In smaller ones,
/// the backward pass adds to the gradients of keys and values more often.
const BLOCK: usize = 32;

impl Attention for Flex {
    fn attention_forward(
        query: FlexTensor,
        key: FlexTensor,
        value: FlexTensor,
        hidden: FlexTensor,
        window: Window,
        n_heads: usize,
    ) -> FlexTensor {
        let [query, key, value, hidden] = [query, key, value, hidden].map(contiguous);
        let output = vectorized(Heads {
            sizes: Sizes::of(&query, &key, &hidden, window, n_heads),
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
        let mut weights = vec![0.0; sizes.most_weights()];
        let mut keys = vec![0.0; sizes.d_head * padded(sizes.keys)];
        let mut values = vec![0.0; sizes.keys * sizes.padded_head];
        let mut attended = vec![0.0; sizes.most_queries() * sizes.padded_head];
        for (batch, head) in sizes.heads() {
            sizes.copy_transposed(&mut keys, sizes.keys_of(key, batch, head));
            sizes.copy_rows(&mut values, sizes.keys_of(value, batch, head));
            let hidden = sizes.hidden_of(hidden, batch);
            for block in sizes.blocks() {
                let query = sizes.queries_of(query, batch, head, &block);
                let weights = &mut weights[..block.queries.len() * block.width()];
                let attended = &mut attended[..block.queries.len() * sizes.padded_head];
                sizes.weigh(simd, weights, query, &keys, hidden, &block);
                small_product(
                    attended,
                    Left::rows(weights, block.width()),
                    sizes.rows_of(&values, &block),
                    block.keys.len(),
                    sizes.padded_head,
                );
                sizes.paste_rows(sizes.queries_of_mut(&mut output, batch, head, &block), attended);
            }
        }
        output
    }
}

/// A block of queries and the keys that they see.
struct Block {
    queries: Range<usize>,
    /// All keys from the first to the last that a query of the block sees. The range begins at a multiple of [`WIDTH`].
    keys: Range<usize>,
}

impl Block {
    /// Returns the number of keys, rounded up to whole registers.
    #[inline(always)]
    fn width(&self) -> usize {
        padded(self.keys.len())
    }
}

/// The sizes of a call. The methods find and copy the part of a batch that belongs to one head of one sentence.
///
/// A part that becomes the right factor of a [`small_product`] is first copied, to rows that are padded to whole
/// registers, or transposed.
#[derive(Clone, Copy)]
struct Sizes {
    batch: usize,
    queries: usize,
    keys: usize,
    window: Window,
    d_model: usize,
    n_heads: usize,
    d_head: usize,
    padded_head: usize,
    hidden_batch: usize,
}

impl Sizes {
    fn of(query: &FlexTensor, key: &FlexTensor, hidden: &FlexTensor, window: Window, n_heads: usize) -> Self {
        let (query, keys, hidden) = (
            query.layout().shape(),
            key.layout().shape()[1],
            hidden.layout().shape(),
        );
        let (d_model, d_head) = (query[2], query[2] / n_heads);
        assert_eq!(
            (hidden[1], hidden[2], hidden[3]),
            (1, 1, keys),
            "the mask is the same for all heads and queries"
        );
        Self {
            batch: query[0],
            queries: query[1],
            keys,
            window,
            d_model,
            n_heads,
            d_head,
            padded_head: padded(d_head),
            hidden_batch: hidden[0],
        }
    }

    /// Returns the indices `(batch, head)` of all heads of all sentences.
    fn heads(self) -> impl Iterator<Item = (usize, usize)> {
        (0..self.batch).flat_map(move |batch| (0..self.n_heads).map(move |head| (batch, head)))
    }

    /// Returns the blocks of the queries of a head.
    #[inline(always)]
    fn blocks(self) -> impl Iterator<Item = Block> {
        (0..self.queries).step_by(BLOCK).map(move |first| {
            let queries = first..self.queries.min(first + BLOCK);
            let [of_first, of_last] = [first, queries.end - 1].map(|query| self.keys_seen_by(query));
            // A query after the last key may see none.
            let first_key = of_first.start.min(self.keys - 1);
            Block {
                queries,
                keys: first_key / WIDTH * WIDTH..of_last.end,
            }
        })
    }

    /// Returns the keys within the window of the query at this index.
    #[inline(always)]
    fn keys_seen_by(self, query: usize) -> Range<usize> {
        let start = query.saturating_sub(self.window.before).min(self.keys);
        let end = query.saturating_add(self.window.after).saturating_add(1);
        start..end.min(self.keys)
    }

    /// Returns the number of queries in the largest block.
    fn most_queries(self) -> usize {
        BLOCK.min(self.queries)
    }

    /// Returns the number of attention weights of the block that has most, with padding.
    fn most_weights(self) -> usize {
        let sizes = self.blocks().map(|block| block.queries.len() * block.width());
        sizes.max().unwrap_or(0)
    }

    /// Returns the offset of the first query of a block in one head of one sentence.
    #[inline(always)]
    fn start_of(self, batch: usize, head: usize, block: &Block) -> usize {
        (batch * self.queries + block.queries.start) * self.d_model + head * self.d_head
    }

    /// Returns a block of queries of one head of one sentence: rows of `d_head` values, the starts of which are
    /// `d_model` values apart.
    #[inline(always)]
    fn queries_of<'a>(self, queries: &'a [f32], batch: usize, head: usize, block: &Block) -> &'a [f32] {
        &queries[self.start_of(batch, head, block)..]
    }

    /// Returns for writing what [`queries_of`](Self::queries_of) returns.
    #[inline(always)]
    fn queries_of_mut<'a>(
        self,
        queries: &'a mut [f32],
        batch: usize,
        head: usize,
        block: &Block,
    ) -> &'a mut [f32] {
        &mut queries[self.start_of(batch, head, block)..]
    }

    /// Returns the keys, or the values, of one head of one sentence: rows of `d_head` values, the starts of which are
    /// `d_model` values apart.
    #[inline(always)]
    fn keys_of(self, keys: &[f32], batch: usize, head: usize) -> &[f32] {
        &keys[batch * self.keys * self.d_model + head * self.d_head..]
    }

    /// Returns the mask of one sentence, which is not 0 at hidden keys.
    #[inline(always)]
    fn hidden_of(self, hidden: &[u8], batch: usize) -> &[u8] {
        &hidden[batch % self.hidden_batch * self.keys..][..self.keys]
    }

    /// Copies the rows of one head of one sentence to padded rows, `[positions, padded_head]`.
    #[inline(always)]
    fn copy_rows(self, rows: &mut [f32], part: &[f32]) {
        for (row, values) in rows
            .chunks_exact_mut(self.padded_head)
            .zip(part.chunks(self.d_model))
        {
            row[..self.d_head].copy_from_slice(&values[..self.d_head]);
        }
    }

    /// Copies the keys, or the values, of one head of one sentence to a matrix `[d_head, keys]` in
    /// [blocks](Right::blocks) of columns.
    #[inline(always)]
    fn copy_transposed(self, transposed: &mut [f32], part: &[f32]) {
        for (key, values) in part.chunks(self.d_model).take(self.keys).enumerate() {
            let start = key / WIDTH * WIDTH * self.d_head + key % WIDTH;
            for (dimension, &value) in values[..self.d_head].iter().enumerate() {
                transposed[start + dimension * WIDTH] = value;
            }
        }
    }

    /// Copies padded rows to the part of one head of one sentence, in which rows begin `d_model` values apart.
    #[inline(always)]
    fn paste_rows(self, part: &mut [f32], rows: &[f32]) {
        for (row, values) in rows
            .chunks_exact(self.padded_head)
            .zip(part.chunks_mut(self.d_model))
        {
            values[..self.d_head].copy_from_slice(&row[..self.d_head]);
        }
    }

    /// Returns those padded rows of [`copy_rows`](Self::copy_rows) that belong to the keys of a block.
    #[inline(always)]
    fn rows_of<'a>(self, rows: &'a [f32], block: &Block) -> Right<'a> {
        Right::rows(&rows[block.keys.start * self.padded_head..], self.padded_head)
    }

    /// Returns those columns of [`copy_transposed`](Self::copy_transposed) that belong to the keys of a block.
    #[inline(always)]
    fn columns_of<'a>(self, transposed: &'a [f32], block: &Block) -> Right<'a> {
        Right::blocks(&transposed[block.keys.start * self.d_head..], self.d_head)
    }

    /// Returns `1 / sqrt(d_head)`.
    #[inline(always)]
    fn scale(self) -> f32 {
        (self.d_head as f32).sqrt().recip()
    }

    /// Computes the attention weights of a block, a row of `block.width()` values for each query, with zeros at keys
    /// that the query does not see. `keys` are from [`copy_transposed`](Self::copy_transposed).
    #[inline(always)]
    fn weigh<S: Simd>(
        self,
        simd: S,
        weights: &mut [f32],
        query: &[f32],
        keys: &[f32],
        hidden: &[u8],
        block: &Block,
    ) {
        small_product(
            weights,
            Left::rows(query, self.d_model),
            self.columns_of(keys, block),
            self.d_head,
            block.width(),
        );
        let scale = self.scale();
        let rows = weights.chunks_exact_mut(block.width());
        for (query, row) in block.queries.clone().zip(rows) {
            let seen = self.keys_seen_by(query);
            let hidden = &hidden[seen.clone()];
            let (start, end) = (seen.start - block.keys.start, seen.end - block.keys.start);
            for (score, &hidden) in row[start..end].iter_mut().zip(hidden) {
                *score = if hidden == 0 {
                    *score * scale
                } else {
                    f32::NEG_INFINITY
                };
            }
            row[..start].fill(f32::NEG_INFINITY);
            row[end..].fill(f32::NEG_INFINITY);
            softmax_in_place(simd, row);
        }
    }
}

#[cfg(feature = "autodiff")]
mod backward {
    use super::{
        Flex, FlexTensor, Heads, Left, Right, Simd, Sizes, Window, WithSimd, contiguous, floats, padded,
        small_product, tensor, vectorized,
    };
    use crate::attention::kernel::AttentionBackward;
    use crate::flex::small_product::add_small_product;
    use crate::flex::vectors::dot;

    impl AttentionBackward for Flex {
        fn attention_backward(
            query: FlexTensor,
            key: FlexTensor,
            value: FlexTensor,
            hidden: FlexTensor,
            window: Window,
            n_heads: usize,
            gradient: FlexTensor,
        ) -> [FlexTensor; 3] {
            let [query, key, value, hidden, gradient] = [query, key, value, hidden, gradient].map(contiguous);
            let [d_query, d_key, d_value] = vectorized(Gradient {
                of_output: floats(&gradient),
                heads: Heads {
                    sizes: Sizes::of(&query, &key, &hidden, window, n_heads),
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
            let mut d_query = vec![0.0; query.len()];
            let mut d_key = vec![0.0; key.len()];
            let mut d_value = vec![0.0; value.len()];
            let mut weights = vec![0.0; sizes.most_weights()];
            let mut d_scores = vec![0.0; sizes.most_weights()];
            let transposed = || vec![0.0; sizes.d_head * padded(sizes.keys)];
            let (mut keys_transposed, mut values_transposed) = (transposed(), transposed());
            let key_rows = || vec![0.0; sizes.keys * sizes.padded_head];
            let (mut keys, mut d_keys, mut d_values) = (key_rows(), key_rows(), key_rows());
            let mut query_rows = vec![0.0; sizes.most_queries() * sizes.padded_head];
            let scale = sizes.scale();
            for (batch, head) in sizes.heads() {
                let key = sizes.keys_of(key, batch, head);
                sizes.copy_transposed(&mut keys_transposed, key);
                sizes.copy_transposed(&mut values_transposed, sizes.keys_of(value, batch, head));
                sizes.copy_rows(&mut keys, key);
                d_keys.fill(0.0);
                d_values.fill(0.0);
                let hidden = sizes.hidden_of(hidden, batch);
                for block in sizes.blocks() {
                    let query = sizes.queries_of(query, batch, head, &block);
                    let gradient = sizes.queries_of(self.of_output, batch, head, &block);
                    let (queries, width) = (block.queries.len(), block.width());
                    let [weights, d_scores] =
                        [&mut weights, &mut d_scores].map(|values| &mut values[..queries * width]);
                    let query_rows = &mut query_rows[..queries * sizes.padded_head];
                    let [d_keys, d_values] = [&mut d_keys, &mut d_values].map(|rows| {
                        let rows = &mut rows[block.keys.start * sizes.padded_head..];
                        &mut rows[..block.keys.len() * sizes.padded_head]
                    });
                    sizes.weigh(simd, weights, query, &keys_transposed, hidden, &block);

                    sizes.copy_rows(query_rows, gradient);
                    let left = Left::columns(weights, width);
                    let right = Right::rows(query_rows, sizes.padded_head);
                    add_small_product(d_values, left, right, queries, sizes.padded_head);

                    let left = Left::rows(gradient, sizes.d_model);
                    let right = sizes.columns_of(&values_transposed, &block);
                    small_product(d_scores, left, right, sizes.d_head, width);
                    let rows = d_scores.chunks_exact_mut(width);
                    for (d_scores, weights) in rows.zip(weights.chunks_exact(width)) {
                        let total = dot(simd, d_scores, weights);
                        for (d_score, weight) in d_scores.iter_mut().zip(weights) {
                            *d_score = (*d_score - total) * weight * scale;
                        }
                    }

                    sizes.copy_rows(query_rows, query);
                    let left = Left::columns(d_scores, width);
                    let right = Right::rows(query_rows, sizes.padded_head);
                    add_small_product(d_keys, left, right, queries, sizes.padded_head);

                    let left = Left::rows(d_scores, width);
                    let right = sizes.rows_of(&keys, &block);
                    small_product(query_rows, left, right, block.keys.len(), sizes.padded_head);
                    sizes.paste_rows(
                        sizes.queries_of_mut(&mut d_query, batch, head, &block),
                        query_rows,
                    );
                }
                for (gradient, rows) in [(&mut d_key, &d_keys), (&mut d_value, &d_values)] {
                    let start = batch * sizes.keys * sizes.d_model + head * sizes.d_head;
                    sizes.paste_rows(&mut gradient[start..], rows);
                }
            }
            [d_query, d_key, d_value]
        }
    }
}

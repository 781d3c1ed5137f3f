//! The output layer, its softmax and the loss in one operation.

use burn::tensor::{Int, Tensor};

use crate::linear::product_of_rows;

/// The [`label_smoothed_cross_entropy`] of the logits `x Wᵀ`, in nats.
///
/// The kernel computes the logits a few hundred rows at a time and turns them into gradients at once: a batch's
/// logits, the largest tensor of all, are never in memory together, and padding costs nothing.
///
/// # Shapes
///
/// - x: `[batch, seq, d_model]`
/// - weight: `[vocab_size, d_model]`
/// - target: `[batch, seq]`, padded on the right with `pad_id`
/// - output: `[1]`
#[must_use]
pub fn linear_cross_entropy(
    x: Tensor<3>,
    weight: Tensor<2>,
    target: Tensor<2, Int>,
    pad_id: usize,
    smoothing: f64,
) -> Tensor<1> {
    #[cfg(feature = "flex")]
    if crate::kernel::serves(&x) {
        use burn::backend::Dispatch;
        use flex::CrossEntropy;
        let (x, weight, target) = (x.into_dispatch(), weight.into_dispatch(), target.into_dispatch());
        return Tensor::from_dispatch(Dispatch::linear_cross_entropy(
            x, weight, target, pad_id, smoothing,
        ));
    }
    label_smoothed_cross_entropy(product_of_rows(x, weight.transpose()), target, pad_id, smoothing)
}

/// The sum over all real target tokens of
///
/// ```text
/// -(1 - ε) log p(y) - ε/V Σ_v log p(v)
/// ```
///
/// where `y` is the target token, `V` the size of the vocabulary, `ε` the smoothing and `p` the softmax of the
/// logits (Szegedy et al., 2016). Padding adds nothing. Divide by the number of real tokens in the update, in
/// nats per token.
///
/// # Shapes
///
/// - logits: `[batch, seq, vocab_size]`
/// - target_output: `[batch, seq]`, rows end with `</s>`, padded on the right with `pad_id`
/// - output: `[1]`
pub fn label_smoothed_cross_entropy(
    logits: Tensor<3>,
    target_output: Tensor<2, Int>,
    pad_id: usize,
    smoothing: f64,
) -> Tensor<1> {
    let padding = target_output.clone().equal_elem(pad_id as i64).unsqueeze_dim(2);
    // log p(v) = logit(v) - log Σ exp(logit): subtracting the maximum changes nothing but keeps exp finite, and
    // the mean of log p(v) needs no tensor of log-probabilities.
    let shifted = logits.clone() - logits.detach().max_dim(2);
    let log_sum = shifted.clone().exp().sum_dim(2).log();
    let target_logit = shifted.clone().gather(2, target_output.unsqueeze_dim(2));
    let loss = log_sum - target_logit * (1.0 - smoothing) - shifted.mean_dim(2) * smoothing;
    loss.mask_fill(padding, 0.0).sum()
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::flex::{Flex, FlexTensor};
    use burn::backend::tensor::{FloatTensor, IntTensor};
    use burn::backend::{Backend, backend_extension};
    use pulp::{Simd, WithSimd};

    use crate::kernel::gemm::{Matrix, product};
    use crate::kernel::tensor::{columns, contiguous, floats, integers, tensor};
    use crate::kernel::vectorized;
    use crate::kernel::vectors::{exp_in_place, max, sum};

    /// Rows of logits at a time. Fewer pack the weights more often, more spill out of the cache.
    const CHUNK: usize = 256;

    #[backend_extension(Flex, Autodiff: cfg(feature = "autodiff"))]
    pub(super) trait CrossEntropy: Backend {
        fn linear_cross_entropy(
            x: FloatTensor<Self>,
            weight: FloatTensor<Self>,
            target: IntTensor<Self>,
            pad_id: usize,
            smoothing: f64,
        ) -> FloatTensor<Self>;
    }

    impl CrossEntropy for Flex {
        fn linear_cross_entropy(
            x: FlexTensor,
            weight: FlexTensor,
            target: FlexTensor,
            pad_id: usize,
            smoothing: f64,
        ) -> FlexTensor {
            let (x, weight) = (contiguous(x), contiguous(weight));
            let loss = Rows::new(&x, &weight, &target, pad_id).visit(smoothing, |_, _, _| {});
            tensor(vec![loss as f32], [1])
        }
    }

    /// The rows of x that have a target.
    struct Rows<'a> {
        weight: &'a [f32],
        vocab_size: usize,
        d_model: usize,
        /// Where each row stands among those of x.
        places: Vec<usize>,
        targets: Vec<usize>,
        values: Vec<f32>,
    }

    impl<'a> Rows<'a> {
        fn new(x: &FlexTensor, weight: &'a FlexTensor, target: &FlexTensor, pad_id: usize) -> Self {
            let d_model = columns(x);
            let targets: Vec<usize> = integers(target).iter().map(|&id| id as usize).collect();
            let places: Vec<usize> = (0..targets.len())
                .filter(|&place| targets[place] != pad_id)
                .collect();
            let row = |&place: &usize| &floats(x)[place * d_model..][..d_model];
            Self {
                weight: floats(weight),
                vocab_size: floats(weight).len() / d_model,
                d_model,
                values: places.iter().flat_map(row).copied().collect(),
                targets: places.iter().map(|&place| targets[place]).collect(),
                places,
            }
        }

        /// Returns the loss, and hands each chunk's places, rows, and gradients of the logits to `use_gradients`.
        fn visit(&self, smoothing: f64, mut use_gradients: impl FnMut(&[usize], &[f32], &[f32])) -> f64 {
            let mut loss = 0.0;
            let mut logits = vec![0.0; CHUNK.min(self.places.len()) * self.vocab_size];
            let chunks = self.values.chunks(CHUNK * self.d_model);
            let numbered = self.places.chunks(CHUNK).zip(self.targets.chunks(CHUNK));
            for (rows, (places, targets)) in chunks.zip(numbered) {
                let logits = &mut logits[..places.len() * self.vocab_size];
                let rows_matrix = Matrix::new(rows, places.len());
                let weight = Matrix::new(self.weight, self.vocab_size);
                product(logits, rows_matrix, weight.transposed());
                loss += vectorized(Losses {
                    logits,
                    targets,
                    smoothing,
                });
                use_gradients(places, rows, logits);
            }
            loss
        }
    }

    /// Replaces rows of logits by the loss's gradients of them, and returns the sum of the rows' losses.
    struct Losses<'a> {
        logits: &'a mut [f32],
        targets: &'a [usize],
        smoothing: f64,
    }

    impl WithSimd for Losses<'_> {
        type Output = f64;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> f64 {
            let Self {
                logits,
                targets,
                smoothing,
            } = self;
            let vocab_size = logits.len() / targets.len();
            let share = smoothing as f32 / vocab_size as f32;
            let mut loss = 0.0;
            for (row, &target) in logits.chunks_exact_mut(vocab_size).zip(targets) {
                let max = max(simd, row);
                let of_target = row[target] - max;
                let mean = sum(simd, row) / vocab_size as f32 - max;
                let total = exp_in_place(simd, row, max);
                let log_total = f64::from(total.ln());
                loss += log_total - (1.0 - smoothing) * f64::from(of_target) - smoothing * f64::from(mean);
                let scale = 1.0 / total;
                row.iter_mut().for_each(|value| *value = *value * scale - share);
                row[target] -= 1.0 - smoothing as f32;
            }
            loss
        }
    }

    #[cfg(feature = "autodiff")]
    mod autodiff {
        use burn::backend::Autodiff;
        use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
        use burn::backend::autodiff::grads::Gradients;
        use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
        use burn::backend::ops::FloatTensorOps;

        use super::{
            CrossEntropy, Flex, FlexTensor, FloatTensor, IntTensor, Matrix, Rows, contiguous, floats, tensor,
        };
        use crate::kernel::gemm::{add_product, product};
        use crate::kernel::tensor::propagate;

        impl<C: CheckpointStrategy> CrossEntropy for Autodiff<Flex, C> {
            fn linear_cross_entropy(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                target: IntTensor<Self>,
                pad_id: usize,
                smoothing: f64,
            ) -> FloatTensor<Self> {
                let nodes = [x.node(), weight.node()];
                let (x, weight) = (x.into_primitive(), weight.into_primitive());
                match CrossEntropyBackward
                    .prepare::<C>(nodes)
                    .compute_bound()
                    .stateful()
                {
                    OpsKind::Tracked(operation) => {
                        let (loss, gradients) = with_gradients(x, weight, &target, pad_id, smoothing);
                        operation.finish(gradients, loss)
                    }
                    OpsKind::UnTracked(operation) => {
                        operation.finish(Flex::linear_cross_entropy(x, weight, target, pad_id, smoothing))
                    }
                }
            }
        }

        /// The loss, and its gradients of x and the weight.
        fn with_gradients(
            x: FlexTensor,
            weight: FlexTensor,
            target: &FlexTensor,
            pad_id: usize,
            smoothing: f64,
        ) -> (FlexTensor, [FlexTensor; 2]) {
            let (x, weight) = (contiguous(x), contiguous(weight));
            let rows = Rows::new(&x, &weight, target, pad_id);
            let d_model = rows.d_model;
            let mut d_x = vec![0.0; floats(&x).len()];
            let mut d_weight = vec![0.0; floats(&weight).len()];
            let mut d_rows = vec![0.0; super::CHUNK * d_model];
            let loss = rows.visit(smoothing, |places, rows, d_logits| {
                let d_logits = Matrix::new(d_logits, places.len());
                let d_rows = &mut d_rows[..places.len() * d_model];
                product(d_rows, d_logits, Matrix::new(floats(&weight), d_logits.columns()));
                for (&place, d_row) in places.iter().zip(d_rows.chunks_exact(d_model)) {
                    d_x[place * d_model..][..d_model].copy_from_slice(d_row);
                }
                add_product(
                    &mut d_weight,
                    d_logits.transposed(),
                    Matrix::new(rows, places.len()),
                );
            });
            let gradients = [
                tensor(d_x, x.layout().shape().clone()),
                tensor(d_weight, weight.layout().shape().clone()),
            ];
            (tensor(vec![loss as f32], [1]), gradients)
        }

        #[derive(Debug)]
        struct CrossEntropyBackward;

        impl Backward<Flex, 2> for CrossEntropyBackward {
            type State = [FlexTensor; 2];

            fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
                propagate(ops, grads, |of_loss_one, gradient| {
                    let scale = floats(&gradient)[0];
                    of_loss_one.map(|gradient| Flex::float_mul_scalar(gradient, scale.into()))
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    fn loss(smoothing: f64, target: [[i32; 2]; 1]) -> f32 {
        let device = Device::default();
        // Probabilities 1/2, 1/4, 1/8, 1/8 and then 1/4 each.
        let logits = Tensor::<3>::from_data([[[0.0, -1.0, -2.0, -2.0], [1.0, 1.0, 1.0, 1.0]]], &device)
            * std::f32::consts::LN_2;
        let target = Tensor::from_ints(target, &device);
        label_smoothed_cross_entropy(logits, target, 0, smoothing).into_scalar()
    }

    #[test]
    fn exact_small_cases() {
        let ln2 = std::f32::consts::LN_2;
        let close = |a: f32, b: f32| assert!((a - b).abs() < 1e-6, "{a} is not {b}");
        // Without smoothing, the cross-entropy of the two targets is 1 and 2 bits.
        close(loss(0.0, [[1, 3]]), (2.0 + 2.0) * ln2);
        // The mean over the vocabulary is (1 + 2 + 3 + 3) / 4 bits, and 2.
        close(loss(1.0, [[1, 3]]), (9.0 / 4.0 + 2.0) * ln2);
        close(loss(0.1, [[1, 3]]), (0.9 * 4.0 + 0.1 * (9.0 / 4.0 + 2.0)) * ln2);
        // Padding adds nothing.
        close(loss(0.0, [[1, 0]]), 2.0 * ln2);
    }
}

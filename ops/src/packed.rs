//! The output layer with its weight laid out for translating.

use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;

/// A matrix of weights, laid out once for all the products that translating takes with it: to do so for each, as a
/// general routine does, costs as much as the product when there are few rows.
#[derive(Clone, Debug)]
pub struct PackedWeight {
    /// `[panels, d_input, columns]`: the columns of the weight in groups, the last one filled up with zeros. Where
    /// there is no kernel they are one group.
    panels: Tensor<3>,
    d_output: usize,
}

impl PackedWeight {
    /// Lays out a weight, `[d_input, d_output]`.
    #[must_use]
    pub fn new(weight: Tensor<2>) -> Self {
        let [_, d_output] = weight.dims();
        #[cfg(feature = "flex")]
        if crate::kernel::serves_inference(&weight) {
            let panels = in_panels(weight, crate::kernel::packed_product::PANEL);
            return Self { panels, d_output };
        }
        Self {
            panels: weight.unsqueeze_dim(0),
            d_output,
        }
    }

    /// The weight as it was, `[d_input, d_output]`.
    #[must_use]
    pub fn unpacked(&self) -> Tensor<2> {
        let [panels, d_input, columns] = self.panels.dims();
        let filled = self.panels.clone().swap_dims(0, 1);
        filled
            .reshape([d_input, panels * columns])
            .slice_dim(1, 0..self.d_output)
    }
}

/// A matrix `[d_input, d_output]` as `[panels, d_input, columns]`, in memory too.
#[cfg(feature = "flex")]
fn in_panels(weight: Tensor<2>, columns: usize) -> Tensor<3> {
    let ([d_input, d_output], device) = (weight.dims(), weight.device());
    let panels = d_output.div_ceil(columns);
    let filling = Tensor::zeros([d_input, panels * columns - d_output], &device);
    let filled = Tensor::cat(vec![weight, filling], 1);
    let view = filled.reshape([d_input, panels, columns]).swap_dims(0, 1);
    // What is read from a view is in the order of its indices, and stays so.
    Tensor::from_data(view.into_data(), &device)
}

/// `log softmax(x W)`: the log-probability of every token of the vocabulary (section 3.4).
///
/// There is no backward pass: training takes [`linear_cross_entropy`](crate::linear_cross_entropy).
///
/// # Shapes
///
/// - x: `[rows, d_model]`
/// - output: `[rows, vocab_size]`
#[must_use]
pub fn packed_log_softmax(x: Tensor<2>, weight: &PackedWeight) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if crate::kernel::serves_inference(&x) {
        use burn::backend::Dispatch;
        use flex::PackedLogSoftmax;
        let panels = weight.panels.clone().into_dispatch();
        return Tensor::from_dispatch(Dispatch::packed_log_softmax(
            x.into_dispatch(),
            panels,
            weight.d_output,
        ));
    }
    log_softmax(x.matmul(weight.unpacked()), 1)
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::flex::{Flex, FlexTensor};
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{Backend, backend_extension};

    use crate::kernel::lanes::{max, sum_of_exp};
    use crate::kernel::packed_product::packed_product;
    use crate::kernel::tensor::{columns, contiguous, floats, tensor};
    use crate::kernel::vectorized;

    #[backend_extension(Flex)]
    pub(super) trait PackedLogSoftmax: Backend {
        fn packed_log_softmax(
            x: FloatTensor<Self>,
            panels: FloatTensor<Self>,
            vocab_size: usize,
        ) -> FloatTensor<Self>;
    }

    impl PackedLogSoftmax for Flex {
        fn packed_log_softmax(x: FlexTensor, panels: FlexTensor, vocab_size: usize) -> FlexTensor {
            let x = contiguous(x);
            let rows = floats(&x).len() / columns(&x);
            let mut output = vec![0.0; rows * vocab_size];
            packed_product(&mut output, floats(&x), floats(&panels), rows);
            vectorized(
                #[inline(always)]
                || {
                    for logits in output.chunks_exact_mut(vocab_size) {
                        let max = max(logits);
                        let log_total = max + sum_of_exp(logits, max).ln();
                        logits.iter_mut().for_each(|logit| *logit -= log_total);
                    }
                },
            );
            tensor(output, [rows, vocab_size])
        }
    }
}

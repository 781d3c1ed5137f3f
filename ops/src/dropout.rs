//! Dropout.

use burn::tensor::{Tensor, TensorData};

/// Zeroes each element with `probability`, in [0, 1), and multiplies the others by `1 / (1 - probability)`, so that the
/// expectation stays (Srivastava et al., 2014).
///
/// `seed` decides which: the same elements in every call with it, on every backend. Nothing is kept for the backward
/// pass, which draws them again.
#[must_use]
pub fn dropout<const D: usize>(x: Tensor<D>, probability: f64, seed: u64) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if crate::kernel::serves(&x) {
        use burn::backend::Dispatch;
        use flex::Dropout;
        return Tensor::from_dispatch(Dispatch::dropout(x.into_dispatch(), probability, seed));
    }
    plain(x, probability, seed)
}

/// [`dropout`] as a product with a mask.
#[must_use]
pub fn plain<const D: usize>(x: Tensor<D>, probability: f64, seed: u64) -> Tensor<D> {
    let shape = x.shape();
    let draw = Draw::new(probability, seed);
    let mask: Vec<f32> = (0..shape.num_elements() as u32)
        .map(|index| draw.factor(index))
        .collect();
    let mask = Tensor::from_data(TensorData::new(mask, shape), &x.device());
    x * mask
}

/// The random numbers of one call: a hash of the seed and an element's index, which needs no state and thus no order.
#[derive(Clone, Copy)]
struct Draw {
    keys: [u32; 2],
    threshold: u32,
    kept: f32,
}

impl Draw {
    fn new(probability: f64, seed: u64) -> Self {
        // SplitMix64 (Steele et al., 2014): seeds that differ in one bit get unrelated keys.
        let mut key = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
        key = (key ^ (key >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        key = (key ^ (key >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        key ^= key >> 31;
        Self {
            keys: [key as u32, (key >> 32) as u32],
            threshold: (probability * 2f64.powi(32)) as u32,
            kept: (1.0 / (1.0 - probability)) as f32,
        }
    }

    /// What the element at `index` is multiplied by. The hash is the finalizer of MurmurHash3 with a key before each
    /// round.
    #[inline(always)]
    fn factor(self, index: u32) -> f32 {
        let mut hash = index.wrapping_mul(0x9E37_79B9) ^ self.keys[0];
        hash = (hash ^ (hash >> 16)).wrapping_mul(0x85EB_CA6B);
        hash = (hash ^ self.keys[1] ^ (hash >> 13)).wrapping_mul(0xC2B2_AE35);
        hash ^= hash >> 16;
        if hash < self.threshold { 0.0 } else { self.kept }
    }
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::flex::{Flex, FlexTensor};
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{Backend, backend_extension};

    use super::Draw;
    use crate::kernel::tensor::{contiguous, floats, tensor};
    use crate::kernel::vectorized;

    #[backend_extension(Flex, Autodiff: cfg(feature = "autodiff"))]
    pub(super) trait Dropout: Backend {
        fn dropout(x: FloatTensor<Self>, probability: f64, seed: u64) -> FloatTensor<Self>;
    }

    impl Dropout for Flex {
        fn dropout(x: FlexTensor, probability: f64, seed: u64) -> FlexTensor {
            let x = contiguous(x);
            let draw = Draw::new(probability, seed);
            let output = vectorized(
                #[inline(always)]
                || {
                    let values = floats(&x).iter().zip(0..);
                    values.map(|(&value, index)| value * draw.factor(index)).collect()
                },
            );
            tensor(output, x.layout().shape().clone())
        }
    }

    #[cfg(feature = "autodiff")]
    mod autodiff {
        use burn::backend::Autodiff;
        use burn::backend::autodiff::checkpoint::{base::Checkpointer, strategy::CheckpointStrategy};
        use burn::backend::autodiff::grads::Gradients;
        use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};

        use super::{Dropout, Flex, FloatTensor};

        impl<C: CheckpointStrategy> Dropout for Autodiff<Flex, C> {
            fn dropout(x: FloatTensor<Self>, probability: f64, seed: u64) -> FloatTensor<Self> {
                let (x, node) = x.into_parts();
                let output = Flex::dropout(x, probability, seed);
                match DropoutBackward.prepare::<C>([node]).compute_bound().stateful() {
                    OpsKind::Tracked(operation) => operation.finish((probability, seed), output),
                    OpsKind::UnTracked(operation) => operation.finish(output),
                }
            }
        }

        #[derive(Debug)]
        struct DropoutBackward;

        impl Backward<Flex, 1> for DropoutBackward {
            type State = (f64, u64);

            fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
                let (probability, seed) = ops.state;
                unary::<Flex, _>(ops.parents, ops.node, grads, |gradient| {
                    Flex::dropout(gradient, probability, seed)
                });
            }
        }
    }
}

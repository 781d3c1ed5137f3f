//! What a backend implements to have a kernel for dropout.

use burn::backend::tensor::FloatTensor;
#[cfg(feature = "autodiff")]
use burn::backend::{Autodiff, autodiff::checkpoint::strategy::CheckpointStrategy};
use burn::backend::{Backend, backend_extension};

/// A backend with a kernel for [`dropout`](super::dropout()). The kernel also computes the backward pass, which drops
/// and scales the gradient exactly as the forward pass drops and scales x.
#[backend_extension(Flex, Autodiff: cfg(feature = "autodiff"))]
pub(super) trait Dropout: Backend {
    fn dropout(x: FloatTensor<Self>, probability: f64, seed: u64) -> FloatTensor<Self>;
}

#[cfg(feature = "autodiff")]
impl<B: Dropout, C: CheckpointStrategy> Dropout for Autodiff<B, C> {
    fn dropout(x: FloatTensor<Self>, probability: f64, seed: u64) -> FloatTensor<Self> {
        crate::autodiff::record::<B, C, _, _>(
            [x],
            |[x]| (B::dropout(x, probability, seed), (probability, seed)),
            |(probability, seed), gradient| [B::dropout(gradient, probability, seed)],
        )
    }
}

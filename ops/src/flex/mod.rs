//! What the kernels for Burn's CPU backend flex share: matrix products, vector loops, and the values of tensors.
//!
//! A kernel's loops run on the calling thread. Its large matrix products use the rayon pool of that thread. Several
//! workers can share a batch, in which case each computes a part of it.

use pulp::WithSimd;

pub(crate) mod activation;
pub(crate) mod gemm;
pub(crate) mod small_product;
pub(crate) mod tensor;
pub(crate) mod vectors;

/// Runs `loops`, compiled for the widest vectors of the processor. `loops` is a closure, or a [`WithSimd`] with
/// explicit vector instructions.
///
/// `loops` and every function that it calls must be `#[inline(always)]`, because a function that is not inlined is
/// compiled for the oldest supported processor.
#[inline(always)]
pub(crate) fn vectorized<L: WithSimd>(loops: L) -> L::Output {
    pulp::Arch::new().dispatch(loops)
}

//! What the kernels for Burn's CPU backend flex share: matrix products, vector loops, and the values of tensors.
//!
//! A kernel runs on the thread that calls it. Several threads share a batch by computing on a part of it each.

use pulp::WithSimd;

pub(crate) mod gemm;
pub(crate) mod small_product;
pub(crate) mod tensor;
pub(crate) mod vectors;

/// Runs `loops`, compiled for the widest vectors that the processor has. `loops` is a closure, or a [`WithSimd`] that
/// works with the vectors itself.
///
/// Every function that `loops` calls must be `#[inline(always)]`, and so must `loops`: a function that is not inlined
/// is compiled for the oldest processor.
#[inline(always)]
pub(crate) fn vectorized<L: WithSimd>(loops: L) -> L::Output {
    pulp::Arch::new().dispatch(loops)
}

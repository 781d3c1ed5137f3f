//! What the kernels of the CPU backend share: matrix products, vector loops, and the way from tensors to slices.
//!
//! A kernel runs on the thread that calls it, one of the workers that share a batch.

use burn::tensor::{DType, Device, Tensor};
use pulp::WithSimd;

use crate::mixed_precision::is_full;

pub(crate) mod gemm;
pub(crate) mod packed_product;
pub(crate) mod small_product;
pub(crate) mod tensor;
pub(crate) mod vectors;

/// Runs `loops`, a closure or what takes the vectors themselves, compiled for the widest that the processor has. It and
/// all that it calls must be `#[inline(always)]`: what is not inlined is compiled for the oldest processor.
#[inline(always)]
pub(crate) fn vectorized<L: WithSimd>(loops: L) -> L::Output {
    pulp::Arch::new().dispatch(loops)
}

/// Whether the kernels compute on `tensor`: single precision on flex, with or without autodiff.
pub(crate) fn serves<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.device().without_autodiff() == Device::flex() && tensor.dtype() == DType::F32 && is_full()
}

/// Whether the kernels without a backward pass compute on `tensor`.
pub(crate) fn serves_inference<const D: usize>(tensor: &Tensor<D>) -> bool {
    serves(tensor) && !tensor.device().is_autodiff()
}

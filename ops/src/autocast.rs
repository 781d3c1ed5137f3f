//! Matrix products in half precision (Micikevicius et al., 2018, "Mixed Precision Training").

use std::cell::Cell;

use burn::tensor::{FloatDType, Tensor};

thread_local! {
    static DTYPE: Cell<FloatDType> = const { Cell::new(FloatDType::F32) };
}

/// Runs `work`. Meanwhile, matrix products on this thread are computed in `dtype`: both factors and the result are
/// rounded to it.
///
/// The backward pass of such a matrix product computes in `dtype` too, even if it runs after `work` or on another
/// thread. Everything else stays in 32-bit floats: weights, softmax, layer normalization and the loss.
///
/// ```
/// use attend_ops::{Activation, autocast, linear};
/// use burn::tensor::{Device, FloatDType, Tensor};
///
/// let device = Device::default();
/// let x = Tensor::<3>::from_data([[[1.001]]], &device);
/// let weight = Tensor::<2>::from_data([[1.0]], &device);
/// let bias = Tensor::<1>::from_data([0.0], &device);
/// // Near 1, the numbers of bfloat16 lie 1/128 apart.
/// let y = autocast(FloatDType::BF16, || linear(x, weight, bias, Activation::Identity));
/// assert_eq!(y.into_scalar::<f32>(), 1.0);
/// ```
pub fn autocast<R>(dtype: FloatDType, work: impl FnOnce() -> R) -> R {
    struct Restore(FloatDType);
    impl Drop for Restore {
        fn drop(&mut self) {
            DTYPE.set(self.0);
        }
    }
    let _restore = Restore(DTYPE.replace(dtype));
    work()
}

/// Returns whether this thread computes matrix products in a type other than 32-bit floats.
#[cfg(feature = "flex")]
pub(crate) fn is_active() -> bool {
    DTYPE.get() != FloatDType::F32
}

/// Returns the matrix product of two matrices, or of two batches of matrices, in the type that [`autocast`] set for
/// this thread.
pub(crate) fn matmul<const D: usize>(left: Tensor<D>, right: Tensor<D>) -> Tensor<D> {
    match DTYPE.get() {
        FloatDType::F32 => left.matmul(right),
        dtype => left.cast(dtype).matmul(right.cast(dtype)).cast(FloatDType::F32),
    }
}

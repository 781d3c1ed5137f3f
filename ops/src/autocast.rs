//! Matrix products in half precision (Micikevicius et al., 2018, "Mixed Precision Training").

use std::cell::Cell;

use burn::tensor::{FloatDType, Tensor};

thread_local! {
    static DTYPE: Cell<FloatDType> = const { Cell::new(FloatDType::F32) };
}

/// Runs `work`, in which this thread computes matrix products in `dtype`: it rounds both factors and the result.
///
/// The backward passes of these products compute in `dtype` as well, also when they run later or on another thread.
/// Weights stay in 32-bit floats, and so does all that is not a matrix product: softmax, layer normalization, loss.
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

/// Returns whether this thread computes matrix products in another type than 32-bit floats.
#[cfg(feature = "flex")]
pub(crate) fn is_active() -> bool {
    DTYPE.get() != FloatDType::F32
}

/// Returns the matrix product of two matrices, or of two stacks of matrices, computed in this thread's type.
pub(crate) fn matmul<const D: usize>(left: Tensor<D>, right: Tensor<D>) -> Tensor<D> {
    match DTYPE.get() {
        FloatDType::F32 => left.matmul(right),
        dtype => left.cast(dtype).matmul(right.cast(dtype)).cast(FloatDType::F32),
    }
}

//! Products of matrices in half precision (Micikevicius et al., 2018, "Mixed Precision Training").

use std::cell::Cell;

use burn::tensor::{FloatDType, Tensor};

thread_local! {
    static FACTORS: Cell<FloatDType> = const { Cell::new(FloatDType::F32) };
}

/// Does `work`, in which this thread takes products of matrices in `dtype`, factors and results rounded to it, and so do
/// their backward passes wherever they run. Weights and all else, softmax, norms and loss among it, are 32-bit floats.
pub fn with_products_in<R>(dtype: FloatDType, work: impl FnOnce() -> R) -> R {
    struct Restore(FloatDType);
    impl Drop for Restore {
        fn drop(&mut self) {
            FACTORS.set(self.0);
        }
    }
    let _restore = Restore(FACTORS.replace(dtype));
    work()
}

/// Whether this thread takes products of 32-bit floats.
#[cfg(feature = "flex")]
pub(crate) fn is_full() -> bool {
    FACTORS.get() == FloatDType::F32
}

/// The product of two matrices, or of two stacks of them, in the precision of this thread.
pub(crate) fn product<const D: usize>(left: Tensor<D>, right: Tensor<D>) -> Tensor<D> {
    match FACTORS.get() {
        FloatDType::F32 => left.matmul(right),
        dtype => left.cast(dtype).matmul(right.cast(dtype)).cast(FloatDType::F32),
    }
}

//! What clipping measures gradients by.

use burn::tensor::Tensor;

/// The sum of the squares of all numbers in some vectors, one or more, on one device without autodiff: `[1]`.
///
/// # Panics
///
/// If there is no vector.
#[must_use]
pub fn sum_of_squares(vectors: Vec<Tensor<1>>) -> Tensor<1> {
    #[cfg(feature = "flex")]
    if vectors.iter().all(crate::kernel::serves_inference) {
        use burn::backend::Dispatch;
        use flex::SumOfSquares;
        let of_vector = |vector: Tensor<1>| -> Tensor<1> {
            Tensor::from_dispatch(Dispatch::sum_of_squares(vector.into_dispatch()))
        };
        return Tensor::cat(vectors.into_iter().map(of_vector).collect(), 0).sum();
    }
    plain(vectors)
}

/// [`sum_of_squares()`] as a chain of tensor operations: a card takes as long to begin a sum as to lay a small vector
/// beside the others.
#[must_use]
pub fn plain(vectors: Vec<Tensor<1>>) -> Tensor<1> {
    Tensor::cat(vectors, 0).square().sum()
}

#[cfg(feature = "flex")]
mod flex {
    use burn::backend::flex::{Flex, FlexTensor};
    use burn::backend::tensor::FloatTensor;
    use burn::backend::{Backend, backend_extension};
    use pulp::{Simd, WithSimd};

    use crate::kernel::tensor::{contiguous, floats, tensor};
    use crate::kernel::vectorized;
    use crate::kernel::vectors::sum_of_squares;

    /// Numbers whose squares are added up in 32 bits.
    const CHUNK: usize = 4096;

    #[backend_extension(Flex)]
    pub(super) trait SumOfSquares: Backend {
        fn sum_of_squares(vector: FloatTensor<Self>) -> FloatTensor<Self>;
    }

    impl SumOfSquares for Flex {
        fn sum_of_squares(vector: FlexTensor) -> FlexTensor {
            let vector = contiguous(vector);
            let sum = vectorized(Squares(floats(&vector)));
            tensor(vec![sum as f32], [1])
        }
    }

    struct Squares<'a>(&'a [f32]);

    impl WithSimd for Squares<'_> {
        type Output = f64;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> f64 {
            let mut total = 0.0;
            for chunk in self.0.chunks(CHUNK) {
                total += f64::from(sum_of_squares(simd, chunk, 0.0));
            }
            total
        }
    }
}

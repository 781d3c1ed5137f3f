//! Products of small matrices. For these, preparing the factors for a general routine would cost more than the product.

/// The number of floats in the widest vector register. The rows of right factors and of products are padded to a
/// multiple of it.
pub(crate) const WIDTH: usize = 16;

/// The number of rows of a product that are computed together, so that each value loaded from the right factor is used
/// this many times.
const ROWS: usize = 4;

/// Returns `length` rounded up to whole registers.
pub(crate) fn padded(length: usize) -> usize {
    length.next_multiple_of(WIDTH)
}

/// The left factor of a product: `values[row · row_stride + column · column_stride]` is the value in a row and column.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a> {
    values: &'a [f32],
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Left<'a> {
    /// A matrix whose rows begin `stride` values apart.
    pub(crate) fn rows(values: &'a [f32], stride: usize) -> Self {
        Self {
            values,
            row_stride: stride,
            column_stride: 1,
        }
    }

    /// The transpose of a matrix whose rows begin `stride` values apart.
    #[cfg(feature = "autodiff")]
    pub(crate) fn columns(values: &'a [f32], stride: usize) -> Self {
        Self {
            values,
            row_stride: 1,
            column_stride: stride,
        }
    }
}

/// Computes `out = left · right`. `left` has `depth` columns and `right` has `depth` rows. The rows of `out` and
/// `right` are `width` values long, a multiple of [`WIDTH`].
#[inline(always)]
pub(crate) fn small_product(out: &mut [f32], left: Left<'_>, right: &[f32], depth: usize, width: usize) {
    let mut first = 0;
    let mut groups = out.chunks_exact_mut(ROWS * width);
    for group in &mut groups {
        rows::<ROWS>(group, left, first, right, depth, width);
        first += ROWS;
    }
    for row in groups.into_remainder().chunks_exact_mut(width) {
        rows::<1>(row, left, first, right, depth, width);
        first += 1;
    }
}

/// Computes `N` rows of a product. `first` is the index of the first of these rows in the left factor and in the
/// product.
#[inline(always)]
fn rows<const N: usize>(
    out: &mut [f32],
    left: Left<'_>,
    first: usize,
    right: &[f32],
    depth: usize,
    width: usize,
) {
    let (right, _) = right.as_chunks::<WIDTH>();
    let blocks = width / WIDTH;
    for block in 0..blocks {
        let mut sums = [[0.0f32; WIDTH]; N];
        for k in 0..depth {
            let right = &right[k * blocks + block];
            for (row, sums) in sums.iter_mut().enumerate() {
                let factor = left.values[(first + row) * left.row_stride + k * left.column_stride];
                for (sum, right) in sums.iter_mut().zip(right) {
                    *sum = factor.mul_add(*right, *sum);
                }
            }
        }
        for (row, sums) in sums.iter().enumerate() {
            out[row * width + block * WIDTH..][..WIDTH].copy_from_slice(sums);
        }
    }
}

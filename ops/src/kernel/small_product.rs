//! Products of matrices so small that preparing them for a general routine would cost more than multiplying them.

/// Values a vector register holds, at most: the rows of what is multiplied are padded to a multiple of it.
pub(crate) const WIDTH: usize = 16;

/// Rows of the output computed together: each value loaded from the right factor is used that often.
const ROWS: usize = 4;

/// `length` rounded up to whole registers.
pub(crate) fn padded(length: usize) -> usize {
    length.next_multiple_of(WIDTH)
}

/// The left factor of a product: `value(row, k)` is at `row · row_stride + k · column_stride`.
#[derive(Clone, Copy)]
pub(crate) struct Left<'a> {
    values: &'a [f32],
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Left<'a> {
    /// A matrix of rows at a stride.
    pub(crate) fn rows(values: &'a [f32], stride: usize) -> Self {
        Self {
            values,
            row_stride: stride,
            column_stride: 1,
        }
    }

    /// The transpose of a matrix of rows at a stride.
    pub(crate) fn columns(values: &'a [f32], stride: usize) -> Self {
        Self {
            values,
            row_stride: 1,
            column_stride: stride,
        }
    }
}

/// `out = left · right` with `depth` columns on the left and rows on the right. The rows of `out` and `right` are
/// `width` values long, a multiple of [`WIDTH`].
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

/// `N` rows of a product, of which `first` is the first.
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

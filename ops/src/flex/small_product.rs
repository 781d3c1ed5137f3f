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

/// The right factor of a product, in registers of [`WIDTH`] neighbouring values of a row: the value of a row and of a
/// block of columns is in `registers[row · row_stride + block · block_stride]`.
#[derive(Clone, Copy)]
pub(crate) struct Right<'a> {
    registers: &'a [[f32; WIDTH]],
    row_stride: usize,
    block_stride: usize,
}

impl<'a> Right<'a> {
    /// A matrix whose rows are `width` values long, a multiple of [`WIDTH`].
    pub(crate) fn rows(values: &'a [f32], width: usize) -> Self {
        let (registers, _) = values.as_chunks();
        Self {
            registers,
            row_stride: width / WIDTH,
            block_stride: 1,
        }
    }

    /// A matrix of `depth` rows in blocks of [`WIDTH`] columns: all rows of the first block, then all rows of the next.
    pub(crate) fn blocks(values: &'a [f32], depth: usize) -> Self {
        let (registers, _) = values.as_chunks();
        Self {
            registers,
            row_stride: 1,
            block_stride: depth,
        }
    }
}

/// Computes `out = left · right`. `left` has `depth` columns and `right` has `depth` rows. The rows of `out` are `width`
/// values long, a multiple of [`WIDTH`].
#[inline(always)]
pub(crate) fn small_product(out: &mut [f32], left: Left<'_>, right: Right<'_>, depth: usize, width: usize) {
    row_groups::<false>(out, left, right, depth, width);
}

/// Computes `out = out + left · right`, with factors as those of [`small_product`].
#[cfg(feature = "autodiff")]
#[inline(always)]
pub(crate) fn add_small_product(
    out: &mut [f32],
    left: Left<'_>,
    right: Right<'_>,
    depth: usize,
    width: usize,
) {
    row_groups::<true>(out, left, right, depth, width);
}

/// Computes the product, and adds it to `out` if `ADD`.
#[inline(always)]
fn row_groups<const ADD: bool>(
    out: &mut [f32],
    left: Left<'_>,
    right: Right<'_>,
    depth: usize,
    width: usize,
) {
    let mut first = 0;
    let mut groups = out.chunks_exact_mut(ROWS * width);
    for group in &mut groups {
        rows::<ROWS, ADD>(group, left, first, right, depth, width);
        first += ROWS;
    }
    for row in groups.into_remainder().chunks_exact_mut(width) {
        rows::<1, ADD>(row, left, first, right, depth, width);
        first += 1;
    }
}

/// Computes `N` rows of a product, and adds them to `out` if `ADD`. `first` is the index of the first of these rows in
/// the left factor.
#[inline(always)]
fn rows<const N: usize, const ADD: bool>(
    out: &mut [f32],
    left: Left<'_>,
    first: usize,
    right: Right<'_>,
    depth: usize,
    width: usize,
) {
    for block in 0..width / WIDTH {
        let mut sums = [[0.0f32; WIDTH]; N];
        if ADD {
            for (row, sums) in sums.iter_mut().enumerate() {
                sums.copy_from_slice(&out[row * width + block * WIDTH..][..WIDTH]);
            }
        }
        let registers = &right.registers[block * right.block_stride..];
        let registers = registers.iter().step_by(right.row_stride).take(depth);
        for (k, right) in registers.enumerate() {
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

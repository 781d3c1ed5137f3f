//! Matrix products of any size, on slices.

/// A matrix whose values lie in a slice.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    values: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A matrix of `rows` rows of equal length, which lie one after the other in `values`.
    pub(crate) fn new(values: &'a [f32], rows: usize) -> Self {
        let columns = values.len().checked_div(rows).unwrap_or(0);
        assert_eq!(rows * columns, values.len(), "the values fill whole rows");
        Self {
            values,
            rows,
            columns,
            row_stride: columns,
            column_stride: 1,
        }
    }

    /// Returns the transposed matrix, without moving a value.
    pub(crate) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }
}

/// Computes `out = left · right`.
pub(crate) fn product(out: &mut [f32], left: Matrix<'_>, right: Matrix<'_>) {
    multiply(out, left, right, false);
}

/// Computes `out = out + left · right`.
pub(crate) fn add_product(out: &mut [f32], left: Matrix<'_>, right: Matrix<'_>) {
    multiply(out, left, right, true);
}

#[allow(unsafe_code)]
fn multiply(out: &mut [f32], left: Matrix<'_>, right: Matrix<'_>, accumulate: bool) {
    assert_eq!(left.columns, right.rows, "the inner dimensions agree");
    assert_eq!(
        out.len(),
        left.rows * right.columns,
        "the product fills the output"
    );
    // SAFETY: a `Matrix` has all its rows · columns values within its slice, at strides that fit into an isize since
    // the slice does; the output has exactly the product's rows and columns, and as `&mut` overlaps neither factor.
    unsafe {
        gemm::gemm(
            left.rows,
            right.columns,
            left.columns,
            out.as_mut_ptr(),
            1,
            right.columns as isize,
            accumulate,
            left.values.as_ptr(),
            left.column_stride as isize,
            left.row_stride as isize,
            right.values.as_ptr(),
            right.column_stride as isize,
            right.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::Rayon(0),
        );
    }
}

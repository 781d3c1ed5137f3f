//! Loops over a row of floats with explicit vector instructions.
//!
//! The compiler does not vectorize these loops well on its own. It may not reorder a plain sum of floats, and of a sum
//! with several partial sums it makes vectors of only two values.

use pulp::{Scalar, Simd};

/// The number of partial results that a loop computes side by side, so that no vector instruction waits for the one
/// before it.
const PARTS: usize = 4;

/// Folds many vectors into [`PARTS`] partial results, each of which starts as `start`. `next(result, vector)` returns
/// the result with one more vector included. `next` must be `#[inline(always)]`.
#[inline(always)]
fn fold<V: Copy>(vectors: &[V], start: V, next: impl Fn(V, V) -> V) -> [V; PARTS] {
    let mut parts = [start; PARTS];
    let (groups, rest) = vectors.as_chunks::<PARTS>();
    for group in groups {
        for (part, &vector) in parts.iter_mut().zip(group) {
            *part = next(*part, vector);
        }
    }
    for (part, &vector) in parts.iter_mut().zip(rest) {
        *part = next(*part, vector);
    }
    parts
}

/// Returns the sum of all values in four vectors.
#[inline(always)]
fn total<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; PARTS]) -> f32 {
    simd.reduce_sum_f32s(simd.add_f32s(simd.add_f32s(a, b), simd.add_f32s(c, d)))
}

/// Returns the largest value in four vectors.
#[inline(always)]
fn largest<S: Simd>(simd: S, [a, b, c, d]: [S::f32s; PARTS]) -> f32 {
    simd.reduce_max_f32s(simd.max_f32s(simd.max_f32s(a, b), simd.max_f32s(c, d)))
}

/// Returns the sum of a row's values.
#[inline(always)]
pub(crate) fn sum<S: Simd>(simd: S, row: &[f32]) -> f32 {
    let (vectors, rest) = S::as_simd_f32s(row);
    let sums = fold(
        vectors,
        simd.splat_f32s(0.0),
        #[inline(always)]
        |sum, vector| simd.add_f32s(sum, vector),
    );
    total(simd, sums) + rest.iter().sum::<f32>()
}

/// Returns the sum of `(value - mean)²` over a row's values.
#[inline(always)]
pub(crate) fn sum_of_squares<S: Simd>(simd: S, row: &[f32], mean: f32) -> f32 {
    let (vectors, rest) = S::as_simd_f32s(row);
    let means = simd.splat_f32s(mean);
    let sums = fold(
        vectors,
        simd.splat_f32s(0.0),
        #[inline(always)]
        |sum, vector| {
            let deviation = simd.sub_f32s(vector, means);
            simd.mul_add_e_f32s(deviation, deviation, sum)
        },
    );
    let squares = rest.iter().map(|value| (value - mean) * (value - mean));
    total(simd, sums) + squares.sum::<f32>()
}

/// Returns the dot product of two rows of equal length.
#[inline(always)]
pub(crate) fn dot<S: Simd>(simd: S, left: &[f32], right: &[f32]) -> f32 {
    let ((left, left_rest), (right, right_rest)) = (S::as_simd_f32s(left), S::as_simd_f32s(right));
    let ((left, left_last), (right, right_last)) = (left.as_chunks::<PARTS>(), right.as_chunks::<PARTS>());
    let mut sums = [simd.splat_f32s(0.0); PARTS];
    for (left, right) in left.iter().zip(right) {
        for (sum, (&left, &right)) in sums.iter_mut().zip(left.iter().zip(right)) {
            *sum = simd.mul_add_e_f32s(left, right, *sum);
        }
    }
    for (sum, (&left, &right)) in sums.iter_mut().zip(left_last.iter().zip(right_last)) {
        *sum = simd.mul_add_e_f32s(left, right, *sum);
    }
    let products = left_rest.iter().zip(right_rest).map(|(left, right)| left * right);
    total(simd, sums) + products.sum::<f32>()
}

/// Returns the largest value of a row other than NaN, and negative infinity if there is none.
#[inline(always)]
pub(crate) fn max<S: Simd>(simd: S, row: &[f32]) -> f32 {
    let (vectors, rest) = S::as_simd_f32s(row);
    let maxima = fold(
        vectors,
        simd.splat_f32s(f32::NEG_INFINITY),
        #[inline(always)]
        |max, vector| simd.max_f32s(vector, max),
    );
    rest.iter().copied().fold(largest(simd, maxima), f32::max)
}

/// Returns the largest absolute value of a row, and 0 for an empty row.
#[inline(always)]
pub(crate) fn max_magnitude<S: Simd>(simd: S, row: &[f32]) -> f32 {
    let (vectors, rest) = S::as_simd_f32s(row);
    let maxima = fold(
        vectors,
        simd.splat_f32s(0.0),
        #[inline(always)]
        |max, vector| simd.max_f32s(simd.abs_f32s(vector), max),
    );
    let rest = rest.iter().map(|value| value.abs());
    rest.fold(largest(simd, maxima), f32::max)
}

/// Replaces each value of a row by `e^(value - max)`, and returns the sum of these.
#[inline(always)]
pub(crate) fn exp_in_place<S: Simd>(simd: S, row: &mut [f32], max: f32) -> f32 {
    let (vectors, rest) = S::as_mut_simd_f32s(row);
    let largest = simd.splat_f32s(max);
    let mut sum = simd.splat_f32s(0.0);
    for vector in vectors {
        *vector = exp(simd, simd.sub_f32s(*vector, largest));
        sum = simd.add_f32s(sum, *vector);
    }
    let mut total = simd.reduce_sum_f32s(sum);
    for value in rest {
        *value = exp(Scalar, *value - max);
        total += *value;
    }
    total
}

/// Replaces the values of a row by their softmax. If all are negative infinity, all become 0. If one is NaN, all become
/// NaN.
#[inline(always)]
pub(crate) fn softmax_in_place<S: Simd>(simd: S, row: &mut [f32]) {
    let max = max(simd, row);
    // NaN has no part in the maximum, so that a row of NaN has to be told from a row of negative infinities.
    if max == f32::NEG_INFINITY && row.iter().all(|&value| value == max) {
        row.fill(0.0);
        return;
    }
    let share = exp_in_place(simd, row, max).recip();
    row.iter_mut().for_each(|value| *value *= share);
}

/// Returns the sum of `e^(value - max)` over a row's values.
#[inline(always)]
pub(crate) fn sum_of_exp<S: Simd>(simd: S, row: &[f32], max: f32) -> f32 {
    let (vectors, rest) = S::as_simd_f32s(row);
    let largest = simd.splat_f32s(max);
    let sums = fold(
        vectors,
        simd.splat_f32s(0.0),
        #[inline(always)]
        |sum, vector| simd.add_f32s(sum, exp(simd, simd.sub_f32s(vector, largest))),
    );
    total(simd, sums) + rest.iter().map(|value| exp(Scalar, value - max)).sum::<f32>()
}

/// Returns `e^x` for x ≤ 0, which is all that a softmax and the activation functions need. The relative error is below
/// `2 · f32::EPSILON`. If x < -87, the result is 0.
#[inline(always)]
#[allow(clippy::excessive_precision)]
pub(crate) fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    // x = n ln 2 + r, with an integer n and |r| ≤ ln 2 / 2. Adding 1.5 · 2^23 to x / ln 2 rounds it to n, which is then
    // in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_375;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    // The coefficients of the Taylor series of e^r. The first omitted term is below 2^-26.
    const LAST_FACTOR: f32 = 1.0 / 5040.0;
    const FACTORS: [f32; 7] = [
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        1.0 / 2.0,
        1.0,
        1.0,
    ];

    let rounded = simd.mul_add_e_f32s(
        x,
        simd.splat_f32s(std::f32::consts::LOG2_E),
        simd.splat_f32s(ROUND),
    );
    let n = simd.sub_f32s(rounded, simd.splat_f32s(ROUND));
    let r = simd.mul_add_e_f32s(n, simd.splat_f32s(-LN_2_HIGH), x);
    let r = simd.mul_add_e_f32s(n, simd.splat_f32s(-LN_2_LOW), r);
    let mut series = simd.splat_f32s(LAST_FACTOR);
    for factor in FACTORS {
        series = simd.mul_add_e_f32s(series, r, simd.splat_f32s(factor));
    }
    let exponent = simd.add_u32s(simd.transmute_u32s_f32s(rounded), simd.splat_u32s(127));
    let power = simd.wrapping_dyn_shl_u32s(exponent, simd.splat_u32s(23));
    let result = simd.mul_f32s(series, simd.transmute_f32s_u32s(power));
    // The smallest normal number is e^-87.3.
    simd.select_f32s(
        simd.less_than_f32s(x, simd.splat_f32s(-87.0)),
        simd.splat_f32s(0.0),
        result,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flex::vectorized;
    use pulp::WithSimd;

    /// Replaces each value of a row by `e^value`.
    struct Exp<'a>(&'a mut [f32]);

    impl WithSimd for Exp<'_> {
        type Output = f32;

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> f32 {
            exp_in_place(simd, self.0, 0.0)
        }
    }

    /// Computes all other loops on the first row. The dot product also takes the second row.
    struct Loops<'a>(&'a [f32], &'a [f32]);

    impl WithSimd for Loops<'_> {
        type Output = [f32; 6];

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) -> [f32; 6] {
            let Self(row, other) = self;
            [
                sum(simd, row),
                sum_of_squares(simd, row, 0.5),
                dot(simd, row, other),
                max(simd, row),
                max_magnitude(simd, row),
                sum_of_exp(simd, row, 9.0),
            ]
        }
    }

    #[test]
    fn exp_is_the_standard_librarys() {
        let numbers: Vec<f32> = (0..=870_000).map(|step| -(step as f32) * 1e-4).collect();
        let mut in_vectors = numbers.clone();
        vectorized(Exp(&mut in_vectors));
        let mut one_by_one = numbers.clone();
        Exp(&mut one_by_one).with_simd(Scalar);
        for found in [in_vectors, one_by_one] {
            for (&x, found) in numbers.iter().zip(found) {
                let exact = f64::from(x).exp();
                let error = (f64::from(found) - exact).abs() / exact;
                assert!(error < 2.0 * f64::from(f32::EPSILON), "e^{x}: {error}");
            }
        }

        // As many as fill a vector, and one more.
        let mut special = [0.0; 33];
        special[..3].copy_from_slice(&[0.0, f32::NEG_INFINITY, f32::NAN]);
        special[32] = f32::NEG_INFINITY;
        vectorized(Exp(&mut special));
        assert_eq!((special[0], special[1], special[32]), (1.0, 0.0, 0.0));
        assert!(special[2].is_nan());
    }

    #[test]
    fn loops_are_the_plain_ones_at_every_length() {
        for length in 0..200 {
            // Their sums and products are exact.
            let row: Vec<f32> = (0..length).map(|i| ((i * 37) % 19) as f32 - 9.0).collect();
            let other: Vec<f32> = row.iter().map(|value| value * 0.5 + 1.0).collect();
            let squares = row.iter().map(|value| (value - 0.5) * (value - 0.5));
            let products = row.iter().zip(&other).map(|(left, right)| left * right);
            let magnitudes = row.iter().map(|value| value.abs());
            let exact = [
                row.iter().sum(),
                squares.sum(),
                products.sum(),
                row.iter().copied().fold(f32::NEG_INFINITY, f32::max),
                magnitudes.fold(0.0, f32::max),
            ];
            let of_exp: f64 = row.iter().map(|&value| (f64::from(value) - 9.0).exp()).sum();
            let loops = Loops(&row, &other);
            for found in [vectorized(Loops(&row, &other)), loops.with_simd(Scalar)] {
                assert_eq!(found[..5], exact, "length {length}");
                let error = (f64::from(found[5]) - of_exp).abs();
                assert!(
                    error <= 1e-6 * of_exp,
                    "length {length}: {} is not {of_exp}",
                    found[5]
                );
            }
        }
    }
}

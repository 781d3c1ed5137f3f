//! Loops over a row, written so that the compiler keeps one partial result a lane: it may not reorder a plain sum of
//! floats, and a plain loop would add them one by one.

/// Enough lanes for two registers of the widest vectors.
const LANES: usize = 32;

/// Sum of the lanes, halves onto halves: one after the other would take as long as a short row.
#[inline(always)]
fn total(mut lanes: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// Sum of a row's values after `map`.
#[inline(always)]
pub(crate) fn sum(row: &[f32], map: impl Fn(f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] += map(chunk[lane]);
        }
    }
    total(lanes) + rest.iter().map(|&value| map(value)).sum::<f32>()
}

/// Sum over two rows of equal length of `map` of each pair.
#[inline(always)]
pub(crate) fn sum_pairs(left: &[f32], right: &[f32], map: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let (left_chunks, left_rest) = left.as_chunks::<LANES>();
    let (right_chunks, right_rest) = right.as_chunks::<LANES>();
    for (left, right) in left_chunks.iter().zip(right_chunks) {
        for lane in 0..LANES {
            lanes[lane] += map(left[lane], right[lane]);
        }
    }
    let rest = left_rest.iter().zip(right_rest);
    total(lanes) + rest.map(|(&left, &right)| map(left, right)).sum::<f32>()
}

/// The largest value of a row, negative infinity of an empty one.
#[inline(always)]
pub(crate) fn max(row: &[f32]) -> f32 {
    let larger = |left: f32, right: f32| if left > right { left } else { right };
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] = larger(chunk[lane], lanes[lane]);
        }
    }
    lanes
        .iter()
        .chain(rest)
        .fold(f32::NEG_INFINITY, |max, &value| larger(value, max))
}

/// The largest absolute value of a row, 0 of an empty one.
#[inline(always)]
pub(crate) fn max_magnitude(row: &[f32]) -> f32 {
    let mut lanes = [0.0_f32; LANES];
    let (chunks, rest) = row.as_chunks::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            lanes[lane] = lanes[lane].max(chunk[lane].abs());
        }
    }
    lanes
        .iter()
        .chain(rest)
        .fold(0.0, |max: f32, value| max.max(value.abs()))
}

/// Replaces each value of a row by `e^(value - max)` and returns their sum.
#[inline(always)]
pub(crate) fn exp_in_place(row: &mut [f32], max: f32) -> f32 {
    let mut lanes = [0.0; LANES];
    let (chunks, rest) = row.as_chunks_mut::<LANES>();
    for chunk in chunks {
        for lane in 0..LANES {
            chunk[lane] = exp(chunk[lane] - max);
            lanes[lane] += chunk[lane];
        }
    }
    let mut sum = total(lanes);
    for value in rest {
        *value = exp(*value - max);
        sum += *value;
    }
    sum
}

/// Sum of `e^(value - max)` over a row.
#[inline(always)]
pub(crate) fn sum_of_exp(row: &[f32], max: f32) -> f32 {
    sum(row, |value| exp(value - max))
}

/// `e^x` to within two units in the last place for x ≤ 0, the only ones that a softmax needs; the standard library's
/// is a call, which no vector loop can contain.
#[inline(always)]
#[allow(clippy::excessive_precision)]
pub(crate) fn exp(x: f32) -> f32 {
    // x = n ln 2 + r with |r| ≤ ln 2 / 2. Adding 1.5 · 2^23 rounds to an integer, which is then in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    const LN_2_HIGH: f32 = 0.693_359_375;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let rounded = x * std::f32::consts::LOG2_E + ROUND;
    let n = rounded - ROUND;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    // Taylor's series: the first term left out is below 2^-26.
    let series = 1.0
        + r * (1.0
            + r * (1.0 / 2.0
                + r * (1.0 / 6.0
                    + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r * (1.0 / 720.0 + r * (1.0 / 5040.0)))))));
    let power = f32::from_bits(rounded.to_bits().wrapping_add(127) << 23);
    // The smallest normal number is e^-87.3.
    if x < -87.0 { 0.0 } else { series * power }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_the_standard_librarys() {
        for step in 0..=870_000 {
            let x = -(step as f32) * 1e-4;
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 2.0 * f64::from(f32::EPSILON), "e^{x}: {error}");
        }
        assert_eq!(exp(0.0), 1.0);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn loops_are_the_plain_ones_at_every_length() {
        for length in 0..100 {
            let row: Vec<f32> = (0..length).map(|i| ((i * 37) % 19) as f32 - 9.0).collect();
            let other: Vec<f32> = row.iter().map(|value| value * 0.5).collect();
            assert_eq!(sum(&row, |value| value), row.iter().sum::<f32>());
            let pairs = row.iter().zip(&other).map(|(left, right)| left * right);
            assert_eq!(
                sum_pairs(&row, &other, |left, right| left * right),
                pairs.sum::<f32>()
            );
            assert_eq!(max(&row), row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        }
    }
}

//! Exponents, fitted to times.

/// Returns the exponent p of the power law `y = c · x^p` that is nearest to points `(x, y)`: the slope of the line by
/// least squares through their logarithms. Returns `None` if fewer than two different x are given.
pub(super) fn exponent(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let logs = || points.iter().map(|(x, y)| (x.ln(), y.ln()));
    let (sum_x, sum_y) = logs().fold((0.0, 0.0), |sum, (x, y)| (sum.0 + x, sum.1 + y));
    let (mean_x, mean_y) = (sum_x / count, sum_y / count);
    let covariance: f64 = logs().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let variance: f64 = logs().map(|(x, _)| (x - mean_x).powi(2)).sum();
    (variance > 0.0).then(|| covariance / variance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponent_of_a_power_law_is_found() {
        let law = [1.0f64, 2.0, 4.0, 8.0].map(|x| (x, 5.0 * x.powf(1.5)));
        assert!((exponent(&law).unwrap() - 1.5).abs() < 1e-12);
        // Half a power of two above at one end, and as much below at the other, of points at 1, 2 and 4: the slope by
        // least squares changes by 1/2.
        let off = [(1.0, 2f64.sqrt()), (2.0, 2.0), (4.0, 4.0 / 2f64.sqrt())];
        assert!((exponent(&off).unwrap() - 0.5).abs() < 1e-12);
        assert_eq!(exponent(&[(3.0, 1.0), (3.0, 2.0)]), None);
        assert_eq!(exponent(&[]), None);
    }
}

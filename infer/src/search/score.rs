//! The scores by which translations are ranked.

use super::options::{LengthNormalization, SearchOptions};

/// Returns lp(Y) = ((5 + |Y|) / 6)^alpha, by which [`LengthNormalization::Gnmt`] divides a translation's
/// log-probability (Wu et al. 2016, "Google's Neural Machine Translation System", equation 14, which calls it the
/// length penalty). The `length` |Y| counts the tokens and `</s>`.
///
/// ```
/// use attend_infer::search::length_divisor;
///
/// // Six tokens and </s>: (5 + 7) / 6 = 2.
/// assert_eq!(length_divisor(7, 1.0), 2.0);
/// ```
pub fn length_divisor(length: usize, alpha: f32) -> f64 {
    ((5.0 + length as f64) / 6.0).powf(f64::from(alpha))
}

impl SearchOptions {
    /// Returns the score of a translation without its coverage penalty: the log-probability `log P` divided by the
    /// length divisor. The search adds the [coverage penalty](Self::coverage_penalty), if there is one. Higher is
    /// better.
    ///
    /// - [`LengthNormalization::Gnmt`]: `log P / ((5 + length) / 6)^alpha`, see [`length_divisor`];
    /// - [`LengthNormalization::Length`]: `log P / length^alpha`.
    ///
    /// The exponent alpha is the option [`length_penalty`](Self::length_penalty). The length is the number of `tokens`,
    /// plus 1 if the translation `ended` in `</s>`.
    #[must_use]
    pub fn score(&self, log_probability: f32, tokens: usize, ended: bool) -> f32 {
        let (length, alpha) = (tokens + usize::from(ended), self.length_penalty);
        let divisor = match self.length_normalization {
            LengthNormalization::Gnmt => length_divisor(length, alpha),
            // Without a token, log P is 0.
            LengthNormalization::Length => (length.max(1) as f64).powf(f64::from(alpha)),
        };
        (f64::from(log_probability) / divisor) as f32
    }

    /// Returns the coverage penalty cp(X; Y) = beta Σ_i log(min(Σ_j p_ij, 1)), at most 0, which is added to a score
    /// (Wu et al. 2016, equation 14). p_ij is the attention of the j-th target token to the i-th source token.
    /// `coverage` has the sum over j for each source token, `[source_seq]`. For example, if the sum is 0.5 for one
    /// source token and 1 or more for all others, a beta of 0.2 gives 0.2 · log 0.5 = -0.14.
    pub(crate) fn coverage_score(&self, coverage: &[f32]) -> f32 {
        // A sum that underflowed to 0 costs much, but not everything.
        let logarithms = coverage
            .iter()
            .map(|sum| f64::from(sum.clamp(f32::MIN_POSITIVE, 1.0)).ln());
        (f64::from(self.coverage_penalty) * logarithms.sum::<f64>()) as f32
    }

    /// Returns an upper bound of the score that a hypothesis can still reach: its log-probability divided by the
    /// length divisor of the maximum length. Further tokens only lower the log-probability, and the coverage penalty
    /// only lowers the score.
    pub(super) fn best_score(&self, log_probability: f32, max_length: usize) -> f32 {
        self.score(log_probability, max_length, true)
    }
}

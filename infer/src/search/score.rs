//! The scores by which translations are ranked.

use super::options::{LengthNormalization, SearchOptions};

/// Returns lp(Y) = ((5 + |Y|) / 6)^alpha, the divisor of a translation's log-probability (Wu et al. 2016, "Google's
/// Neural Machine Translation System", equation 14). The length |Y| counts tokens and `</s>`.
///
/// ```
/// use attend_infer::search::length_penalty;
///
/// // Six tokens and </s>: (5 + 7) / 6 = 2.
/// assert_eq!(length_penalty(7, 1.0), 2.0);
/// ```
pub fn length_penalty(length: usize, alpha: f32) -> f64 {
    ((5.0 + length as f64) / 6.0).powf(f64::from(alpha))
}

impl SearchOptions {
    /// Returns the score of a translation with the probability P, without its
    /// [coverage penalty](Self::coverage_penalty), which is added to it:
    ///
    /// - [`LengthNormalization::Gnmt`]: `log P / ((5 + length) / 6)^alpha`, see [`length_penalty`];
    /// - [`LengthNormalization::Length`]: `log P / length^alpha`.
    ///
    /// Alpha is the [length penalty](Self::length_penalty). The length is the number of `tokens`, and one more if the
    /// translation `ended` in `</s>`.
    #[must_use]
    pub fn score(&self, log_probability: f32, tokens: usize, ended: bool) -> f32 {
        let (length, alpha) = (tokens + usize::from(ended), self.length_penalty);
        let divisor = match self.length_normalization {
            LengthNormalization::Gnmt => length_penalty(length, alpha),
            // Without a token, log P is 0.
            LengthNormalization::Length => (length.max(1) as f64).powf(f64::from(alpha)),
        };
        (f64::from(log_probability) / divisor) as f32
    }

    /// Returns the coverage penalty cp(X; Y) = beta Σ_i log(min(Σ_j p_ij, 1)), at most 0, which is added to a score (Wu et
    /// al. 2016, equation 14). p_ij is the attention of the j-th target token to the i-th source token, and `coverage`
    /// has the sums over j, `[source_seq]`. For example, if all tokens together attend to one source token by 0.5 and to
    /// the others by 1 or more, a beta of 0.2 gives 0.2 · log 0.5 = -0.14.
    pub(crate) fn coverage_score(&self, coverage: &[f32]) -> f32 {
        // A sum that underflowed to 0 costs much, but not everything.
        let logarithms = coverage
            .iter()
            .map(|sum| f64::from(sum.clamp(f32::MIN_POSITIVE, 1.0)).ln());
        (f64::from(self.coverage_penalty) * logarithms.sum::<f64>()) as f32
    }

    /// Returns the best score that a hypothesis can still reach: its log-probability, which only falls, at the maximum
    /// length, without a coverage penalty.
    pub(super) fn best_score(&self, log_probability: f32, max_length: usize) -> f32 {
        self.score(log_probability, max_length, true)
    }
}

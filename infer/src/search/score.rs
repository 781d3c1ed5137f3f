//! What translations are ranked by.

use super::options::{LengthNormalization, SearchOptions};

/// lp(Y) = ((5 + |Y|) / 6)^alpha, by which a translation's log-probability is divided (Wu et al. 2016, "Google's
/// Neural Machine Translation System", equation 14). The length |Y| counts `</s>`.
pub fn length_penalty(length: usize, alpha: f32) -> f64 {
    ((5.0 + length as f64) / 6.0).powf(f64::from(alpha))
}

impl SearchOptions {
    /// The score of a translation of so many tokens, `</s>` not counted, that `</s>` ends or not. The length counts it:
    ///
    /// - `gnmt`: `log P / ((5 + length) / 6)^alpha`, see [`length_penalty`].
    /// - `length`: `log P / length^alpha`.
    ///
    /// A [coverage penalty](Self::coverage_penalty) comes on top.
    #[must_use]
    pub fn score(&self, log_probability: f32, tokens: usize, ended: bool) -> f32 {
        let (length, alpha) = (tokens + usize::from(ended), self.length_penalty);
        let divisor = match self.length_normalization {
            LengthNormalization::Gnmt => length_penalty(length, alpha),
            // Without a token nothing is improbable.
            LengthNormalization::Length => (length.max(1) as f64).powf(f64::from(alpha)),
        };
        (f64::from(log_probability) / divisor) as f32
    }

    /// cp(X; Y) = beta Σ_i log(min(Σ_j p_ij, 1)) (Wu et al. 2016, equation 14), at most 0, which is added to a score:
    /// p_ij is how much the j-th target token looks at the i-th source token, and `coverage` holds the sums over j.
    pub(crate) fn coverage_score(&self, coverage: &[f32]) -> f32 {
        // What underflowed was not looked at, which costs much, not everything.
        let logarithms = coverage
            .iter()
            .map(|sum| f64::from(sum.clamp(f32::MIN_POSITIVE, 1.0)).ln());
        (f64::from(self.coverage_penalty) * logarithms.sum::<f64>()) as f32
    }

    /// The best score that a hypothesis can still reach: that of its log-probability, which only falls, at the greatest
    /// length, with all of its source covered.
    pub(super) fn best_score(&self, log_probability: f32, max_length: usize) -> f32 {
        self.score(log_probability, max_length, true)
    }
}

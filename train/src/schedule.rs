//! The learning rate over a run.

/// Linear warm-up, then decay with the inverse square root of the update (section 5.3, equation 3), scaled so that
/// the highest rate is `peak`.
#[derive(Clone, Copy, Debug)]
pub struct InverseSquareRoot {
    /// Learning rate at the end of the warm-up.
    pub peak: f64,
    /// Number of updates over which the rate rises.
    pub warmup: usize,
}

impl InverseSquareRoot {
    /// The learning rate of an update, counted from one.
    #[must_use]
    pub fn learning_rate(&self, update: usize) -> f64 {
        let (update, warmup) = (update as f64, self.warmup as f64);
        self.peak * (update / warmup).min((warmup / update).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_papers_schedule() {
        // lrate = d_model^-0.5 · min(step^-0.5, step · warmup^-1.5), whose highest value is (d_model · warmup)^-0.5.
        let (d_model, warmup) = (512f64, 4000f64);
        let schedule = InverseSquareRoot {
            peak: (d_model * warmup).powf(-0.5),
            warmup: 4000,
        };
        for update in [1, 7, 3999, 4000, 4001, 100_000] {
            let step = update as f64;
            let paper = d_model.powf(-0.5) * step.powf(-0.5).min(step * warmup.powf(-1.5));
            assert!((schedule.learning_rate(update) / paper - 1.0).abs() < 1e-12);
        }
    }
}

//! Bootstrap resampling (Koehn 2004, "Statistical Significance Tests for Machine Translation Evaluation"): how much a
//! score depends on which sentences are in the test set.

use std::fmt;

use rand_pcg::Pcg64;
use rand_pcg::rand_core::Rng;

use super::{CorpusStatistics, Metric, MetricError, MetricScore};

/// The seed of all resamples: that of sacreBLEU.
pub(super) const SEED: u64 = 12345;

/// The share of resamples left out at each end of a confidence interval: 1 in 40, so that 95 percent remain.
const LEFT_OUT: usize = 40;

/// The mean of a score over resamples of the test set, and its 95-percent confidence interval.
///
/// `Display` writes it as sacreBLEU does: `μ = 30.12 ± 1.05`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Confidence {
    /// The mean of the scores of the resamples.
    pub mean: f64,
    /// Half of the width of the interval that holds 95 percent of the resamples' scores.
    pub half_width: f64,
    /// The number of resamples.
    pub resamples: usize,
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "μ = {:.2} ± {:.2}", self.mean, self.half_width)
    }
}

/// The comparison of a system with a baseline by paired bootstrap resampling.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedTest {
    /// The scores of the system in the resamples.
    pub system: Confidence,
    /// The scores of the baseline in the same resamples.
    pub baseline: Confidence,
    /// The probability, 0 to 1, of a difference in score at least as large as the one observed, if system and baseline
    /// were equally good. Below 0.05 the difference is usually called significant.
    pub p_value: f64,
}

impl<M: Metric> CorpusStatistics<M> {
    /// Estimates the confidence interval of the score from `resamples` resamples of the sentences, with the random
    /// numbers of sacreBLEU's `--confidence`. 1,000 resamples are usual; at least one is taken.
    #[must_use]
    pub fn confidence(&self, resamples: usize) -> Confidence {
        Confidence::of(self.resampled_scores(resamples))
    }

    /// Compares this system with a baseline on `resamples` resamples of the sentences, with the random numbers of
    /// sacreBLEU's `--paired-bs`. 1,000 resamples are usual; at least one is taken.
    ///
    /// # Errors
    ///
    /// Returns [`MetricError::UnequalSystems`] if the baseline has another number of sentences.
    pub fn compare(&self, baseline: &Self, resamples: usize) -> Result<PairedTest, MetricError> {
        if self.sentences().len() != baseline.sentences().len() {
            return Err(MetricError::UnequalSystems {
                system: self.sentences().len(),
                baseline: baseline.sentences().len(),
            });
        }
        let of_system = self.resampled_scores(resamples);
        let of_baseline = baseline.resampled_scores(resamples);
        let both = of_system.iter().zip(&of_baseline);
        let differences: Vec<f64> = both.map(|(system, baseline)| (system - baseline).abs()).collect();
        let observed = (self.score().value() - baseline.score().value()).abs();
        let mean = mean(&differences);
        let as_large = differences
            .iter()
            .filter(|&difference| difference - mean > observed)
            .count();
        Ok(PairedTest {
            p_value: (as_large + 1) as f64 / (differences.len() + 1) as f64,
            system: Confidence::of(of_system),
            baseline: Confidence::of(of_baseline),
        })
    }

    /// Returns the score of each resample, which has as many sentences as the corpus, drawn with replacement.
    fn resampled_scores(&self, resamples: usize) -> Vec<f64> {
        let sentences: Vec<&[f64]> = self.sentences().collect();
        let mut random = NumpyRandom::new();
        let scores = (0..resamples.max(1)).map(|_| {
            // sacreBLEU adds single-precision numbers up.
            let mut sums = vec![0f32; self.width];
            for _ in 0..sentences.len() {
                let drawn = sentences[random.below(sentences.len())];
                for (sum, value) in sums.iter_mut().zip(drawn) {
                    *sum += *value as f32;
                }
            }
            let sums: Vec<f64> = sums.into_iter().map(f64::from).collect();
            self.metric.score(&sums, self.references).value()
        });
        scores.collect()
    }
}

impl Confidence {
    fn of(mut scores: Vec<f64>) -> Self {
        scores.sort_by(f64::total_cmp);
        let lowest = scores.len() / LEFT_OUT;
        let highest = scores.len() - lowest - 1;
        Self {
            mean: mean(&scores),
            half_width: (scores[highest] - scores[lowest]) / 2.0,
            resamples: scores.len(),
        }
    }
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / numbers.len() as f64
}

/// The random numbers of `numpy.random.default_rng(12345)`, from which sacreBLEU draws.
struct NumpyRandom {
    generator: Pcg64,
    /// The upper half of the last number drawn, which numpy takes before it draws another.
    upper_half: Option<u32>,
}

impl NumpyRandom {
    fn new() -> Self {
        // What `numpy.random.SeedSequence(12345).generate_state(4, numpy.uint64)` returns.
        const STATE: u128 = 0xb5ae_6482_a03d_837c_bbe2_996f_fa1f_7a2f;
        const STREAM: u128 = 0x64e3_9a9f_3715_8f94_3ebb_0f96_a013_fd73;
        Self {
            generator: Pcg64::new(STATE, STREAM),
            upper_half: None,
        }
    }

    fn next_u32(&mut self) -> u32 {
        self.upper_half.take().unwrap_or_else(|| {
            let drawn = self.generator.next_u64();
            self.upper_half = Some((drawn >> 32) as u32);
            drawn as u32
        })
    }

    /// Returns a number from 0 to `limit` - 1, as numpy's `Generator.choice` draws it: by the method of Lemire 2019,
    /// "Fast Random Integer Generation in an Interval".
    fn below(&mut self, limit: usize) -> usize {
        if limit <= 1 {
            return 0;
        }
        let limit = u32::try_from(limit).expect("a corpus has fewer than 2³² sentences");
        let threshold = limit.wrapping_neg() % limit;
        loop {
            let product = u64::from(self.next_u32()) * u64::from(limit);
            if product as u32 >= threshold {
                return (product >> 32) as usize;
            }
        }
    }
}

//! The statistics of a corpus, sentence by sentence.

use super::{Metric, MetricError};

/// The statistics by which a [`Metric`] compares each sentence of a corpus with its references.
#[derive(Debug, Clone)]
pub struct CorpusStatistics<M> {
    pub(super) metric: M,
    /// The number of references of each sentence.
    pub(super) references: usize,
    /// The number of statistics of a sentence.
    pub(super) width: usize,
    /// The statistics of the first sentence, of the second, and so on.
    values: Vec<f64>,
}

impl<M: Metric> CorpusStatistics<M> {
    /// Compares hypotheses with their references. Each item of `references` is a translation of the whole corpus, with
    /// a reference for each hypothesis.
    ///
    /// # Errors
    ///
    /// Returns [`MetricError::UnequalCounts`] if there are more or fewer references than hypotheses, and
    /// [`MetricError::EmptyCorpus`] if there are no hypotheses, or no references. Returns
    /// [`MetricError::NotBuiltIn`] or [`MetricError::Dictionary`] if BLEU's tokenizer cannot be used.
    pub fn new<H: AsRef<str>, R: AsRef<[S]>, S: AsRef<str>>(
        metric: M,
        hypotheses: &[H],
        references: &[R],
    ) -> Result<Self, MetricError> {
        for references in references {
            if references.as_ref().len() != hypotheses.len() {
                return Err(MetricError::UnequalCounts {
                    hypotheses: hypotheses.len(),
                    references: references.as_ref().len(),
                });
            }
        }
        if hypotheses.is_empty() || references.is_empty() {
            return Err(MetricError::EmptyCorpus);
        }
        let mut values = Vec::new();
        for (index, hypothesis) in hypotheses.iter().enumerate() {
            let of_sentence = references.iter().map(|all| all.as_ref()[index].as_ref());
            let of_sentence: Vec<&str> = of_sentence.collect();
            values.extend(metric.statistics(hypothesis.as_ref(), &of_sentence)?);
        }
        Ok(Self {
            metric,
            references: references.len(),
            width: values.len() / hypotheses.len(),
            values,
        })
    }

    /// Returns the score of the corpus.
    #[must_use]
    pub fn score(&self) -> M::Score {
        let mut sums = vec![0.0; self.width];
        for statistics in self.sentences() {
            for (sum, value) in sums.iter_mut().zip(statistics) {
                *sum += value;
            }
        }
        self.metric.score(&sums, self.references)
    }

    /// Returns the statistics of each sentence, or nothing if the metric has none.
    pub(super) fn sentences(&self) -> impl ExactSizeIterator<Item = &[f64]> {
        self.values.chunks_exact(self.width.max(1))
    }
}

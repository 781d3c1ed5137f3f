//! The labels of texts: accuracy, precision, recall and F1, equal to those of scikit-learn.

use std::collections::BTreeMap;

use super::MetricError;

/// How well one label is found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LabelScore {
    /// The share of hypotheses with this label that are right, 0 to 1. It is 0 if no hypothesis has the label.
    pub precision: f64,
    /// The share of references with this label that are found, 0 to 1. It is 0 if no reference has the label.
    pub recall: f64,
    /// The harmonic mean of precision and recall, 0 to 1. It is 0 if both are 0.
    pub f1: f64,
    /// The number of references with this label.
    pub support: u64,
}

impl LabelScore {
    /// Returns the score of a label that `correct` hypotheses have rightly, `found` hypotheses have, and `support`
    /// references have.
    pub(super) fn new(correct: u64, found: u64, support: u64) -> Self {
        Self {
            precision: ratio(correct, found),
            recall: ratio(correct, support),
            // 2 / (1 / precision + 1 / recall), without the divisions by 0.
            f1: ratio(2 * correct, found + support),
            support,
        }
    }
}

/// Returns the quotient of two counts; 0 if the second is 0.
pub(super) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        0.0
    } else {
        part as f64 / whole as f64
    }
}

/// How well the labels of texts are found.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelScores {
    /// The share of texts whose hypothesis equals the reference, 0 to 1.
    pub accuracy: f64,
    /// The mean of the F1 of all labels, 0 to 1. Each label counts the same, however many texts have it.
    pub macro_f1: f64,
    /// The score of each label that a hypothesis or a reference has.
    pub labels: BTreeMap<String, LabelScore>,
    /// The number of texts for each pair of a reference and a hypothesis. Pairs without a text are left out.
    pub confusion: BTreeMap<(String, String), u64>,
}

impl LabelScores {
    /// Compares the labels that a model gave to texts with the right ones.
    ///
    /// ```
    /// use attend_infer::metric::LabelScores;
    ///
    /// let scores = LabelScores::new(&["spam", "spam", "news"], &["spam", "news", "news"])?;
    /// assert_eq!(scores.accuracy, 2.0 / 3.0);
    /// assert_eq!((scores.labels["spam"].precision, scores.labels["spam"].recall), (0.5, 1.0));
    /// # Ok::<(), attend_infer::metric::MetricError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`MetricError::UnequalCounts`] if the numbers of hypotheses and references differ, and
    /// [`MetricError::EmptyCorpus`] if there are none.
    pub fn new<H: AsRef<str>, R: AsRef<str>>(
        hypotheses: &[H],
        references: &[R],
    ) -> Result<Self, MetricError> {
        if hypotheses.len() != references.len() {
            return Err(MetricError::UnequalCounts {
                hypotheses: hypotheses.len(),
                references: references.len(),
            });
        }
        if hypotheses.is_empty() {
            return Err(MetricError::EmptyCorpus);
        }
        let mut confusion: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for (hypothesis, reference) in hypotheses.iter().zip(references) {
            *confusion
                .entry((reference.as_ref(), hypothesis.as_ref()))
                .or_default() += 1;
        }
        // For each label the number of texts that have it in both, in the hypothesis, and in the reference.
        let mut counts: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
        for (&(reference, hypothesis), texts) in &confusion {
            counts.entry(hypothesis).or_default()[1] += texts;
            counts.entry(reference).or_default()[2] += texts;
            if reference == hypothesis {
                counts.entry(reference).or_default()[0] += texts;
            }
        }
        let correct = counts.values().map(|[correct, ..]| correct).sum();
        let labels: BTreeMap<String, LabelScore> = counts
            .into_iter()
            .map(|(label, [correct, found, support])| {
                (label.to_owned(), LabelScore::new(correct, found, support))
            })
            .collect();
        Ok(Self {
            accuracy: ratio(correct, hypotheses.len() as u64),
            macro_f1: labels.values().map(|label| label.f1).sum::<f64>() / labels.len() as f64,
            labels,
            confusion: confusion
                .into_iter()
                .map(|((reference, hypothesis), texts)| {
                    ((reference.to_owned(), hypothesis.to_owned()), texts)
                })
                .collect(),
        })
    }
}

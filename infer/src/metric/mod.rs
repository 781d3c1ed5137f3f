//! Corpus-level translation metrics, equal to those of the program `sacrebleu`, and metrics of labels and tags.
//!
//! Each hypothesis, a translation, is compared with one or several references. A [`Metric`] counts what it compares in
//! each sentence: its statistics. The statistics are summed over the whole corpus before they are divided, so the score
//! of a corpus is not the mean of the scores of its sentences. Hypotheses and references must be text as people write
//! it, without the spaces that a tokenizer puts around punctuation.
//!
//! ```
//! use attend_infer::metric::{BleuTokenizer, corpus_bleu, corpus_chrf};
//!
//! let hypotheses = ["The cat sat on the mat."];
//! let references = ["The cat sat on a mat."];
//! let bleu = corpus_bleu(&hypotheses, &references, BleuTokenizer::default())?;
//! // Words found in the reference: 6 of 7, 4 of 6 pairs, 2 of 5 triples, 1 of 4 quadruples.
//! assert_eq!(bleu.matches, [6, 4, 2, 1]);
//! assert!((bleu.score - 48.89).abs() < 0.01);
//! println!("{bleu}\n{}", corpus_chrf(&hypotheses, &references)?);
//! # Ok::<(), attend_infer::metric::MetricError>(())
//! ```
//!
//! [`CorpusStatistics`] take any metric and several references, and keep the statistics of each sentence, from which a
//! score, its confidence interval and the comparison of two systems are computed:
//!
//! ```
//! use attend_infer::metric::{ChrfSettings, CorpusStatistics};
//!
//! let references = [["A cat sat.", "We go home."], ["One cat sat.", "Home we go."]];
//! let chrf_plus_plus = ChrfSettings { word_order: 2, ..ChrfSettings::default() };
//! let system = CorpusStatistics::new(chrf_plus_plus, &["A cat sat.", "We go."], &references)?;
//! let baseline = CorpusStatistics::new(chrf_plus_plus, &["A cat.", "We."], &references)?;
//! assert!(system.score().score > baseline.score().score);
//! println!("{} is the probability of such a difference by chance", system.compare(&baseline, 1000)?.p_value);
//! # Ok::<(), attend_infer::metric::MetricError>(())
//! ```
//!
//! [`LabelScores`] compare the labels of texts, as scikit-learn does, and [`TagScores`] the tags of words, as seqeval
//! does.

mod bleu;
mod bootstrap;
mod chrf;
mod corpus;
mod labels;
mod ngrams;
mod signature;
mod tags;
mod ter;
mod tokenize;

use std::path::PathBuf;

pub use bleu::{Bleu, BleuSettings, corpus_bleu};
pub use bootstrap::{Confidence, PairedTest};
pub use chrf::{Chrf, ChrfSettings, corpus_chrf};
pub use corpus::CorpusStatistics;
pub use labels::{LabelScore, LabelScores};
pub use signature::Signature;
pub use tags::{TagScores, is_span_tag};
pub use ter::{Ter, TerSettings};
pub use tokenize::BleuTokenizer;

/// A way to score translations. The settings of a metric implement it, for example [`BleuSettings`].
pub trait Metric {
    /// The score of a corpus.
    type Score: MetricScore;

    /// Compares a hypothesis with its references, of which there is at least one. Returns the statistics of the
    /// sentence: numbers of which the sums over the sentences give the score of a corpus. They are as many for each
    /// sentence.
    ///
    /// # Errors
    ///
    /// Returns a [`MetricError`] if the metric lacks what it needs, such as the dictionary of BLEU's tokenizer
    /// `ja-mecab`.
    fn statistics(&self, hypothesis: &str, references: &[&str]) -> Result<Vec<f64>, MetricError>;

    /// Returns the score of a corpus from the sums of its statistics. Each sentence had `references` references.
    fn score(&self, sums: &[f64], references: usize) -> Self::Score;
}

/// The score of a corpus, as sacreBLEU writes it.
pub trait MetricScore {
    /// Returns the name of the metric, such as `chrF2++`.
    fn name(&self) -> String;

    /// Returns the score: from 0 to 100 for BLEU and chrF, and 0 or more for TER, of which a lower score is better.
    fn value(&self) -> f64;

    /// Returns the settings of the score, by which others can compute it again.
    fn signature(&self) -> &Signature;

    /// Returns what the score was computed from, such as BLEU's precisions; `None` if the score says it all.
    fn details(&self) -> Option<String> {
        None
    }

    /// Returns the line that sacreBLEU prints, with the name and the version of this program. With a confidence
    /// interval, the signature names the resamples.
    fn line(&self, confidence: Option<&Confidence>) -> String {
        let (name, value) = (self.name(), self.value());
        let mut line = match confidence {
            Some(confidence) => {
                let signature = self.signature().clone().resampled(confidence.resamples);
                format!("{name}|{signature} = {value:.2}")
            }
            None => format!("{name}|{} = {value:.2}", self.signature()),
        };
        // Like sacreBLEU, which leaves out an interval around 0.
        if let Some(confidence) = confidence.filter(|confidence| confidence.mean > 0.0) {
            line = format!("{line} ({confidence})");
        }
        if let Some(details) = self.details() {
            line = format!("{line} {details}");
        }
        line
    }
}

/// The reason why a corpus cannot be scored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MetricError {
    /// The numbers of hypotheses and references differ.
    #[error("{hypotheses} hypotheses for {references} references: both must have the same number of lines")]
    UnequalCounts {
        /// Number of hypotheses.
        hypotheses: usize,
        /// Number of references.
        references: usize,
    },
    /// A sentence has more or fewer tags than words.
    #[error("sentence {sentence} has {hypothesis} tags for {reference} words")]
    UnequalTags {
        /// The number of the sentence, counted from one.
        sentence: usize,
        /// Number of tags of the hypothesis.
        hypothesis: usize,
        /// Number of tags of the reference, one for each word.
        reference: usize,
    },
    /// There are no hypotheses, or no references.
    #[error("an empty corpus has no score: there are no hypotheses, or no references")]
    EmptyCorpus,
    /// Two systems that are compared have translated different numbers of sentences.
    #[error(
        "{system} translations of the system for {baseline} of the baseline: both must be of the same test set"
    )]
    UnequalSystems {
        /// Number of translations of the system.
        system: usize,
        /// Number of translations of the baseline.
        baseline: usize,
    },
    /// A tokenizer of BLEU that this build is without.
    #[error("BLEU's tokenizer {tokenizer} is not built in")]
    NotBuiltIn {
        /// The tokenizer.
        tokenizer: BleuTokenizer,
    },
    /// The dictionary of BLEU's tokenizer `ja-mecab` cannot be used.
    #[error("the dictionary of BLEU's tokenizer ja-mecab cannot be used: {}: {reason}", path.display())]
    Dictionary {
        /// The file, or the folder of the dictionary.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
}

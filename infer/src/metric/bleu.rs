//! BLEU: the geometric mean of clipped n-gram precisions, times a brevity penalty (Papineni et al. 2002, "BLEU: a
//! Method for Automatic Evaluation of Machine Translation").

use std::fmt;

use super::ngrams::{ngram_count, ngram_matches};
use super::signature::case;
use super::tokenize::words;
use super::{BleuTokenizer, CorpusStatistics, Metric, MetricError, MetricScore, Signature};

/// The maximum number of words in the n-grams that BLEU counts.
const MAX_ORDER: usize = 4;

/// The settings of BLEU. Precisions of 0 are smoothed by the method `exp`, the default of sacreBLEU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BleuSettings {
    /// The rule by which lines are cut into words.
    pub tokenizer: BleuTokenizer,
    /// Whether upper and lower case are the same.
    pub lowercase: bool,
}

/// The BLEU score of a corpus, and the counts from which it is computed. Each array has four entries, for n-grams of
/// 1, 2, 3 and 4 words.
///
/// `Display` writes the line that sacreBLEU prints, with the name and the version of this program.
#[derive(Debug, Clone, PartialEq)]
pub struct Bleu {
    /// The score, 0 to 100.
    pub score: f64,
    /// The number of n-grams of the hypotheses that are also in their references.
    pub matches: [u64; MAX_ORDER],
    /// The number of n-grams of the hypotheses.
    pub totals: [u64; MAX_ORDER],
    /// The smoothed precisions in percent. All are 0 if no n-gram matches. The precision of n-grams that are longer
    /// than every hypothesis is 0.
    pub precisions: [f64; MAX_ORDER],
    /// The factor, 0 to 1, that lowers the score if the hypotheses have fewer words than the references; otherwise 1.
    pub brevity_penalty: f64,
    /// The number of words in the hypotheses.
    pub hypothesis_length: u64,
    /// The number of words in the references. Of several references of a sentence, the one counts whose length is
    /// nearest to the hypothesis; of two that are as near, the shorter one.
    pub reference_length: u64,
    /// The settings of the score.
    pub signature: Signature,
}

impl Bleu {
    /// Returns the number of words in the hypotheses divided by the number of words in the references; 0 if the
    /// references have no words.
    pub fn length_ratio(&self) -> f64 {
        if self.reference_length == 0 {
            return 0.0;
        }
        self.hypothesis_length as f64 / self.reference_length as f64
    }
}

impl MetricScore for Bleu {
    fn name(&self) -> String {
        "BLEU".to_owned()
    }

    fn value(&self) -> f64 {
        self.score
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn details(&self) -> Option<String> {
        let precisions = self.precisions.map(|p| format!("{p:.1}")).join("/");
        Some(format!(
            "{precisions} (BP = {:.3} ratio = {:.3} hyp_len = {} ref_len = {})",
            self.brevity_penalty,
            self.length_ratio(),
            self.hypothesis_length,
            self.reference_length,
        ))
    }
}

impl fmt::Display for Bleu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line(None))
    }
}

/// Computes BLEU of hypotheses against one reference each, on n-grams of 1 to 4 words. Upper and lower case differ.
///
/// # Errors
///
/// Returns a [`MetricError`] if the numbers of hypotheses and references differ, if both are 0, or if the tokenizer
/// cannot be used.
pub fn corpus_bleu<H: AsRef<str>, R: AsRef<str>>(
    hypotheses: &[H],
    references: &[R],
    tokenizer: BleuTokenizer,
) -> Result<Bleu, MetricError> {
    let settings = BleuSettings {
        tokenizer,
        lowercase: false,
    };
    Ok(CorpusStatistics::new(settings, hypotheses, &[references])?.score())
}

impl BleuSettings {
    /// Returns the number of sequences of four words in a line, the longest n-grams that BLEU counts. If the references
    /// of a corpus have none, BLEU tells nothing about it: even perfect translations score 0.
    ///
    /// # Errors
    ///
    /// Returns the error of [`BleuTokenizer::check`].
    pub fn longest_ngrams(&self, line: &str) -> Result<u64, MetricError> {
        let separated = self.separate(line)?;
        Ok(ngram_count(&words(&separated).collect::<Vec<_>>(), MAX_ORDER))
    }

    /// Returns the line with white space between the words that are compared.
    fn separate(&self, line: &str) -> Result<String, MetricError> {
        if self.lowercase {
            self.tokenizer.separate(&line.to_lowercase())
        } else {
            self.tokenizer.separate(line)
        }
    }
}

impl Metric for BleuSettings {
    type Score = Bleu;

    /// Returns the number of words of the hypothesis and of the nearest reference, then for each order the number of
    /// matching n-grams, then for each order the number of n-grams of the hypothesis.
    fn statistics(&self, hypothesis: &str, references: &[&str]) -> Result<Vec<f64>, MetricError> {
        let hypothesis = self.separate(hypothesis)?;
        let hypothesis: Vec<&str> = words(&hypothesis).collect();
        let references = references.iter().map(|line| self.separate(line));
        let references: Vec<String> = references.collect::<Result<_, _>>()?;
        let references: Vec<Vec<&str>> = references.iter().map(|line| words(line).collect()).collect();
        let lengths = references.iter().map(Vec::len);
        let nearest = lengths.min_by_key(|&length| (length.abs_diff(hypothesis.len()), length));
        let matches = (1..=MAX_ORDER).map(|order| ngram_matches(&hypothesis, &references, order));
        let totals = (1..=MAX_ORDER).map(|order| ngram_count(&hypothesis, order));
        let lengths = [hypothesis.len(), nearest.unwrap_or(0)].map(|length| length as u64);
        let statistics = lengths.into_iter().chain(matches).chain(totals);
        Ok(statistics.map(|count| count as f64).collect())
    }

    fn score(&self, sums: &[f64], references: usize) -> Bleu {
        let (lengths, counts) = sums.split_at(2);
        let (matches, totals) = counts.split_at(MAX_ORDER);
        let four = |counts: &[f64]| std::array::from_fn(|index| counts[index] as u64);
        let (matches, totals) = (four(matches), four(totals));
        let precisions = smoothed_precisions(&matches, &totals);
        let brevity_penalty = brevity_penalty(lengths[0], lengths[1]);
        // One precision of 0 makes the mean 0: ln 0 is -inf, and exp(-inf) is 0.
        let log_mean = precisions.iter().map(|p| p.ln()).sum::<f64>() / MAX_ORDER as f64;
        let (case, tokenizer) = (case(self.lowercase), self.tokenizer.signature());
        Bleu {
            score: brevity_penalty * log_mean.exp(),
            matches,
            totals,
            precisions,
            brevity_penalty,
            hypothesis_length: lengths[0] as u64,
            reference_length: lengths[1] as u64,
            signature: Signature::new(references, format!("{case}|eff:no|tok:{tokenizer}|smooth:exp")),
        }
    }
}

/// Returns precisions in percent. The first order of n-grams without a match counts as half a match, the next as a
/// quarter, and so on (Chen and Cherry 2014, "A Systematic Comparison of Smoothing Techniques for Sentence-Level
/// BLEU", method 3). For example, 0 matches of 5 quadruples count as 100 · 0.5 / 5 = 10 percent, if shorter n-grams
/// match.
fn smoothed_precisions(matches: &[u64; MAX_ORDER], totals: &[u64; MAX_ORDER]) -> [f64; MAX_ORDER] {
    let mut precisions = [0.0; MAX_ORDER];
    // A translation without any right word gets no credit by smoothing.
    if matches.iter().all(|&n| n == 0) {
        return precisions;
    }
    let mut smoothing = 1.0;
    for (order, precision) in precisions.iter_mut().enumerate() {
        let total = totals[order] as f64;
        if totals[order] == 0 {
            break;
        }
        *precision = if matches[order] == 0 {
            smoothing *= 2.0;
            100.0 / (smoothing * total)
        } else {
            100.0 * matches[order] as f64 / total
        };
    }
    precisions
}

/// Returns exp(1 - r/c) if the length c of the hypotheses is below the length r of the references, else 1.
fn brevity_penalty(hypothesis_length: f64, reference_length: f64) -> f64 {
    if hypothesis_length >= reference_length {
        1.0
    } else if hypothesis_length == 0.0 {
        0.0
    } else {
        (1.0 - reference_length / hypothesis_length).exp()
    }
}

//! BLEU: the geometric mean of clipped n-gram precisions, times a brevity penalty (Papineni et al. 2002, "BLEU: a
//! Method for Automatic Evaluation of Machine Translation").

use std::fmt;

use super::tokenize::words;
use super::{BleuTokenizer, MetricError, VERSION, ngram_count, ngram_matches, sentence_pairs};

/// The maximum number of words in the n-grams that BLEU counts.
const MAX_ORDER: usize = 4;

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
    /// The number of words in the references.
    pub reference_length: u64,
    /// The rule by which lines were cut into words.
    pub tokenizer: BleuTokenizer,
}

impl Bleu {
    fn from_counts(
        matches: [u64; MAX_ORDER],
        totals: [u64; MAX_ORDER],
        hypothesis_length: u64,
        reference_length: u64,
        tokenizer: BleuTokenizer,
    ) -> Self {
        let precisions = smoothed_precisions(&matches, &totals);
        let brevity_penalty = brevity_penalty(hypothesis_length, reference_length);
        // One precision of 0 makes the mean 0: ln 0 is -inf, and exp(-inf) is 0.
        let log_mean = precisions.iter().map(|p| p.ln()).sum::<f64>() / MAX_ORDER as f64;
        Self {
            score: brevity_penalty * log_mean.exp(),
            matches,
            totals,
            precisions,
            brevity_penalty,
            hypothesis_length,
            reference_length,
            tokenizer,
        }
    }

    /// Returns the settings of the score in sacreBLEU's notation, so that others can compute the score again.
    pub fn signature(&self) -> String {
        format!(
            "nrefs:1|case:mixed|eff:no|tok:{}|smooth:exp|version:{VERSION}",
            self.tokenizer
        )
    }

    /// Returns the number of words in the hypotheses divided by the number of words in the references; 0 if the
    /// references have no words.
    pub fn length_ratio(&self) -> f64 {
        if self.reference_length == 0 {
            return 0.0;
        }
        self.hypothesis_length as f64 / self.reference_length as f64
    }
}

impl fmt::Display for Bleu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let precisions = self.precisions.map(|p| format!("{p:.1}")).join("/");
        write!(
            f,
            "BLEU|{} = {:.2} {precisions} (BP = {:.3} ratio = {:.3} hyp_len = {} ref_len = {})",
            self.signature(),
            self.score,
            self.brevity_penalty,
            self.length_ratio(),
            self.hypothesis_length,
            self.reference_length,
        )
    }
}

/// Computes BLEU of hypotheses against one reference each, on n-grams of 1 to 4 words. Upper and lower case differ.
/// Precisions of 0 are smoothed by the method `exp`, the default of sacreBLEU.
///
/// # Errors
///
/// Returns a [`MetricError`] if the numbers of hypotheses and references differ, or both are 0.
pub fn corpus_bleu<H: AsRef<str>, R: AsRef<str>>(
    hypotheses: &[H],
    references: &[R],
    tokenizer: BleuTokenizer,
) -> Result<Bleu, MetricError> {
    let mut matches = [0; MAX_ORDER];
    let mut totals = [0; MAX_ORDER];
    let (mut hypothesis_length, mut reference_length) = (0, 0);
    for (hypothesis, reference) in sentence_pairs(hypotheses, references)? {
        let hypothesis = tokenizer.separate(hypothesis);
        let hypothesis: Vec<&str> = words(&hypothesis).collect();
        let reference = tokenizer.separate(reference);
        let reference: Vec<&str> = words(&reference).collect();
        hypothesis_length += hypothesis.len() as u64;
        reference_length += reference.len() as u64;
        for order in 1..=MAX_ORDER {
            totals[order - 1] += ngram_count(&hypothesis, order);
            matches[order - 1] += ngram_matches(&hypothesis, &reference, order);
        }
    }
    Ok(Bleu::from_counts(
        matches,
        totals,
        hypothesis_length,
        reference_length,
        tokenizer,
    ))
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
fn brevity_penalty(hypothesis_length: u64, reference_length: u64) -> f64 {
    if hypothesis_length >= reference_length {
        1.0
    } else if hypothesis_length == 0 {
        0.0
    } else {
        (1.0 - reference_length as f64 / hypothesis_length as f64).exp()
    }
}

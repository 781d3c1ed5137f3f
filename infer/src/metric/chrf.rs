//! chrF: the F-score of character n-grams (Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation").
//! Recall counts twice as much as precision, as Popović 2016, "chrF deconstructed", recommends.

use std::fmt;

use super::tokenize::words;
use super::{MetricError, VERSION, ngram_count, ngram_matches, sentence_pairs};

/// The maximum number of characters in the n-grams that chrF counts.
const MAX_ORDER: usize = 6;

/// The weight of recall relative to precision: the 2 of chrF2.
const BETA: f64 = 2.0;

/// The chrF2 score of a corpus.
///
/// `Display` writes the line that sacreBLEU prints, with the name and the version of this program.
#[derive(Debug, Clone, PartialEq)]
pub struct Chrf {
    /// The score, 0 to 100.
    pub score: f64,
}

impl Chrf {
    /// Returns the settings of the score in sacreBLEU's notation, so that others can compute the score again.
    pub fn signature(&self) -> String {
        format!("nrefs:1|case:mixed|eff:yes|nc:{MAX_ORDER}|nw:0|space:no|version:{VERSION}")
    }
}

impl fmt::Display for Chrf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chrF{BETA}|{} = {:.2}", self.signature(), self.score)
    }
}

/// The numbers of n-grams of one order in the corpus.
#[derive(Debug, Clone, Copy, Default)]
struct NgramCounts {
    hypothesis: u64,
    reference: u64,
    matches: u64,
}

/// Computes chrF2 of hypotheses against one reference each, on n-grams of 1 to 6 characters (Unicode code points).
/// Upper and lower case differ. White space is left out, and n-grams of words are not counted. Orders of which the
/// corpus has no n-grams are left out of the mean.
///
/// # Errors
///
/// Returns a [`MetricError`] if the numbers of hypotheses and references differ, or both are 0.
pub fn corpus_chrf<H: AsRef<str>, R: AsRef<str>>(
    hypotheses: &[H],
    references: &[R],
) -> Result<Chrf, MetricError> {
    let mut counts = [NgramCounts::default(); MAX_ORDER];
    for (hypothesis, reference) in sentence_pairs(hypotheses, references)? {
        let hypothesis: Vec<char> = words(hypothesis).flat_map(str::chars).collect();
        let reference: Vec<char> = words(reference).flat_map(str::chars).collect();
        for (index, counts) in counts.iter_mut().enumerate() {
            let order = index + 1;
            let in_reference = ngram_count(&reference, order);
            // If a reference is too short for an order, sacreBLEU does not count the n-grams of its hypothesis either.
            if in_reference == 0 {
                continue;
            }
            counts.reference += in_reference;
            counts.hypothesis += ngram_count(&hypothesis, order);
            counts.matches += ngram_matches(&hypothesis, &reference, order);
        }
    }
    Ok(Chrf {
        score: 100.0 * f_score(&counts),
    })
}

/// Returns the F-score, 0 to 1, of the mean precision and the mean recall of the orders that both sides have:
/// `(1 + beta²) · precision · recall / (beta² · precision + recall)`.
fn f_score(counts: &[NgramCounts]) -> f64 {
    let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
    for counts in counts {
        if counts.hypothesis > 0 && counts.reference > 0 {
            precision += counts.matches as f64 / counts.hypothesis as f64;
            recall += counts.matches as f64 / counts.reference as f64;
            orders += 1.0;
        }
    }
    if precision + recall == 0.0 {
        return 0.0;
    }
    precision /= orders;
    recall /= orders;
    let weight = BETA * BETA;
    (1.0 + weight) * precision * recall / (weight * precision + recall)
}

//! chrF: the F-score of character n-grams (Popović 2015, "chrF: character n-gram F-score for automatic MT
//! evaluation"), with recall weighted as Popović 2016, "chrF deconstructed", found best.

use std::fmt;

use super::tokenize::words;
use super::{MetricError, VERSION, ngram_count, ngram_matches, sentence_pairs};

/// The longest n-grams that chrF counts, in characters.
const MAX_ORDER: usize = 6;

/// How much more recall weighs than precision: the 2 of chrF2.
const BETA: f64 = 2.0;

/// The chrF2 score of a corpus.
///
/// `Display` writes the line that sacreBLEU prints, with this program in the place of its version.
#[derive(Debug, Clone, PartialEq)]
pub struct Chrf {
    /// The score, 0 to 100.
    pub score: f64,
}

impl Chrf {
    /// The settings that a reader needs to compute the same score, in sacreBLEU's notation.
    pub fn signature(&self) -> String {
        format!("nrefs:1|case:mixed|eff:yes|nc:{MAX_ORDER}|nw:0|space:no|version:{VERSION}")
    }
}

impl fmt::Display for Chrf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chrF{BETA}|{} = {:.2}", self.signature(), self.score)
    }
}

/// N-grams of one order over the corpus.
#[derive(Debug, Clone, Copy, Default)]
struct NgramCounts {
    hypothesis: u64,
    reference: u64,
    matches: u64,
}

/// Scores hypotheses against one reference each: n-grams of one to six characters (code points), case kept, white
/// space left out, no n-grams of words. Orders that the corpus has no n-grams of are left out of the mean.
///
/// # Errors
/// If the numbers of hypotheses and references differ, or both are 0.
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
            // Where a sentence's reference is too short for an order, sacreBLEU asks the hypothesis for none either.
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

/// F-beta of the precision and the recall averaged over the orders that both sides have, 0 to 1.
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

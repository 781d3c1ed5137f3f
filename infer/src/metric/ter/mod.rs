//! TER: the number of edits that turn a translation into its reference, divided by the words of the reference (Snover
//! et al. 2006, "A Study of Translation Edit Rate with Targeted Human Annotation"). An edit inserts, deletes or
//! replaces a word, or shifts a sequence of words to another place. The shifts are found by the rules of the program
//! Tercom as sacreBLEU follows them.

mod edit_distance;
mod edits;
mod tokenize;

use std::fmt;

use super::signature::{case, yes_or_no};
use super::tokenize::words;
use super::{Metric, MetricError, MetricScore, Signature};
use edits::edits;

/// The settings of TER. The default is Tercom's: upper and lower case are the same, and only white space separates
/// words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TerSettings {
    /// Whether punctuation is separated from words, and the entities `&quot;`, `&amp;`, `&lt;` and `&gt;` are decoded.
    pub normalized: bool,
    /// Whether punctuation is left out.
    pub no_punctuation: bool,
    /// Whether `normalized` also makes each Chinese character and each Asian punctuation mark a word, and
    /// `no_punctuation` also leaves Asian punctuation out.
    pub asian_support: bool,
    /// Whether upper and lower case differ.
    pub case_sensitive: bool,
}

/// The TER score of a corpus.
///
/// `Display` writes the line that sacreBLEU prints, with the name and the version of this program.
#[derive(Debug, Clone, PartialEq)]
pub struct Ter {
    /// The score in percent, 0 or more; the lower, the better.
    pub score: f64,
    /// The number of edits. Of several references of a sentence, the one counts that takes the fewest.
    pub edits: f64,
    /// The number of words in the references; of several references of a sentence, the mean of their numbers.
    pub reference_length: f64,
    /// The settings of the score.
    pub signature: Signature,
}

impl MetricScore for Ter {
    fn name(&self) -> String {
        "TER".to_owned()
    }

    fn value(&self) -> f64 {
        self.score
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }
}

impl fmt::Display for Ter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line(None))
    }
}

impl Metric for TerSettings {
    type Score = Ter;

    /// Returns the fewest edits that turn the hypothesis into a reference, and the mean number of words of the
    /// references.
    fn statistics(&self, hypothesis: &str, references: &[&str]) -> Result<Vec<f64>, MetricError> {
        let hypothesis = self.separate(hypothesis);
        let hypothesis: Vec<&str> = words(&hypothesis).collect();
        // sacreBLEU separates the words of references twice, which finds a few more: `Anna's.` is `Anna's .` after the
        // first time, and `Anna 's .` after the second.
        let references = references.iter().map(|line| self.separate(&self.separate(line)));
        let references: Vec<String> = references.collect();
        let references: Vec<Vec<&str>> = references.iter().map(|line| words(line).collect()).collect();
        let fewest = references
            .iter()
            .map(|reference| edits(&hypothesis, reference))
            .min();
        let length: usize = references.iter().map(Vec::len).sum();
        Ok(vec![
            fewest.unwrap_or(0) as f64,
            length as f64 / references.len() as f64,
        ])
    }

    fn score(&self, sums: &[f64], references: usize) -> Ter {
        let (edits, reference_length) = (sums[0], sums[1]);
        let rate = if reference_length > 0.0 {
            edits / reference_length
        } else if edits > 0.0 {
            1.0
        } else {
            0.0
        };
        let settings = format!(
            "{}|tok:tercom|norm:{}|punct:{}|asian:{}",
            case(!self.case_sensitive),
            yes_or_no(self.normalized),
            yes_or_no(!self.no_punctuation),
            yes_or_no(self.asian_support),
        );
        Ter {
            score: 100.0 * rate,
            edits,
            reference_length,
            signature: Signature::new(references, settings),
        }
    }
}

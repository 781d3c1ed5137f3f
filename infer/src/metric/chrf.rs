//! chrF: the F-score of character n-grams (Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation"),
//! and chrF++, which also counts n-grams of words (Popović 2017, "chrF++: words helping character n-grams").

use std::fmt;
use std::hash::Hash;
use std::slice;

use super::ngrams::{ngram_count, ngram_matches};
use super::signature::{case, yes_or_no};
use super::tokenize::words;
use super::{CorpusStatistics, Metric, MetricError, MetricScore, Signature};

/// The settings of chrF. The default is chrF2, as sacreBLEU computes it; with a `word_order` of 2 it is chrF2++.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChrfSettings {
    /// The maximum number of characters (Unicode code points) in the n-grams that are counted. Default 6.
    pub char_order: usize,
    /// The maximum number of words in the n-grams that are counted besides; 0 for none. Default 0.
    pub word_order: usize,
    /// The weight of recall relative to precision. Popović 2016, "chrF deconstructed", recommends the default, 2.
    pub beta: u32,
    /// Whether upper and lower case are the same. Default false.
    pub lowercase: bool,
    /// Whether white space belongs to the n-grams of characters. Default false.
    pub whitespace: bool,
    /// Whether the F-scores of all orders are averaged, in place of their precisions and recalls. An order that a side
    /// lacks then counts as nearly 0, as in the script `chrF++.py` and in Moses; by default such an order is left out
    /// of the mean.
    pub eps_smoothing: bool,
}

impl Default for ChrfSettings {
    fn default() -> Self {
        Self {
            char_order: 6,
            word_order: 0,
            beta: 2,
            lowercase: false,
            whitespace: false,
            eps_smoothing: false,
        }
    }
}

/// The chrF score of a corpus.
///
/// `Display` writes the line that sacreBLEU prints, with the name and the version of this program.
#[derive(Debug, Clone, PartialEq)]
pub struct Chrf {
    /// The score, 0 to 100.
    pub score: f64,
    /// The name with its parameters, such as `chrF2++`.
    pub name: String,
    /// The settings of the score.
    pub signature: Signature,
}

impl MetricScore for Chrf {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn value(&self) -> f64 {
        self.score
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }
}

impl fmt::Display for Chrf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.line(None))
    }
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
    Ok(CorpusStatistics::new(ChrfSettings::default(), hypotheses, &[references])?.score())
}

/// The numbers of n-grams of one order: in the hypothesis, in the reference, and those that match.
type Counts = [f64; 3];

impl Metric for ChrfSettings {
    type Score = Chrf;

    /// Returns three counts for each order of characters, then for each order of words: the n-grams of the hypothesis,
    /// those of the reference, and those that match. Of several references, the counts are those of the one that gives
    /// the highest score.
    fn statistics(&self, hypothesis: &str, references: &[&str]) -> Result<Vec<f64>, MetricError> {
        let hypothesis = self.separate(hypothesis);
        let counts = references.iter().map(|reference| {
            let reference = self.separate(reference);
            let characters = counts(&hypothesis.characters, &reference.characters, self.char_order);
            let words = counts(&hypothesis.words, &reference.words, self.word_order);
            characters.into_iter().chain(words).collect::<Vec<Counts>>()
        });
        let better = |best: Vec<Counts>, other: Vec<Counts>| {
            if self.f_score(&other) > self.f_score(&best) {
                other
            } else {
                best
            }
        };
        Ok(counts.reduce(better).unwrap_or_default().concat())
    }

    fn score(&self, sums: &[f64], references: usize) -> Chrf {
        let (counts, _) = sums.as_chunks();
        let (case, eff) = (case(self.lowercase), yes_or_no(!self.eps_smoothing));
        let (nc, nw, space) = (self.char_order, self.word_order, yes_or_no(self.whitespace));
        Chrf {
            score: 100.0 * self.f_score(counts),
            name: format!("chrF{}{}", self.beta, "+".repeat(self.word_order)),
            signature: Signature::new(
                references,
                format!("{case}|eff:{eff}|nc:{nc}|nw:{nw}|space:{space}"),
            ),
        }
    }
}

/// A line as chrF compares it.
struct Separated {
    characters: Vec<char>,
    words: Vec<String>,
}

impl ChrfSettings {
    fn separate(&self, line: &str) -> Separated {
        let lower;
        let line = if self.lowercase {
            lower = line.to_lowercase();
            &lower
        } else {
            line
        };
        Separated {
            characters: if self.whitespace {
                line.chars().collect()
            } else {
                words(line).flat_map(str::chars).collect()
            },
            words: if self.word_order > 0 {
                words(line).flat_map(separate_mark).map(str::to_owned).collect()
            } else {
                Vec::new()
            },
        }
    }

    /// Returns the F-score, 0 to 1, of the mean precision and the mean recall of the orders that both sides have. With
    /// `eps_smoothing`, returns the mean of the F-scores of all orders.
    fn f_score(&self, counts: &[Counts]) -> f64 {
        const EPSILON: f64 = 1e-16;
        let weight = f64::from(self.beta).powi(2);
        let f_score =
            |precision: f64, recall: f64| (1.0 + weight) * precision * recall / (weight * precision + recall);
        if self.eps_smoothing {
            let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { EPSILON };
            let scores = counts.iter().map(|&[hypothesis, reference, matches]| {
                let (precision, recall) = (share(matches, hypothesis), share(matches, reference));
                if weight * precision + recall > 0.0 {
                    f_score(precision, recall)
                } else {
                    EPSILON
                }
            });
            return scores.sum::<f64>() / (self.char_order + self.word_order) as f64;
        }
        let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
        for &[hypothesis, reference, matches] in counts {
            if hypothesis > 0.0 && reference > 0.0 {
                precision += matches / hypothesis;
                recall += matches / reference;
                orders += 1.0;
            }
        }
        if precision + recall == 0.0 {
            return 0.0;
        }
        f_score(precision / orders, recall / orders)
    }
}

/// Counts the n-grams of each order up to `max_order`.
fn counts<T: Eq + Hash>(hypothesis: &[T], reference: &Vec<T>, max_order: usize) -> Vec<Counts> {
    let orders = 1..=max_order;
    let counts = orders.map(|order| {
        let in_reference = ngram_count(reference, order);
        // If a reference is too short for an order, sacreBLEU does not count the n-grams of its hypothesis either.
        if in_reference == 0 {
            return [0; 3];
        }
        let matches = ngram_matches(hypothesis, slice::from_ref(reference), order);
        [ngram_count(hypothesis, order), in_reference, matches]
    });
    counts.map(|counts| counts.map(|count| count as f64)).collect()
}

/// Cuts an ASCII punctuation mark from the end of a word, or else from its beginning: `(hi)` is cut into `(hi` and `)`.
fn separate_mark(word: &str) -> impl Iterator<Item = &str> {
    let is_mark = |c: char| c.is_ascii_punctuation();
    let one_character = word.chars().nth(1).is_none();
    let (start, end) = if one_character {
        (word, "")
    } else if word.ends_with(is_mark) {
        word.split_at(word.len() - 1)
    } else if word.starts_with(is_mark) {
        word.split_at(1)
    } else {
        (word, "")
    };
    [start, end].into_iter().filter(|part| !part.is_empty())
}

//! The tags of words: accuracy, and the F1 of the spans that tags mark, equal to those of seqeval in its default mode,
//! which are those of the program conlleval (Tjong Kim Sang and De Meulder 2003, "Introduction to the CoNLL-2003 Shared
//! Task").

use std::collections::{BTreeMap, HashSet};

use super::MetricError;
use super::labels::{LabelScore, ratio};

/// How well the tags of words are found, and the spans that they mark.
///
/// A tag is `O` for a word outside of all spans, or a prefix, a hyphen and the type of a span, as in `B-NP`. The prefix
/// is `B` for the first word of a span and `I` for any other. `E` for the last word and `S` for the only word may stand
/// in place of them. A span is right if a span of the reference has the same first word, last word and type.
///
/// Tags out of order mark spans all the same: `I-NP` begins a span if the word before it is in none, or in one of
/// another type.
#[derive(Debug, Clone, PartialEq)]
pub struct TagScores {
    /// The share of words whose tag equals the reference, 0 to 1.
    pub accuracy: f64,
    /// The score of the spans of all types together. Its F1 is the span F1, also called the micro average.
    pub spans: LabelScore,
    /// The score of each type that a span of a hypothesis or a reference has.
    pub types: BTreeMap<String, LabelScore>,
}

impl TagScores {
    /// Compares the tags that a model gave to the words of sentences with the right ones.
    ///
    /// ```
    /// use attend_infer::metric::TagScores;
    ///
    /// // Two spans, [the old teacher] and [a bicycle], and one that lacks a word, [the old].
    /// let references = [["B-NP", "I-NP", "I-NP", "O", "B-NP", "I-NP"]];
    /// let hypotheses = [["B-NP", "I-NP", "O", "O", "B-NP", "I-NP"]];
    /// let scores = TagScores::new(&hypotheses, &references)?;
    /// assert_eq!((scores.accuracy, scores.spans.f1), (5.0 / 6.0, 0.5));
    /// # Ok::<(), attend_infer::metric::MetricError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`MetricError::UnequalCounts`] if the numbers of sentences differ, [`MetricError::UnequalTags`] if those
    /// of the words of a sentence do, and [`MetricError::EmptyCorpus`] if there are no words.
    pub fn new<H: AsRef<[T]>, R: AsRef<[U]>, T: AsRef<str>, U: AsRef<str>>(
        hypotheses: &[H],
        references: &[R],
    ) -> Result<Self, MetricError> {
        if hypotheses.len() != references.len() {
            return Err(MetricError::UnequalCounts {
                hypotheses: hypotheses.len(),
                references: references.len(),
            });
        }
        let (mut correct, mut words) = (0, 0);
        for (index, (hypothesis, reference)) in hypotheses.iter().zip(references).enumerate() {
            let (hypothesis, reference) = (hypothesis.as_ref(), reference.as_ref());
            if hypothesis.len() != reference.len() {
                return Err(MetricError::UnequalTags {
                    sentence: index + 1,
                    hypothesis: hypothesis.len(),
                    reference: reference.len(),
                });
            }
            let equal = hypothesis
                .iter()
                .zip(reference)
                .filter(|(h, r)| h.as_ref() == r.as_ref());
            correct += equal.count() as u64;
            words += reference.len() as u64;
        }
        if words == 0 {
            return Err(MetricError::EmptyCorpus);
        }
        let right: HashSet<Span> = spans(references).into_iter().collect();
        // For each type the number of spans in both, in the hypotheses, and in the references.
        let mut counts: BTreeMap<&str, [u64; 3]> = BTreeMap::new();
        for span in &right {
            counts.entry(span.kind).or_default()[2] += 1;
        }
        for span in spans(hypotheses) {
            let [correct, found, _] = counts.entry(span.kind).or_default();
            *found += 1;
            *correct += u64::from(right.contains(&span));
        }
        let sum = |count: usize| counts.values().map(|counts| counts[count]).sum();
        Ok(Self {
            accuracy: ratio(correct, words),
            spans: LabelScore::new(sum(0), sum(1), sum(2)),
            types: counts
                .into_iter()
                .map(|(kind, [correct, found, support])| {
                    (kind.to_owned(), LabelScore::new(correct, found, support))
                })
                .collect(),
        })
    }
}

/// Returns whether a tag is one that marks spans: `O`, or `B`, `I`, `E` or `S` with or without a hyphen and a type.
/// Other tags, such as parts of speech, have an accuracy, but the F1 of their spans means nothing.
///
/// ```
/// use attend_infer::metric::is_span_tag;
///
/// assert!(["O", "B-NP", "I"].into_iter().all(is_span_tag));
/// assert!(!is_span_tag("NOUN"));
/// ```
#[must_use]
pub fn is_span_tag(tag: &str) -> bool {
    tag == "O"
        || tag
            .strip_prefix(['B', 'I', 'E', 'S'])
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// Words that form a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Span<'a> {
    kind: &'a str,
    /// The place of the first word among all tags, which have an `O` behind each sentence.
    first: usize,
    last: usize,
}

/// Returns the spans of all sentences.
fn spans<'a, S: AsRef<[T]>, T: AsRef<str> + 'a>(sentences: &'a [S]) -> Vec<Span<'a>> {
    let outside = Tag::new("O");
    let tags = sentences.iter().flat_map(|sentence| {
        let tags = sentence.as_ref().iter().map(|tag| Tag::new(tag.as_ref()));
        tags.chain([outside])
    });
    let (mut spans, mut first, mut before) = (Vec::new(), 0, outside);
    for (index, tag) in tags.enumerate() {
        if before.ends(tag) {
            spans.push(Span {
                kind: before.kind,
                first,
                last: index - 1,
            });
        }
        if tag.begins(before) {
            first = index;
        }
        before = tag;
    }
    spans
}

/// A tag in two parts.
#[derive(Clone, Copy)]
struct Tag<'a> {
    /// The first character; `None` of an empty tag.
    prefix: Option<char>,
    /// The type, which follows the hyphen behind the prefix; `_` if there is none.
    kind: &'a str,
}

impl<'a> Tag<'a> {
    fn new(tag: &'a str) -> Self {
        let mut characters = tag.chars();
        let prefix = characters.next();
        let rest = characters.as_str();
        let kind = rest.split_once('-').map_or(rest, |(_, kind)| kind);
        Self {
            prefix,
            kind: if kind.is_empty() { "_" } else { kind },
        }
    }

    /// Returns whether the prefix is one of these.
    fn is(self, prefixes: &[char]) -> bool {
        self.prefix.is_some_and(|prefix| prefixes.contains(&prefix))
    }

    /// Returns whether a span ends with the word of this tag, which the word of the tag `next` follows.
    fn ends(self, next: Self) -> bool {
        self.is(&['E', 'S'])
            || self.is(&['B', 'I']) && next.is(&['B', 'S', 'O'])
            || !self.is(&['O', '.']) && self.kind != next.kind
    }

    /// Returns whether a span begins with the word of this tag, which follows the word of the tag `before`.
    fn begins(self, before: Self) -> bool {
        self.is(&['B', 'S'])
            || self.is(&['E', 'I']) && before.is(&['E', 'S', 'O'])
            || !self.is(&['O', '.']) && self.kind != before.kind
    }
}

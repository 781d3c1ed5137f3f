//! A sentence and its translation, as text.

/// A sentence and its translation, as text. Either may be empty.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SentencePair {
    /// The sentence to translate.
    pub source: String,
    /// The translation of the sentence.
    pub target: String,
}

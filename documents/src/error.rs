//! The errors of this crate.

use crate::DocumentKind;

/// An error of this crate. Its message is one sentence about the document, without its name, which only the caller
/// knows.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// A document that is damaged, cut short, or of another kind than its name says.
    #[error("the document is damaged or not of the kind {kind}: {reason}")]
    Damaged {
        /// The kind that the document should be of.
        kind: DocumentKind,
        /// What is wrong with it.
        reason: String,
    },
    /// A document that would take too much memory, or that asks for what is never done, if it were trusted.
    #[error("the document is not read: {reason}")]
    Trap {
        /// What it would do.
        reason: String,
    },
    /// A document whose text is in another encoding than UTF-8.
    #[error("the document is not UTF-8: {reason}")]
    Encoding {
        /// What says so.
        reason: String,
    },
    /// A line of subtitles that is not what must stand there.
    #[error("line {line}: expected {expected}, found {found:?}")]
    Subtitle {
        /// The number of the line, counted from 1.
        line: usize,
        /// What must stand in the line.
        expected: &'static str,
        /// The beginning of the line.
        found: String,
    },
    /// Another number of translations than of passages.
    #[error("the document has {passages} passages, but there are {translations} translations")]
    Count {
        /// The number of passages.
        passages: usize,
        /// The number of translations.
        translations: usize,
    },
    /// A translation that does not have each tag of its passage once, with the same tags around it.
    #[error("the translation of passage {passage} does not have the tags of the passage: {translation:?}")]
    Tags {
        /// The number of the passage, counted from 1.
        passage: usize,
        /// The translation.
        translation: String,
    },
    /// A document that cannot be packed again, because it grows beyond what its format holds.
    #[error("the translated document cannot be packed: {reason}")]
    Pack {
        /// What stands against it.
        reason: String,
    },
}

//! The kinds of documents.

use std::path::Path;

use strum::{Display, EnumString};

/// The kind of a document. Its name is the usual ending of such files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Display, EnumString)]
#[strum(serialize_all = "lowercase", ascii_case_insensitive)]
pub enum DocumentKind {
    /// Plain text. Each line is a passage.
    Txt,
    /// Subtitles of SubRip. The lines of each subtitle are a passage.
    Srt,
    /// A page of HTML.
    #[strum(serialize = "html", serialize = "htm")]
    Html,
    /// A document of Word since 2007, in Office Open XML.
    Docx,
    /// A text of LibreOffice and others, in OpenDocument.
    Odt,
}

impl DocumentKind {
    /// All kinds.
    pub const ALL: [Self; 5] = [Self::Txt, Self::Srt, Self::Html, Self::Docx, Self::Odt];

    /// Returns the kind that the ending of a file's name says, or `None` if there is no such kind.
    #[must_use]
    pub fn of_path(path: &Path) -> Option<Self> {
        path.extension()?.to_str()?.parse().ok()
    }
}

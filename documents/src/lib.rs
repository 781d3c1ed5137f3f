//! The translatable passages of documents, and the same documents with the passages' translations.
//!
//! A [`Document`] is read from the bytes of a file. Its [passages](Document::passages) are translated, each as a line of
//! its own, by a program that this crate knows nothing of. [`Document::write`] then returns the bytes of the file with
//! the translations in place of the passages.
//!
//! ```
//! use attend_documents::{Document, DocumentError, DocumentKind};
//!
//! let subtitles = b"1\r\n00:00:01,000 --> 00:00:02,500\r\n<i>We are hungry.</i>\r\n";
//! let document = Document::read(subtitles, DocumentKind::Srt)?;
//! assert_eq!(document.passages()[0].text, "<i>We are hungry.</i>");
//!
//! let translated = document.write(&["<i>Wir sind hungrig.</i>"])?;
//! assert_eq!(translated, b"1\r\n00:00:01,000 --> 00:00:02,500\r\n<i>Wir sind hungrig.</i>\r\n");
//! # Ok::<(), DocumentError>(())
//! ```
//!
//! | file | content |
//! |---|---|
//! | `text_file`, `subtitles`, `html` | the passages of documents that are text |
//! | `docx`, `odt` | which parts of an archive have text, and what their elements are |
//! | `xml_part` | from the XML of a part to its paragraphs |
//! | `paragraph` | from a paragraph to passages |
//! | `passage` | the line of a passage, and its translation in the XML of the document |
//! | `writer` | the XML of a part with the translations |
//! | `archive` | zip archives whose makers are not trusted |
//!
//! No document is trusted: an archive is read in memory, and no more of it than a bound; what it claims about sizes is
//! not believed; entities of XML are never expanded.

mod archive;
mod docx;
mod error;
mod html;
mod kind;
mod odt;
mod paragraph;
mod passage;
mod subtitles;
mod text_file;
mod writer;
mod xml_part;

use std::collections::HashMap;

use archive::Archive;
pub use error::DocumentError;
pub use kind::DocumentKind;
use text_file::TextFile;
use xml_part::XmlPart;

/// The markup of a passage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PassageFormat {
    /// Text without markup. A `<` is a character like others.
    Text,
    /// A piece of HTML, as it stands in the document.
    Html,
    /// Text with tags in place of the formatting around words, `<g id="1">…</g>`, and of what stands between words, such
    /// as pictures and footnotes, `<x id="2"/>`. The names are those of XLIFF. `&`, `<` and `>` are entities.
    Xml,
}

/// A piece of a document that is translated by itself: a line, the lines of a subtitle, or a paragraph up to a tab or a
/// line break.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// The text with its tags, without white space around it.
    pub text: String,
    /// What the tags are.
    pub format: PassageFormat,
}

/// A document whose passages are to be translated.
#[derive(Debug)]
pub struct Document {
    content: Content,
    passages: Vec<Passage>,
}

#[derive(Debug)]
enum Content {
    Text(TextFile),
    Archive(Archive, Vec<XmlPart>),
}

impl Document {
    /// Reads a document of the given kind from the bytes of its file. A piece of text without a letter, such as a number
    /// or a line of dashes, is no passage.
    ///
    /// # Errors
    ///
    /// Returns [`DocumentError::Damaged`] if the bytes are no document of this kind; [`DocumentError::Encoding`] if text
    /// is not UTF-8; [`DocumentError::Subtitle`] for a line of subtitles that does not belong there; and
    /// [`DocumentError::Trap`] if the document would take much more memory than its file, nests its elements very
    /// deeply, declares entities, or has a member whose name leads out of a folder.
    pub fn read(bytes: &[u8], kind: DocumentKind) -> Result<Self, DocumentError> {
        let (content, passages) = match kind {
            DocumentKind::Txt | DocumentKind::Srt | DocumentKind::Html => {
                let (file, passages) = TextFile::read(bytes, kind)?;
                (Content::Text(file), passages)
            }
            DocumentKind::Docx | DocumentKind::Odt => {
                let mut archive = Archive::open(bytes, kind)?;
                let parts = match kind {
                    DocumentKind::Docx => docx::parts(&mut archive)?,
                    _ => odt::parts(&mut archive)?,
                };
                let (parts, passages): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
                (Content::Archive(archive, parts), passages.concat())
            }
        };
        Ok(Self { content, passages })
    }

    /// Returns the passages, in the order of the document. Those of a Word or OpenDocument file begin with its body;
    /// headers, footers, notes and comments that are in files of their own follow.
    #[must_use]
    pub fn passages(&self) -> &[Passage] {
        &self.passages
    }

    /// Returns the bytes of the document with these translations in place of its passages, in the same order. All else
    /// is as it was, byte for byte: members of an archive without text are copied as they are packed, and in those with
    /// text, all XML but that text is copied. Where a passage and its translation are equal, the document stays as it is.
    ///
    /// A translation is one line in the format of its passage, and has each of its tags exactly once, with the same tags
    /// around it. Line ends in it are written as spaces. Text of runs of Word that look the same is written into the
    /// first of them.
    ///
    /// # Errors
    ///
    /// Returns [`DocumentError::Count`] if there are more or fewer translations than passages, [`DocumentError::Tags`]
    /// if a translation has other tags than its passage, and [`DocumentError::Pack`] if the document becomes too large.
    pub fn write(&self, translations: &[impl AsRef<str>]) -> Result<Vec<u8>, DocumentError> {
        if translations.len() != self.passages.len() {
            return Err(DocumentError::Count {
                passages: self.passages.len(),
                translations: translations.len(),
            });
        }
        let translations: Vec<Option<&str>> = self
            .passages
            .iter()
            .zip(translations)
            .map(|(passage, translation)| {
                let translation = translation.as_ref();
                (translation != passage.text).then_some(translation)
            })
            .collect();
        match &self.content {
            Content::Text(file) => Ok(file.write(&translations).into_bytes()),
            Content::Archive(archive, parts) => {
                let mut first = 0;
                let mut changed = HashMap::new();
                for part in parts {
                    let of_part = &translations[first..first + part.passage_count()];
                    if of_part.iter().any(Option::is_some) {
                        changed.insert(part.member(), part.write(of_part, first)?);
                    }
                    first += of_part.len();
                }
                archive.write(&changed)
            }
        }
    }
}

/// Returns whether a text has something to translate.
fn has_letters(text: &str) -> bool {
    text.contains(char::is_alphabetic)
}

/// Returns a text with a space in place of each character that ends a line, and without the characters that neither XML
/// nor text files may have.
fn one_line(text: &str) -> String {
    let is_written = |c: &char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
    let spaced = text.chars().map(|c| match c {
        '\t' | '\n' | '\u{b}' | '\u{c}' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => ' ',
        c => c,
    });
    spaced.filter(is_written).collect()
}

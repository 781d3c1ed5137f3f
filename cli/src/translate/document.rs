//! Documents: files of which the text is translated, and all else stays as it is.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use attend_data::DataError;
use attend_documents::{Document, DocumentError, DocumentKind, Passage, PassageFormat};
use attend_infer::{Format, StreamLine, TranslateOptions, translate_stream};
use clap::builder::{PathBufValueParser, TypedValueParser};

use super::chain::Chain;
use crate::error::CliError;
use crate::lines::Progress;

/// The file of a document, whose name says what kind of document it is.
#[derive(Clone)]
pub(super) struct DocumentFile {
    path: PathBuf,
    kind: DocumentKind,
}

/// Returns the parser of the file of a document.
pub(super) fn document_file() -> impl TypedValueParser<Value = DocumentFile> {
    PathBufValueParser::new().try_map(|path| match DocumentKind::of_path(&path) {
        Some(kind) => Ok(DocumentFile { path, kind }),
        None => Err("documents have names in .txt, .srt, .html, .docx or .odt"),
    })
}

/// A document that has been read.
pub(super) struct OpenDocument {
    path: PathBuf,
    document: Document,
}

impl OpenDocument {
    /// Reads a document.
    pub(super) fn open(file: &DocumentFile) -> Result<Self, CliError> {
        let path = file.path.clone();
        let bytes = std::fs::read(&path).map_err(|error| DataError::read(&path, error))?;
        match Document::read(&bytes, file.kind) {
            Ok(document) => Ok(Self { path, document }),
            Err(error) => Err(CliError::Document { path, error }),
        }
    }

    /// Translates the passages. Returns the bytes of the document with their translations.
    pub(super) fn translate(
        &self,
        mut chain: Chain,
        options: &TranslateOptions,
    ) -> Result<Vec<u8>, CliError> {
        let passages = self.document.passages();
        let bytes: usize = passages.iter().map(|passage| passage.text.len() + 1).sum();
        let progress = Progress::over(Some(bytes as u64), "sentences");
        chain.last = progress.observe(chain.last);
        let mut translations = Vec::with_capacity(passages.len());
        let lines: Vec<_> = lines(passages, options).map(Ok).collect();
        translate_stream(
            |lines| chain.translate(lines),
            lines.into_iter(),
            false,
            |lines| {
                progress.advance(lines.iter().map(|(line, _)| line));
                translations.extend(lines.iter().map(|(_, best_first)| best_first[0].text.clone()));
                Ok::<_, CliError>(ControlFlow::Continue(()))
            },
        )?;
        let written = self.document.write(&translations);
        written.map_err(|error: DocumentError| CliError::Document {
            path: self.path.clone(),
            error,
        })
    }
}

/// Returns passages as lines, each with the options of its format.
fn lines(passages: &[Passage], options: &TranslateOptions) -> impl Iterator<Item = StreamLine> {
    let of_format = |format| {
        Arc::new(TranslateOptions {
            format,
            ..options.clone()
        })
    };
    let [text, html, xml] = [Format::Text, Format::Html, Format::Xml].map(of_format);
    passages.iter().map(move |passage| StreamLine {
        text: passage.text.clone(),
        options: Arc::clone(match passage.format {
            PassageFormat::Text => &text,
            PassageFormat::Html => &html,
            PassageFormat::Xml => &xml,
        }),
    })
}

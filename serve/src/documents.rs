//! Documents that are translated as a whole.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use attend_documents::{Document, DocumentError, DocumentKind, PassageFormat};
use attend_infer::{Format, Glossary, Language};
use axum::http::StatusCode;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::block_in_place;

use crate::error::ApiError;
use crate::languages::code;
use crate::service::{Service, SourceText, TextOptions};

/// The time within which a document is translated, or else refused.
pub(crate) const DEADLINE: Duration = Duration::from_mins(10);

/// The formats of passages, and what models take them for.
const FORMATS: [(PassageFormat, Format); 3] = [
    (PassageFormat::Text, Format::Text),
    (PassageFormat::Html, Format::Html),
    (PassageFormat::Xml, Format::Xml),
];

/// Returns the kind of a document, by its name.
///
/// # Errors
///
/// If there is no such kind.
pub(crate) fn document_kind(name: &str) -> Result<DocumentKind, ApiError> {
    DocumentKind::of_path(Path::new(name)).ok_or_else(|| {
        let kinds = DocumentKind::ALL.map(|kind| format!(".{kind}")).join(", ");
        ApiError::bad_request(format!(
            "the name of the file is {name:?}, but it can end in {kinds}"
        ))
    })
}

/// Returns the name of the translation of a file.
pub(crate) fn translated_name(name: &str, target: &Language, kind: DocumentKind) -> String {
    let stem = Path::new(name).file_stem().unwrap_or_default().to_string_lossy();
    format!("{stem}.{}.{kind}", code(target))
}

/// Reads a document. Returns it with the number of its characters.
///
/// # Errors
///
/// If the bytes are no document of this kind.
pub(crate) fn read_document(bytes: &[u8], kind: DocumentKind) -> Result<(Document, usize), ApiError> {
    let document = block_in_place(|| Document::read(bytes, kind)).map_err(refused)?;
    let passages = document.passages().iter();
    let characters = passages.map(|passage| passage.text.chars().count()).sum();
    Ok((document, characters))
}

fn refused(error: DocumentError) -> ApiError {
    ApiError::bad_request(error.to_string())
}

impl Service {
    /// Takes a place of a document in memory.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub(crate) fn place_of_document(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let place = Arc::clone(&self.documents).try_acquire_owned();
        place.map_err(|_| {
            ApiError::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many documents are being translated; try again later",
            )
        })
    }

    /// Returns the bytes of a document with its text translated, with the terms of a glossary. Without a `source`, its
    /// language is found out.
    ///
    /// # Errors
    ///
    /// If its text is not translated within ten minutes, and the errors of [`translate`](Self::translate).
    pub(crate) async fn translate_document(
        &self,
        document: &Document,
        source: Option<Language>,
        target: &Language,
        glossary: &Arc<Glossary>,
    ) -> Result<Vec<u8>, ApiError> {
        let deadline = Instant::now() + DEADLINE;
        let passages = document.passages();
        let source = source.unwrap_or_else(|| {
            let text: Vec<&str> = passages.iter().map(|passage| passage.text.as_str()).collect();
            self.detector_for(target).detect(&text.join("\n")).language
        });
        let mut translations = vec![String::new(); passages.len()];
        for (of_passage, format) in FORMATS {
            let places = (0..passages.len()).filter(|&place| passages[place].format == of_passage);
            let places: Vec<usize> = places.collect();
            let texts = places.iter().map(|&place| SourceText {
                text: &passages[place].text,
                language: &source,
            });
            let options = TextOptions {
                deadline,
                glossary: Arc::clone(glossary),
                ..TextOptions::soon(format, 0)
            };
            let texts: Vec<SourceText<'_>> = texts.collect();
            let found = self.translate(&texts, target, &options).await?;
            for (place, mut best_first) in places.into_iter().zip(found) {
                translations[place] = best_first.swap_remove(0);
            }
        }
        block_in_place(|| document.write(&translations)).map_err(refused)
    }
}

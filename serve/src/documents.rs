//! Documents that are translated as a whole.

use std::time::{Duration, Instant};

use attend_documents::{Document, DocumentError, DocumentKind, PassageFormat};
use attend_infer::{Format, Language};
use tokio::task::block_in_place;
use tokio::time::timeout_at;

use crate::access::Caller;
use crate::error::ApiError;
use crate::scheduler::ScheduleError;
use crate::service::{Service, SourceText, TextOptions};

/// The time within which a document is translated, or else refused.
const DEADLINE: Duration = Duration::from_mins(10);

/// The formats of passages, and what models take them for.
const FORMATS: [(PassageFormat, Format); 3] = [
    (PassageFormat::Text, Format::Text),
    (PassageFormat::Html, Format::Html),
    (PassageFormat::Xml, Format::Xml),
];

impl Service {
    /// Returns the bytes of a document with its text translated, for which `caller` spends its characters. Without a
    /// `source`, its language is found out.
    ///
    /// # Errors
    ///
    /// If the bytes are no document of this kind, if the caller does not have its characters left, or if its text is not
    /// translated within ten minutes.
    pub(crate) async fn translate_document(
        &self,
        caller: &Caller,
        bytes: &[u8],
        kind: DocumentKind,
        source: Option<Language>,
        target: &Language,
    ) -> Result<Vec<u8>, ApiError> {
        let deadline = Instant::now() + DEADLINE;
        let place = timeout_at(deadline.into(), self.documents.acquire()).await;
        let _place = place.map_err(|_| ScheduleError::Deadline)?;
        let refused = |error: DocumentError| ApiError::bad_request(error.to_string());
        let document = block_in_place(|| Document::read(bytes, kind)).map_err(refused)?;
        let passages = document.passages();
        caller.spend(passages.iter().map(|passage| passage.text.chars().count()).sum())?;
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

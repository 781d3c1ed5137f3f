//! Any bytes as documents of each kind: they are read and written again, or refused, and nothing panics. libFuzzer watches
//! over the memory.

#![no_main]

use attend_documents::{Document, DocumentKind, PassageFormat};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    for kind in DocumentKind::ALL {
        // Refused documents are an answer, too.
        let Ok(document) = Document::read(bytes, kind) else {
            continue;
        };
        let translations = document.passages().iter().map(|passage| match passage.format {
            PassageFormat::Text => passage.text.to_uppercase(),
            PassageFormat::Html | PassageFormat::Xml => format!("{} x", passage.text),
        });
        let translations: Vec<String> = translations.collect();
        let written = document.write(&translations);
        // What is copied of a damaged archive may be damaged.
        if matches!(kind, DocumentKind::Txt | DocumentKind::Srt | DocumentKind::Html) {
            written.expect("as many translations as passages");
        }
    }
});

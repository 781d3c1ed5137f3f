//! What a server counts, and what it logs.

use std::thread;
use std::time::Duration;

use serde_json::json;

use super::{Server, english, translated, workspace};
use crate::common::SENTENCES;

#[test]
fn requests_are_counted_and_logged_without_their_texts() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    assert_eq!(server.metric("attend_loaded_models"), 0.0);
    for _ in 0..3 {
        assert_eq!(server.translate(&english(json!({"q": SENTENCES}))).0, 200);
    }
    assert_eq!(server.translate(&json!({"q": SENTENCES[0]})).0, 400);
    for path in ["/made-up", "/of-a-client"] {
        assert_eq!(server.get(path).0, 404);
    }
    for (metric, expected) in [
        ("attend_requests_total{path=\"/translate\",status=\"200\"}", 3.0),
        ("attend_requests_total{path=\"/translate\",status=\"400\"}", 1.0),
        ("attend_requests_total{path=\"other\",status=\"404\"}", 2.0),
        ("attend_request_seconds_count{path=\"/translate\"}", 4.0),
        (
            "attend_translation_seconds_count{source=\"en\",target=\"de\"}",
            3.0,
        ),
        ("attend_batch_sentences_sum", 3.0 * SENTENCES.len() as f64),
        ("attend_loaded_models", 1.0),
        ("attend_waiting_tokens", 0.0),
    ] {
        assert_eq!(server.metric(metric), expected, "{metric}");
    }
    let tokens = server.metric("attend_target_tokens_total{source=\"en\",target=\"de\"}");
    assert!(tokens > 3.0 * SENTENCES.len() as f64, "{tokens}");

    while !server.log().contains("status=404") {
        thread::sleep(Duration::from_millis(10));
    }
    let log = server.log();
    assert!(log.contains("path=\"/translate\" status=200"), "{log}");
    let translations = translated(&workspace, &[]);
    for text in SENTENCES
        .iter()
        .copied()
        .chain(translations.iter().map(String::as_str))
    {
        assert!(
            text.is_empty() || !log.contains(text),
            "{text:?} is in the log:\n{log}"
        );
    }
}

//! The Python client of DeepL, against the server.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use super::deepl::keys;
use super::{Server, translated, workspace};
use crate::common::{SENTENCES, argument, home, text};

/// The variable PYTHON names a Python that has the client.
#[test]
#[ignore = "needs a Python with deepl 1.32; `just test-deepl PYTHON` runs it"]
fn deepls_client_gets_what_it_asks_for() {
    let python = env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let workspace = workspace();
    let model = workspace.model();
    let file = keys(&workspace, &[("anna", 20), ("peter", 1_000)]);
    let open = Server::start(&workspace);
    let keyed = Server::with(
        &workspace,
        &["--model", argument(&model), "--keys", argument(&file)],
    );
    let slow = Server::with(
        &workspace,
        &["--model", argument(&model), "--requests-per-minute", "1"],
    );
    let home = home(&["de-en"]);
    let to_english = Server::with(&home, &[]);

    let document = workspace.write("lines.txt", text());
    let glossary = workspace.write("terms.tsv", "house\tGarten\nold man\tBuch\n");
    let of_line =
        |flags: &[&str], line: &str| workspace.translated(flags, line.as_bytes()).trim_end().to_owned();
    let sentences = "The house is small. An old man reads.";
    let tags = "the <b>house</b> is small";
    let expected = json!({
        "open": open.address,
        "keyed": keyed.address,
        "slow": slow.address,
        "to_english": to_english.address,
        "texts": SENTENCES,
        "translations": translated(&workspace, &[]),
        "sentences": sentences,
        "of_sentences": of_line(&[], sentences),
        "of_one_sentence": of_line(&["--no-split"], sentences),
        "with_glossary": of_line(&["--beam", "4", "--glossary", argument(&glossary)], sentences),
        "tags": tags,
        "of_tags": of_line(&["--format", "xml"], tags),
        "document": document,
        "of_document": text_of_document(&workspace),
    });
    let expected = workspace.write("expected.json", expected.to_string());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serve/check_deepl.py");
    let status = Command::new(python).arg(script).arg(expected).status();
    assert!(status.unwrap().success());
}

/// Returns what `attend translate` makes of the document of all sentences.
fn text_of_document(workspace: &crate::common::Workspace) -> String {
    let output = workspace.path("translated.txt");
    let document = workspace.path("lines.txt");
    let flags = ["--document", argument(&document), "--output", argument(&output)];
    workspace.translated(&flags, b"");
    fs::read_to_string(output).unwrap()
}

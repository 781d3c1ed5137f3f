//! The page of `attend serve`, and what it asks for.

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use super::{Server, english, workspace};
use crate::common::{SENTENCES, Workspace, argument, attend, run, stdout};

#[test]
fn the_page_may_load_nothing_from_elsewhere() {
    let server = Server::start(&workspace());
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/page.css", "text/css; charset=utf-8"),
        ("/page.js", "text/javascript; charset=utf-8"),
    ] {
        let answer = server
            .agent
            .get(format!("{}{path}", server.address))
            .call()
            .unwrap();
        assert_eq!(answer.status(), 200);
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!(header("content-type"), kind);
        assert!(header("content-security-policy").starts_with("default-src 'none'; script-src 'self';"));
        assert_eq!(header("x-content-type-options"), "nosniff");
    }
}

#[test]
fn attention_is_what_attend_attention_prints() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    let text = SENTENCES[0];
    let printed = |translation: &[&str]| -> Value {
        let mut command = attend("attention");
        command.arg(workspace.model()).arg(text).args(translation);
        command.args(["--words", "--json"]);
        let output = run(command, b"");
        serde_json::from_str(&stdout(&output)).unwrap()
    };
    for translation in [None, Some("guten Morgen")] {
        let mut expected = printed(translation.as_slice());
        // The page shows first what the translation looks at.
        expected["attention"].as_array_mut().unwrap().rotate_right(1);
        let asked = english(json!({"text": text, "translation": translation}));
        assert_eq!(server.ask("/v1/attention", &asked), (200, expected));
    }
    let form = "source=en&target=de&text=good+morning&view=page";
    let mut page = server.post("/v1/attention", "application/x-www-form-urlencoded", form);
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.ends_with("sandbox allow-scripts"), "{policy}");
    assert!(
        page.body_mut()
            .read_to_string()
            .unwrap()
            .contains("<h1>good morning → ")
    );
}

#[test]
fn attention_that_cannot_be_shown_is_refused() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    let long = "a ".repeat(251);
    for (asked, expected) in [
        (english(json!({})), "the parameter text is missing"),
        (
            english(json!({"text": long})),
            "a text has 502 characters, but attention is shown for 500",
        ),
        (
            json!({"text": "a", "source": "en", "target": "fr"}),
            "no single model translates from en to fr, so there is no attention",
        ),
        (
            english(json!({"text": " "})),
            "the source is empty, so there are no words that attend",
        ),
    ] {
        assert_eq!(
            server.ask("/v1/attention", &asked),
            (400, json!({"error": expected}))
        );
    }
}

/// The model is one that transformers trained on the phrasebook. PYTHON names a Python with playwright and
/// axe-playwright-python; SCREENSHOTS may name a folder that keeps the pictures of the page.
#[test]
#[ignore = "needs Chromium, and packages of Python; `just test-serve-page PYTHON` runs it"]
fn a_person_translates_on_the_page() {
    let workspace = Workspace::new();
    let model = workspace.path("phrasebook");
    let mut import = attend("import");
    let trained =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../formats/tests/fixtures/marian_mt_phrasebook");
    import.arg(trained).arg("--output").arg(&model);
    assert!(run(import, b"").status.success());
    let server = Server::with(&workspace, &["--model", argument(&model)]);
    let pictures = env::var_os("SCREENSHOTS").map_or_else(|| workspace.path("pictures"), Into::into);
    fs::create_dir_all(&pictures).unwrap();
    let python = env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let status = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/serve/check_page.py"))
        .args([&server.address, "en", "de", "Martin arrives.", "Martin kommt an."])
        .arg(pictures)
        .status();
    assert!(status.unwrap().success());
}

//! What the page of LibreTranslate asks, as a browser sends it.

use serde_json::{Value, json};
use ureq::Body;
use ureq::http::Response;

use super::{Server, answer, translated, workspace};
use crate::common::SENTENCES;

const BOUNDARY: &str = "----WebKitFormBoundaryR4nD0m";

/// Sends the fields of a `FormData` as a browser writes them: each has its name, perhaps the name of a file and its
/// kind, and its content, in which a text has the line ends of the network.
fn send(server: &Server, path: &str, fields: &[(&str, &str)]) -> Response<Body> {
    let field = |(name, content): &(&str, &str)| {
        let kind = match *name {
            "file" => "; filename=\"letter.txt\"\r\nContent-Type: text/plain",
            _ => "",
        };
        format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{kind}\r\n\r\n{content}\r\n")
    };
    let body: String = fields.iter().map(field).collect();
    let kind = format!("multipart/form-data; boundary={BOUNDARY}");
    server.post(path, &kind, &format!("{body}--{BOUNDARY}--\r\n"))
}

#[test]
fn the_page_of_libre_translate_works() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    let expected = translated(&workspace, &[]);

    // It begins with the settings and the languages.
    let (_, settings) = server.get("/frontend/settings");
    let (_, languages) = server.get("/languages");
    let source = settings["language"]["source"]["code"].as_str().unwrap();
    let target = settings["language"]["target"]["code"].as_str().unwrap();
    assert_eq!((source, target), ("auto", "de"));
    for (setting, expected) in [
        ("charLimit", json!(-1)),
        ("filesTranslation", json!(true)),
        ("keyRequired", json!(false)),
        // So it never asks /suggest.
        ("suggestions", json!(false)),
        (
            "supportedFilesFormat",
            json!([".txt", ".srt", ".html", ".docx", ".odt"]),
        ),
    ] {
        assert_eq!(settings[setting], expected, "{setting}");
    }
    assert!(settings["frontendTimeout"].is_u64() && settings["apiKeys"].is_boolean());
    let english: &Value = &languages.as_array().unwrap()[1];
    assert_eq!(
        *english,
        json!({"code": "en", "name": "English", "targets": ["de"]})
    );

    let text = format!("{}\r\n{}", SENTENCES[2], SENTENCES[3]);
    let fields = |source: &'static str, format: &'static str| {
        [
            ("q", text.as_str()),
            ("source", source),
            ("target", target),
            ("format", format),
            ("alternatives", "3"),
            ("api_key", ""),
        ]
    };
    let (status, found) = answer(send(&server, "/translate", &fields("auto", "text")));
    assert_eq!(status, 200);
    assert_eq!(
        found["translatedText"],
        format!("{}\r\n{}", expected[2], expected[3])
    );
    assert_eq!(found["detectedLanguage"]["language"], "en");
    assert!(found["detectedLanguage"]["confidence"].is_u64());
    let alternatives = found["alternatives"].as_array().unwrap();
    assert!(!alternatives.is_empty() && alternatives.iter().all(Value::is_string));
    let (status, found) = answer(send(&server, "/translate", &fields("en", "html")));
    assert_eq!((status, found["translatedText"].is_string()), (200, true));
    assert!(found.get("detectedLanguage").is_none());
    // It shows the reason of an error.
    let (status, found) = answer(send(&server, "/translate", &fields("fr", "text")));
    assert_eq!(
        (status, found),
        (400, json!({"error": "no model translates from fr to de"}))
    );

    let fields = [
        ("file", text.as_str()),
        ("source", "en"),
        ("target", target),
        ("api_key", ""),
    ];
    let (status, found) = answer(send(&server, "/translate_file", &fields));
    assert_eq!(status, 200);
    let mut file = server
        .agent
        .get(found["translatedFileUrl"].as_str().unwrap())
        .call()
        .unwrap();
    let expected = format!("{}\r\n{}", expected[2], expected[3]);
    assert_eq!(file.body_mut().read_to_string().unwrap(), expected);
}

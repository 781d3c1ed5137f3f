//! What clients of LibreTranslate ask, and what they are answered.

use serde_json::{Value, json};

use super::{Server, answer, english, translated, workspace};
use crate::common::SENTENCES;

#[test]
fn texts_are_translated_as_by_attend_translate() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    let expected = translated(&workspace, &[]);
    let found = server.translate(&english(json!({"q": SENTENCES})));
    assert_eq!(found, (200, json!({"translatedText": expected})));
    for (sentence, expected) in SENTENCES.iter().zip(&expected) {
        let found = server.translate(&english(json!({"q": sentence})));
        assert_eq!(found, (200, json!({"translatedText": expected})));
    }
    // Clients write a form, or all into the address.
    let form = "q=good+morning&source=en&target=de&api_key=";
    let of_form = server.post("/translate", "application/x-www-form-urlencoded", form);
    assert_eq!(answer(of_form), (200, json!({"translatedText": expected[1]})));
    let of_query = server.post(&format!("/translate?{form}"), "text/plain", "");
    assert_eq!(answer(of_query), (200, json!({"translatedText": expected[1]})));
    let field = |(name, value): (&str, &str)| {
        format!("--boundary\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let fields = [
        ("q", "good morning"),
        ("source", "en"),
        ("target", "de"),
        ("alternatives", "0"),
    ];
    let of_fields = server.post(
        "/translate",
        "multipart/form-data; boundary=boundary",
        &(fields.map(field).concat() + "--boundary--\r\n"),
    );
    assert_eq!(answer(of_fields), (200, json!({"translatedText": expected[1]})));

    let lines = format!("{}\r\n\n  {} \n—\n", SENTENCES[2], SENTENCES[3]);
    let found = server.translate(&english(json!({"q": lines})));
    let lines = format!("{}\r\n\n  {} \n—\n", expected[2], expected[3]);
    assert_eq!(found, (200, json!({"translatedText": lines})));
    assert_eq!(
        server.translate(&english(json!({"q": []}))),
        (200, json!({"translatedText": []}))
    );

    let best: Vec<Value> = translated(&workspace, &["--json", "--beam", "3", "--nbest", "3"])
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let text = |line: &Value, rank: usize| line["translations"][rank]["text"].clone();
    let asked = english(json!({"q": SENTENCES, "alternatives": 2, "format": "text"}));
    let found = server.translate(&asked);
    let texts: Vec<Value> = best.iter().map(|line| text(line, 0)).collect();
    let others: Vec<Value> = best
        .iter()
        .map(|line| json!([text(line, 1), text(line, 2)]))
        .collect();
    assert_eq!(
        found,
        (200, json!({"translatedText": texts, "alternatives": others}))
    );

    let html = "<p>the <b>house</b> is small</p>";
    let found = server.translate(&english(json!({"q": html, "format": "html"})));
    let expected = workspace.translated(&["--format", "html"], html.as_bytes());
    assert_eq!(found, (200, json!({"translatedText": expected.trim_end()})));
}

#[test]
fn a_server_tells_its_languages_and_that_it_is_well() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    assert_eq!(server.get("/health"), (200, json!({"status": "ok"})));
    let languages = json!([
        {"code": "de", "name": "German", "targets": []},
        {"code": "en", "name": "English", "targets": ["de"]},
    ]);
    assert_eq!(server.get("/languages"), (200, languages));
    let (status, settings) = server.get("/frontend/settings");
    assert_eq!(status, 200);
    let german = json!({"code": "de", "name": "German"});
    assert_eq!(settings["language"]["target"], german);
    assert_eq!(settings["language"]["source"]["code"], "auto");
    for (setting, expected) in [("keyRequired", json!(false)), ("charLimit", json!(-1))] {
        assert_eq!(settings[setting], expected);
    }
}

#[test]
fn languages_are_found_out() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    let (english, german) = ("the house is small", "ein alter Mann liest ein Buch");
    let found = |text: &str| {
        let (status, found) = server.ask("/detect", &json!({"q": text}));
        assert_eq!(status, 200);
        let [found] = found.as_array().unwrap().as_slice() else {
            panic!("{found}");
        };
        // Some clients read nothing but whole numbers.
        assert!(found["confidence"].as_u64().unwrap() <= 100);
        found.clone()
    };
    let [of_english, of_german] = [english, german].map(found);
    assert_eq!(of_english["language"], "en");
    assert_eq!(of_german["language"], "de");
    assert_eq!(found("123"), json!({"language": "en", "confidence": 0}));
    assert_eq!(server.ask("/detect", &json!({})).0, 400);
    assert_eq!(server.ask("/detect", &json!({"q": [english]})).0, 400);

    // What is in the target language already stays as it is.
    let expected = &translated(&workspace, &[])[2];
    let asked = json!({"q": english, "source": "auto", "target": "de"});
    let answered = json!({"translatedText": expected, "detectedLanguage": of_english});
    assert_eq!(server.translate(&asked), (200, answered));
    let asked =
        json!({"q": [german, english, german], "source": "auto", "target": "de", "alternatives": "1"});
    let (status, answered) = server.translate(&asked);
    assert_eq!(status, 200);
    assert_eq!(answered["translatedText"][0], german);
    assert_eq!(answered["translatedText"][2], german);
    assert_eq!(
        answered["detectedLanguage"],
        json!([of_german, of_english, of_german])
    );
    let alternatives = answered["alternatives"].as_array().unwrap();
    let counts: Vec<usize> = alternatives
        .iter()
        .map(|found| found.as_array().unwrap().len())
        .collect();
    assert_eq!(counts, [0, 1, 0]);
}

#[test]
fn what_cannot_be_translated_is_refused_with_a_reason() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    let too_long = format!(r#"{{"q": "{}"}}"#, "a".repeat(2 << 20));
    let too_long = too_long.as_str();
    for (asked, status, reason) in [
        (
            r#"{"source": "en", "target": "de"}"#,
            400,
            "the parameter q is missing",
        ),
        (
            r#"{"q": "yes", "target": "de"}"#,
            400,
            "the parameter source is missing",
        ),
        (
            r#"{"q": "yes", "source": "en"}"#,
            400,
            "the parameter target is missing",
        ),
        (
            r#"{"q": 3, "source": "en", "target": "de"}"#,
            400,
            "neither a string nor an array",
        ),
        (
            r#"{"q": "yes", "source": "en", "target": "fr"}"#,
            400,
            "no model translates from en to fr",
        ),
        (
            r#"{"q": "yes", "source": "en", "target": "German"}"#,
            400,
            "no code of a language",
        ),
        (
            r#"{"q": "yes", "source": "en", "target": "de", "format": "pdf"}"#,
            400,
            "text or html",
        ),
        (
            r#"{"q": "yes", "source": "en", "target": "de", "alternatives": 11}"#,
            400,
            "at most 10",
        ),
        (
            r#"{"q": "yes", "source": "en", "target": "de", "alternatives": "two"}"#,
            400,
            "not a number",
        ),
        (r#"{"q": "yes", "source": "auto", "target": "fr"}"#, 400, "to fr"),
        (r#"{"q": "yes", "source": "en", "#, 400, ""),
        (too_long, 413, ""),
    ] {
        let (found, answer) = answer(server.post("/translate", "application/json", asked));
        assert_eq!(found, status, "{answer}");
        assert!(answer["error"].as_str().unwrap().contains(reason), "{answer}");
    }
    assert_eq!(server.get("/translate").0, 405);
    assert_eq!(server.get("/translates").0, 404);
    // It goes on.
    assert_eq!(server.get("/health").0, 200);
}

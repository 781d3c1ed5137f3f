//! What clients of DeepL ask, and what they are answered.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Server, answer, translated, workspace};
use crate::common::{SENTENCES, Workspace, argument, attend, home, run, text};

const FORM: &str = "application/x-www-form-urlencoded";

/// The flags with which the program searches as the server does with a glossary.
const BEAM: [&str; 2] = ["--beam", "4"];

/// Asks for translations from English to German.
fn german(mut asked: Value) -> Value {
    asked["source_lang"] = "EN".into();
    asked["target_lang"] = "DE".into();
    asked
}

/// Returns the texts of an answer, which must be one of translations.
fn texts((status, answer): (u16, Value)) -> Vec<String> {
    assert_eq!(status, 200, "{answer}");
    let translations = answer["translations"].as_array().unwrap().iter();
    translations
        .map(|translation| translation["text"].as_str().unwrap().to_owned())
        .collect()
}

impl Server {
    /// Asks for translations from English to German as a client of DeepL.
    fn deepl(&self, asked: Value) -> (u16, Value) {
        self.ask("/v2/translate", &german(asked))
    }

    fn delete(&self, path: &str) -> u16 {
        let response = self.agent.delete(format!("{}{path}", self.address)).call();
        response.unwrap().status().as_u16()
    }

    fn patch(&self, path: &str, asked: &Value) -> (u16, Value) {
        let request = self.agent.patch(format!("{}{path}", self.address));
        answer(
            request
                .content_type("application/json")
                .send(asked.to_string())
                .unwrap(),
        )
    }

    fn put(&self, path: &str, asked: &Value) -> (u16, Value) {
        let request = self.agent.put(format!("{}{path}", self.address));
        answer(
            request
                .content_type("application/json")
                .send(asked.to_string())
                .unwrap(),
        )
    }

    /// Asks with a key.
    fn with_key(&self, key: &str, path: &str, asked: &Value) -> (u16, Value) {
        let request = self.agent.post(format!("{}{path}", self.address));
        let request = request.header("Authorization", format!("DeepL-Auth-Key {key}"));
        answer(
            request
                .content_type("application/json")
                .send(asked.to_string())
                .unwrap(),
        )
    }

    fn get_with_key(&self, key: &str, path: &str) -> (u16, Value) {
        let request = self.agent.get(format!("{}{path}", self.address));
        answer(
            request
                .header("Authorization", format!("DeepL-Auth-Key {key}"))
                .call()
                .unwrap(),
        )
    }
}

/// Writes a file of keys, each with the characters that are translated for it.
pub(super) fn keys(workspace: &Workspace, keys: &[(&str, u64)]) -> std::path::PathBuf {
    let key = |(key, characters): &(&str, u64)| {
        let sum: String = Sha256::digest(key)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!("[[key]]\nname = \"{key}\"\nsha256 = \"{sum}\"\ncharacters = {characters}\n")
    };
    workspace.write("keys.toml", keys.iter().map(key).collect::<String>())
}

#[test]
fn texts_are_translated_as_by_attend_translate() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    let expected = translated(&workspace, &[]);
    let asked =
        json!({"text": SENTENCES, "show_billed_characters": true, "model_type": "prefer_quality_optimized"});
    let translations: Vec<Value> = SENTENCES
        .iter()
        .zip(&expected)
        .map(|(sentence, text)| {
            json!({
                "detected_source_language": "EN",
                "text": text,
                "billed_characters": sentence.chars().count(),
                "model_type_used": "quality_optimized",
            })
        })
        .collect();
    assert_eq!(server.deepl(asked), (200, json!({"translations": translations})));
    // Fewer fields unless they are asked for; a form may have several texts.
    let form =
        "text=yes&text=good+morning&source_lang=en&target_lang=de&split_sentences=1&preserve_formatting=1";
    let plain = |text: &String| json!({"detected_source_language": "EN", "text": text});
    assert_eq!(
        answer(server.post("/v2/translate", FORM, form)),
        (
            200,
            json!({"translations": expected[..2].iter().map(plain).collect::<Vec<_>>()})
        )
    );
    // A language that is not said is found out. What is in the target language stays.
    let found = server.ask(
        "/v2/translate",
        &json!({"text": ["the house is small", "ein alter Mann liest ein Buch"], "target_lang": "DE"}),
    );
    assert_eq!(found.1["translations"][0]["detected_source_language"], "EN");
    assert_eq!(found.1["translations"][1]["detected_source_language"], "DE");
    assert_eq!(texts(found), [&expected[2], "ein alter Mann liest ein Buch"]);
    // What changes nothing here is taken.
    let asked = json!({
        "text": "yes", "context": "good morning", "formality": "prefer_more", "preserve_formatting": true,
        "outline_detection": false, "tag_handling_version": "v2", "model_type": "latency_optimized",
    });
    assert_eq!(texts(server.deepl(asked)), [expected[0].as_str()]);
}

#[test]
fn texts_are_divided_as_asked() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    let text = "The house is small. An old man\nreads a book.";
    let one_line = text.replace('\n', " ");
    let of_line =
        |flags: &[&str], line: &str| workspace.translated(flags, line.as_bytes()).trim_end().to_owned();
    let lines: Vec<&str> = text.lines().collect();
    let of_lines = lines
        .iter()
        .map(|line| of_line(&[], line))
        .collect::<Vec<_>>()
        .join("\n");
    for (split, expected) in [
        (json!("1"), of_lines.clone()),
        (json!(true), of_lines.clone()),
        (Value::Null, of_lines),
        (json!("nonewlines"), of_line(&[], &one_line)),
        (json!("0"), of_line(&["--no-split"], &one_line)),
    ] {
        let mut asked = json!({"text": format!(" {text}\n")});
        if !split.is_null() {
            asked["split_sentences"] = split.clone();
        }
        assert_eq!(texts(server.deepl(asked)), [format!(" {expected}\n")], "{split}");
    }
    assert_ne!(of_line(&["--no-split"], &one_line), of_line(&[], &one_line));
    // A text that the model does not take as a whole is divided all the same.
    let long = "two children play in the garden. ".repeat(30);
    let asked = json!({"text": long.trim(), "split_sentences": 0});
    assert_eq!(texts(server.deepl(asked)), [of_line(&[], &long)]);
}

#[test]
fn tags_are_kept() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    for (format, line) in [
        ("html", "<p>the <b>house</b> is small</p>"),
        ("xml", "<s>the <b>house</b> is</s> small"),
    ] {
        let expected = workspace.translated(&["--format", format], line.as_bytes());
        let found = texts(server.deepl(json!({"text": line, "tag_handling": format})));
        assert_eq!(found, [expected.trim_end()]);
    }
    let line = "an old man reads <x>the house</x> <Y>now</Y>";
    let asked = json!({"text": line, "tag_handling": "xml", "ignore_tags": ["x, Y"]});
    let found = texts(server.deepl(asked)).remove(0);
    assert!(
        found.contains("<x>the house</x>") && found.contains("<Y>now</Y>"),
        "{found}"
    );
    // A sentence ends at a tag that is asked for, and nowhere else.
    let line = "yes<s/>good morning";
    let of = |asked: Value| texts(server.deepl(asked)).remove(0);
    let expected = translated(&workspace, &[]);
    let divided = of(json!({"text": line, "tag_handling": "xml", "splitting_tags": "s"}));
    assert_eq!(
        divided.replace("<s/>", ""),
        format!("{} {}", expected[0], expected[1])
    );
    let form =
        "text=yes%3Cp%3Egood+morning&source_lang=EN&target_lang=DE&tag_handling=html&non_splitting_tags=p";
    let whole = texts(answer(server.post("/v2/translate", FORM, form))).remove(0);
    assert_ne!(
        whole.replace("<p>", ""),
        format!("{} {}", expected[0], expected[1])
    );
}

/// Weblate puts tags in place of what is not to be translated, and asks for English as `EN`.
#[test]
fn placeholders_of_weblate_stay() {
    let workspace = home(&["de-en"]);
    let server = Server::with(&workspace, &[]);
    let text = "ein alter Mann <x id=\"7\"></x> liest <x id=\"12\"></x>ein Buch &amp; mehr";
    let asked = json!({
        "text": [text], "source_lang": "DE", "target_lang": "EN", "formality": "default",
        "tag_handling": "xml", "ignore_tags": ["x"],
    });
    let found = texts(server.ask("/v2/translate", &asked)).remove(0);
    for placeholder in ["<x id=\"7\"></x>", "<x id=\"12\"></x>"] {
        assert_eq!(found.matches(placeholder).count(), 1, "{found}");
    }
    // Lines stay.
    let lines = format!("{text}\n\n  {text}");
    let asked = json!({
        "text": [lines], "source_lang": "DE", "target_lang": "EN", "tag_handling": "xml", "ignore_tags": ["x"],
    });
    let of_lines = texts(server.ask("/v2/translate", &asked));
    assert_eq!(of_lines, [format!("{found}\n\n  {found}")]);
    let only = "<x id=\"7\"></x>";
    let asked = json!({"text": [only], "source_lang": "DE", "target_lang": "EN", "tag_handling": "xml", "ignore_tags": ["x"]});
    assert_eq!(texts(server.ask("/v2/translate", &asked)), [only]);
}

#[test]
fn languages_have_the_codes_of_deepl() {
    let workspace = home(&["de-en", "en-de", "en-pt"]);
    let server = Server::with(&workspace, &[]);
    let sources = json!([
        {"language": "DE", "name": "German"},
        {"language": "EN", "name": "English"},
    ]);
    assert_eq!(server.get("/v2/languages"), (200, sources.clone()));
    assert_eq!(server.get("/v2/languages?type=source"), (200, sources));
    let target =
        |code: &str, name: &str| json!({"language": code, "name": name, "supports_formality": false});
    let targets = json!([
        target("DE", "German"),
        target("EN-GB", "English (British)"),
        target("EN-US", "English (American)"),
        target("PT-BR", "Portuguese (Brazilian)"),
        target("PT-PT", "Portuguese (European)"),
    ]);
    assert_eq!(server.get("/v2/languages?type=target"), (200, targets.clone()));
    // The Python client sends a form.
    let request = server.agent.get(format!("{}/v2/languages", server.address));
    let request = request.force_send_body().content_type(FORM);
    assert_eq!(answer(request.send("type=target").unwrap()), (200, targets));
    for code in ["EN", "EN-GB", "EN-US"] {
        let asked = json!({"text": ["ein Buch"], "source_lang": "DE", "target_lang": code});
        texts(server.ask("/v2/translate", &asked));
    }
    assert_eq!(server.get("/v2/languages?type=x").0, 400);
    let pairs = json!([
        {"source_lang": "de", "target_lang": "en"},
        {"source_lang": "en", "target_lang": "de"},
        {"source_lang": "en", "target_lang": "pt"},
    ]);
    let pairs = json!({ "supported_languages": pairs });
    assert_eq!(server.get("/v2/glossary-language-pairs"), (200, pairs));
    // There is no model from German to Portuguese.
    let asked = json!({"name": "a", "source_lang": "de", "target_lang": "pt", "entries": "Haus\tcasa"});
    let (_, glossary) = server.ask("/v2/glossaries", &asked);
    let asked = json!({
        "text": "das Haus", "source_lang": "DE", "target_lang": "PT-BR", "glossary_id": glossary["glossary_id"],
    });
    let (status, answer) = server.ask("/v2/translate", &asked);
    assert_eq!(status, 400);
    assert!(
        answer["message"].as_str().unwrap().contains("directly"),
        "{answer}"
    );
}

#[test]
fn what_cannot_be_done_is_refused_with_a_message() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    let refused = |(status, answer): (u16, Value), expected: u16, reason: &str| {
        assert_eq!(status, expected, "{answer}");
        assert!(answer["message"].as_str().unwrap().contains(reason), "{answer}");
    };
    for (asked, reason) in [
        (json!({}), "the parameter text is missing"),
        (json!({"text": 3}), "neither a string nor an array"),
        (json!({"text": "a", "formality": "more"}), "formality is more"),
        (
            json!({"text": "a", "formality": "polite"}),
            "formality is \"polite\"",
        ),
        (
            json!({"text": "a", "split_sentences": 2}),
            "split_sentences is \"2\"",
        ),
        (
            json!({"text": "a", "tag_handling": "pdf"}),
            "tag_handling is \"pdf\"",
        ),
        (
            json!({"text": "a", "tag_handling": "xml", "ignore_tags": vec!["x"; 101]}),
            "ignore_tags has 101 names, but it can have 100",
        ),
        (
            json!({"text": "a", "preserve_formatting": "maybe"}),
            "preserve_formatting is \"maybe\"",
        ),
        (
            json!({"text": "a", "model_type": "best"}),
            "model_type is \"best\"",
        ),
        (json!({"text": "a", "style_id": "1"}), "style_id"),
        (
            json!({"text": "a", "custom_instructions": ["b"]}),
            "custom_instructions",
        ),
    ] {
        refused(server.deepl(asked), 400, reason);
    }
    let asked = json!({"text": "a", "source_lang": "EN"});
    refused(server.ask("/v2/translate", &asked), 400, "target_lang is missing");
    let asked = json!({"text": "a", "source_lang": "EN", "target_lang": "FR"});
    refused(
        server.ask("/v2/translate", &asked),
        400,
        "no model translates from en to fr",
    );
    let asked = json!({"text": "a", "target_lang": "German"});
    refused(
        server.ask("/v2/translate", &asked),
        400,
        "target_lang is \"German\"",
    );
    let broken = server.post("/v2/translate", "application/json", "{");
    refused(answer(broken), 400, "");
    let long = json!({"text": "a".repeat(2 << 20)});
    refused(server.deepl(long), 413, "");
    refused(
        server.deepl(json!({"text": "a", "glossary_id": "x"})),
        404,
        "no glossary \"x\"",
    );
    let asked = json!({"text": "a", "target_lang": "DE", "glossary_id": "x"});
    refused(server.ask("/v2/translate", &asked), 400, "source_lang is missing");
    refused(
        server.ask("/v2/write/rephrase", &json!({})),
        404,
        "nothing at this address",
    );
    refused(server.get("/v3/style_rules"), 404, "nothing at this address");
    refused(server.get("/v2/translate"), 405, "another method");
    // Other interfaces keep their own form.
    assert!(server.get("/nothing").1["error"].is_string());
}

#[test]
fn keys_have_their_characters() {
    let workspace = workspace();
    let file = keys(&workspace, &[("anna", 20), ("peter", 1_000)]);
    let server = Server::with(
        &workspace,
        &["--model", argument(&workspace.model()), "--keys", argument(&file)],
    );
    let refused = |(status, answer): (u16, Value), expected: u16| {
        assert_eq!(status, expected, "{answer}");
        assert!(answer["message"].is_string(), "{answer}");
    };
    let asked = german(json!({"text": ["good morning"]}));
    refused(server.ask("/v2/translate", &asked), 403);
    refused(server.with_key("eve", "/v2/translate", &asked), 403);
    refused(server.get("/v2/usage"), 403);
    let usage = |key: &str| server.get_with_key(key, "/v2/usage");
    assert_eq!(
        usage("anna"),
        (200, json!({"character_count": 0, "character_limit": 20}))
    );
    texts(server.with_key("anna", "/v2/translate", &asked));
    assert_eq!(
        usage("anna"),
        (200, json!({"character_count": 12, "character_limit": 20}))
    );
    refused(server.with_key("anna", "/v2/translate", &asked), 456);
    // What is not translated costs nothing.
    let french = json!({"text": ["yes"], "source_lang": "EN", "target_lang": "FR"});
    refused(server.with_key("anna", "/v2/translate", &french), 400);
    assert_eq!(usage("anna").1["character_count"], 12);
    texts(server.with_key("peter", "/v2/translate", &asked));
    // A glossary is for the key with which it was made.
    let made = json!({"name": "a", "source_lang": "en", "target_lang": "de", "entries": "house\tGarten"});
    let (status, glossary) = server.with_key("peter", "/v2/glossaries", &made);
    assert_eq!(status, 201);
    let path = format!("/v2/glossaries/{}", glossary["glossary_id"].as_str().unwrap());
    assert_eq!(server.get_with_key("peter", &path), (200, glossary.clone()));
    refused(server.get_with_key("anna", &path), 404);
    let nothing = (200, json!({"glossaries": []}));
    assert_eq!(server.get_with_key("anna", "/v2/glossaries"), nothing);
    let asked = german(json!({"text": ["yes"], "glossary_id": glossary["glossary_id"]}));
    refused(server.with_key("anna", "/v2/translate", &asked), 404);
    texts(server.with_key("peter", "/v2/translate", &asked));

    let server = Server::start(&workspace);
    let (_, usage) = server.get("/v2/usage");
    assert_eq!(
        usage,
        json!({"character_count": 0, "character_limit": 1_000_000_000_000_u64})
    );
}

/// Uploads a document with further fields. Returns the answer.
fn upload(server: &Server, name: &str, content: &[u8], fields: &[(&str, &str)]) -> (u16, Value) {
    let head =
        |disposition: &str| format!("--boundary\r\nContent-Disposition: form-data; {disposition}\r\n\r\n");
    let fields = fields
        .iter()
        .map(|(name, value)| head(&format!("name=\"{name}\"")) + value + "\r\n");
    let body = [
        fields.collect::<String>().as_bytes(),
        head(&format!("name=\"file\"; filename=\"{name}\"")).as_bytes(),
        content,
        b"\r\n--boundary--\r\n",
    ]
    .concat();
    let request = server.agent.post(format!("{}/v2/document", server.address));
    let request = request.content_type("multipart/form-data; boundary=boundary");
    answer(request.send(&body).unwrap())
}

/// Returns the status of a document when it is no longer being translated.
fn ended(server: &Server, path: &str, key: &Value) -> Value {
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        let (status, found) = server.ask(path, key);
        assert_eq!(status, 200, "{found}");
        if found["status"] != "translating" {
            return found;
        }
        assert!(Instant::now() < limit);
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn documents_are_translated_as_by_attend_translate() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    let made = Path::new(env!("CARGO_MANIFEST_DIR")).join("../documents/tests/fixtures/made.docx");
    let plain = workspace.write("lines.txt", text());
    let glossary = workspace.write("terms.tsv", "house\tGarten\n");
    let entries = json!({"name": "a", "source_lang": "EN", "target_lang": "DE", "entries": "house\tGarten"});
    let (_, created) = server.ask("/v2/glossaries", &entries);
    let id = created["glossary_id"].as_str().unwrap();
    for (path, fields, flags) in [
        (&plain, vec![], vec![]),
        (&made, vec![("formality", "default")], vec![]),
        (
            &plain,
            vec![("glossary_id", id), ("output_format", "txt")],
            vec!["--beam", "4", "--glossary", argument(&glossary)],
        ),
    ] {
        let output = workspace
            .path("translated")
            .with_extension(path.extension().unwrap());
        let mut command = attend("translate");
        command.arg("--model").arg(workspace.model()).args(&flags);
        command.arg("--document").arg(path).arg("--output").arg(&output);
        assert!(run(command, b"").status.success());
        let content = fs::read(path).unwrap();
        let name = path.file_name().unwrap().to_str().unwrap();
        let fields = [&[("source_lang", "EN"), ("target_lang", "DE")], &fields[..]].concat();
        let (status, handle) = upload(&server, name, &content, &fields);
        assert_eq!(status, 200, "{handle}");
        let document = format!("/v2/document/{}", handle["document_id"].as_str().unwrap());
        let found = ended(&server, &document, &handle);
        assert_eq!(found["status"], "done", "{found}");
        assert_eq!(found["document_id"], handle["document_id"]);
        if path == &plain {
            assert_eq!(found["billed_characters"], SENTENCES.concat().chars().count());
        }
        let result = format!("{document}/result");
        let mut download = server.post(&result, "application/json", &handle.to_string());
        assert_eq!(download.status(), 200);
        assert_eq!(
            download.body_mut().read_to_vec().unwrap(),
            fs::read(output).unwrap()
        );
        // The id is not enough.
        for address in [&document, &result] {
            for key in [
                json!({"document_key": "0"}),
                json!({"document_key": handle["document_id"]}),
            ] {
                assert_eq!(server.ask(address, &key).0, 404);
            }
            assert_eq!(server.ask(address, &json!({})).0, 400);
        }
    }
}

#[test]
fn a_document_that_cannot_be_translated_is_refused_or_fails() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    let refused = |name: &str, fields: &[(&str, &str)], reason: &str| {
        let (status, answer) = upload(&server, name, b"yes", fields);
        assert_eq!(status, 400, "{answer}");
        assert!(answer["message"].as_str().unwrap().contains(reason), "{answer}");
    };
    let german = ("target_lang", "DE");
    refused("a.pdf", &[german], "it can end in .txt");
    refused("a.docx", &[german], "is damaged");
    refused("a.txt", &[], "target_lang is missing");
    refused(
        "a.txt",
        &[german, ("output_format", "pdf")],
        "output_format is \"pdf\"",
    );
    refused("a.txt", &[german, ("filename", "b.pdf")], "\"b.pdf\"");
    let (status, handle) = upload(
        &server,
        "a.txt",
        b"yes",
        &[("source_lang", "EN"), ("target_lang", "FR")],
    );
    assert_eq!(status, 200);
    let document = format!("/v2/document/{}", handle["document_id"].as_str().unwrap());
    let found = ended(&server, &document, &handle);
    assert_eq!(found["status"], "error");
    assert_eq!(found["error_message"], "no model translates from en to fr");
    let (status, answer) = server.ask(&format!("{document}/result"), &handle);
    assert_eq!((status, &answer["message"]), (400, &found["error_message"]));
}

#[test]
fn a_document_waits_for_its_translation() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    let content = super::document(3_000);
    let (_, handle) = upload(
        &server,
        "a.txt",
        content.as_bytes(),
        &[("source_lang", "EN"), ("target_lang", "DE")],
    );
    let document = format!("/v2/document/{}", handle["document_id"].as_str().unwrap());
    let (status, found) = server.ask(&document, &handle);
    assert_eq!(
        (status, &found["status"]),
        (200, &json!("translating")),
        "{found}"
    );
    let result = format!("{document}/result");
    let early = server.post(&result, "application/json", &handle.to_string());
    assert_eq!(early.status(), 503);
    assert_eq!(early.headers()["retry-after"], "1");
    assert_eq!(ended(&server, &document, &handle)["status"], "done");
}

#[test]
fn terms_of_a_glossary_are_translated_as_it_says() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    let asked = json!({
        "name": "houses", "source_lang": "EN", "target_lang": "DE",
        "entries": "house, Garten\n\"old man\",Buch,en,de\n", "entries_format": "csv",
    });
    let (status, glossary) = server.ask("/v2/glossaries", &asked);
    assert_eq!(status, 201, "{glossary}");
    let id = glossary["glossary_id"].as_str().unwrap();
    let path = format!("/v2/glossaries/{id}");
    for (field, expected) in [
        ("name", json!("houses")),
        ("ready", json!(true)),
        ("source_lang", json!("en")),
        ("target_lang", json!("de")),
        ("entry_count", json!(2)),
    ] {
        assert_eq!(glossary[field], expected);
    }
    assert_eq!(server.get(&path), (200, glossary.clone()));
    assert_eq!(
        server.get("/v2/glossaries"),
        (200, json!({"glossaries": [glossary]}))
    );
    let mut entries = server
        .agent
        .get(format!("{}{path}/entries", server.address))
        .header("Accept", "text/tab-separated-values")
        .call()
        .unwrap();
    assert!(
        entries.headers()["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/tab-separated-values")
    );
    let entries = entries.body_mut().read_to_string().unwrap();
    assert_eq!(entries, "house\tGarten\nold man\tBuch");

    let file = workspace.write("terms.tsv", &entries);
    let flags = [&BEAM[..], &["--glossary", argument(&file)]].concat();
    let text = "The house is small. An old man reads.";
    let expected = workspace.translated(&flags, text.as_bytes());
    let found = texts(server.deepl(json!({"text": text, "glossary_id": id})));
    assert_eq!(found, [expected.trim_end()]);
    assert!(found[0].contains("Garten") && found[0].contains("Buch"));
    // A regional variant has the glossary of its language.
    let asked = json!({"text": text, "source_lang": "en-GB", "target_lang": "de-AT", "glossary_ids": [id]});
    assert_eq!(texts(server.ask("/v2/translate", &asked)), found);
    let asked = json!({"text": text, "source_lang": "DE", "target_lang": "EN", "glossary_id": id});
    let (status, answer) = server.ask("/v2/translate", &asked);
    assert_eq!(status, 400);
    assert!(
        answer["message"]
            .as_str()
            .unwrap()
            .contains("no dictionary from DE to EN")
    );
    // Of several glossaries, the first one that has a term holds.
    let asked = json!({"name": "b", "source_lang": "EN", "target_lang": "DE", "entries": "house\tlaut\nsmall\tKinder"});
    let (_, other) = server.ask("/v2/glossaries", &asked);
    let both = json!({"text": "the house is small", "glossary_ids": [id, other["glossary_id"]]});
    let both = texts(server.deepl(both)).remove(0);
    assert!(
        both.contains("Garten") && both.contains("Kinder") && !both.contains("laut"),
        "{both}"
    );

    assert_eq!(server.delete(&path), 204);
    assert_eq!(server.delete(&path), 404);
    assert_eq!(server.get(&path).0, 404);
    for (asked, reason) in [
        (json!({}), "name is missing"),
        (json!({"name": " "}), "name is missing"),
        (
            json!({"name": "a".repeat(1_025)}),
            "the name has 1025 bytes, but it can have 1024",
        ),
        (json!({"name": "a"}), "source_lang is missing"),
        (
            json!({"name": "a", "source_lang": "en", "target_lang": "de"}),
            "entries is missing",
        ),
        (
            json!({"name": "a", "source_lang": "en", "target_lang": "de", "entries": ""}),
            "no entries",
        ),
        (
            json!({"name": "a", "source_lang": "en", "target_lang": "de", "entries": "a\tb\nc"}),
            "line 2 of the entries",
        ),
        (
            json!({"name": "a", "source_lang": "en", "target_lang": "de", "entries": "a\tb\na\tc"}),
            "entry 2",
        ),
        (
            json!({"name": "a", "source_lang": "en", "target_lang": "de", "entries": "a\tb", "entries_format": "xls"}),
            "entries_format is \"xls\"",
        ),
    ] {
        let (status, answer) = server.ask("/v2/glossaries", &asked);
        assert_eq!(status, 400, "{answer}");
        assert!(answer["message"].as_str().unwrap().contains(reason), "{answer}");
    }
}

#[test]
fn a_glossary_has_dictionaries_and_outlives_the_server() {
    let workspace = workspace();
    let (state, model) = (workspace.path("state"), workspace.model());
    let flags = ["--model", argument(&model), "--state", argument(&state)];
    let server = Server::with(&workspace, &flags);
    let dictionary = |source: &str, target: &str, entries: &str| json!({"source_lang": source, "target_lang": target, "entries": entries, "entries_format": "tsv"});
    let asked = json!({
        "name": "a", "dictionaries": [dictionary("EN", "DE", "house\tGarten\nman\tBuch"), dictionary("de", "en", "Haus\thouse")],
    });
    let (status, glossary) = server.ask("/v3/glossaries", &asked);
    assert_eq!(status, 201, "{glossary}");
    let counts = |glossary: &Value| {
        let dictionaries = glossary["dictionaries"].as_array().unwrap().iter();
        let mut counts: Vec<(String, u64)> = dictionaries
            .map(|dictionary| {
                let source = dictionary["source_lang"].as_str().unwrap().to_owned();
                (source, dictionary["entry_count"].as_u64().unwrap())
            })
            .collect();
        counts.sort();
        counts
    };
    let counted = |pairs: &[(&str, u64)]| -> Vec<(String, u64)> {
        pairs
            .iter()
            .map(|(source, count)| ((*source).to_owned(), *count))
            .collect()
    };
    assert_eq!(counts(&glossary), counted(&[("de", 1), ("en", 2)]));
    let path = format!("/v3/glossaries/{}", glossary["glossary_id"].as_str().unwrap());
    assert_eq!(server.get(&path), (200, glossary.clone()));
    // Version 2 has no glossaries of several pairs.
    assert_eq!(server.get("/v2/glossaries"), (200, json!({"glossaries": []})));
    assert_eq!(server.get(&path.replace("v3", "v2")).0, 400);

    let asked = json!({"name": "b", "dictionaries": [dictionary("en", "de", "man\tKinder\nbook\tlaut")]});
    let (status, changed) = server.patch(&path, &asked);
    assert_eq!((status, &changed["name"]), (200, &json!("b")));
    assert_eq!(counts(&changed), counted(&[("de", 1), ("en", 3)]));
    let entries = |server: &Server| {
        let (status, found) = server.get(&format!("{path}/entries?source_lang=en&target_lang=de"));
        assert_eq!(status, 200);
        found["dictionaries"][0]["entries"].as_str().unwrap().to_owned()
    };
    assert_eq!(entries(&server), "house\tGarten\nman\tKinder\nbook\tlaut");
    let replaced = server.put(
        &format!("{path}/dictionaries"),
        &dictionary("en", "de", "house\tKinder"),
    );
    let expected = json!({"source_lang": "en", "target_lang": "de", "entry_count": 1});
    assert_eq!(replaced, (200, expected));
    let pair = format!("{path}/dictionaries?source_lang=DE&target_lang=EN");
    assert_eq!(server.delete(&pair), 204);
    assert_eq!(server.delete(&pair), 404);
    let (_, listed) = server.get("/v3/glossaries");
    assert_eq!(counts(&listed["glossaries"][0]), counted(&[("en", 1)]));
    let id = &glossary["glossary_id"];
    let found = texts(server.deepl(json!({"text": "the house", "glossary_id": id})));
    assert!(found[0].contains("Kinder"), "{found:?}");
    drop(server);

    fs::write(state.join("damaged.json"), "{\"name\": 3}").unwrap();
    let server = Server::with(&workspace, &flags);
    assert_eq!(server.get("/v3/glossaries"), (200, listed));
    assert_eq!(entries(&server), "house\tKinder");
    assert_eq!(
        texts(server.deepl(json!({"text": "the house", "glossary_id": id}))),
        found
    );
    assert!(server.log().contains("damaged.json") && server.log().contains("a glossary is left out"));
    assert_eq!(server.delete(&path), 204);
    assert_eq!(fs::read_dir(&state).unwrap().count(), 1);
    drop(server);

    let twice = json!({"name": "a", "dictionaries": [dictionary("en", "de", "a\tb"), dictionary("en", "de", "a\tb")]});
    let server = Server::start(&workspace);
    assert_eq!(server.ask("/v3/glossaries", &twice).0, 400);
    assert_eq!(server.ask("/v3/glossaries", &json!({"name": "a"})).0, 400);
    assert_eq!(server.patch(&path, &json!({"name": "a"})).0, 404);
    assert_eq!(
        server
            .put(&format!("{path}/dictionaries"), &dictionary("en", "de", "a\tb"))
            .0,
        404
    );
}

#[test]
fn a_state_folder_that_cannot_be_made_is_refused() {
    let workspace = workspace();
    let file = workspace.write("file", "");
    let model = workspace.model();
    let mut command = attend("serve");
    command.args([
        "--port",
        "0",
        "--model",
        argument(&model),
        "--state",
        argument(&file),
    ]);
    let output = run(command, b"");
    assert_eq!(output.status.code(), Some(1));
    let complaints = String::from_utf8(output.stderr).unwrap();
    assert!(complaints.contains("cannot keep glossaries in"), "{complaints}");
}

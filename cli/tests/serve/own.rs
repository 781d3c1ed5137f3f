//! Attend's own interface, beside what the program prints.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Server, between, document, english, workspace};
use crate::common::{SENTENCES, Workspace, attend, home, run, stdout};

/// Returns the translations that `attend translate --json` prints for each of some lines.
fn printed(workspace: &Workspace, flags: &[&str], lines: &[&str]) -> Value {
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let printed = workspace.translated(&[flags, &["--json"]].concat(), lines.as_bytes());
    let translations = |line: &str| serde_json::from_str::<Value>(line).unwrap()["translations"].take();
    printed.lines().map(translations).collect()
}

/// Asks for translations. Returns those of each text.
fn translations(server: &Server, asked: &Value) -> Value {
    let (status, mut found) = server.ask("/v1/translate", asked);
    assert_eq!(status, 200, "{found}");
    let texts = found["texts"].as_array_mut().unwrap();
    texts.iter_mut().map(|text| text["translations"].take()).collect()
}

/// Asks for a stream. Returns the name and the data of each event.
fn events(server: &Server, asked: &Value) -> Vec<(String, Value)> {
    let mut response = server.post("/v1/stream", "application/json", &asked.to_string());
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let body = response.body_mut().read_to_string().unwrap();
    let event = |block: &str| {
        let (name, data) = block.split_once('\n').unwrap();
        let data = data.strip_prefix("data: ").unwrap();
        (
            name.strip_prefix("event: ").unwrap().to_owned(),
            serde_json::from_str(data).unwrap(),
        )
    };
    body.split_terminator("\n\n").map(event).collect()
}

/// Returns the text of all parts of a stream that is complete, and the number of parts.
fn streamed(server: &Server, asked: &Value) -> (String, usize) {
    let events = events(server, asked);
    let [(start, _), parts @ .., (done, _)] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!((start.as_str(), done.as_str()), ("start", "done"));
    assert!(parts.iter().all(|(name, _)| name == "part"));
    let texts = parts.iter().map(|(_, part)| part["text"].as_str().unwrap());
    (texts.collect(), parts.len())
}

#[test]
fn translations_are_those_that_the_program_prints() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    let flags_and_asked: [(&[&str], Value); 12] = [
        (&[], json!({})),
        (
            &["--beam", "3", "--nbest", "3"],
            json!({"beam_size": 3, "nbest": 3}),
        ),
        (
            &[
                "--beam",
                "5",
                "--length-penalty",
                "0",
                "--stopping",
                "ctranslate2",
            ],
            json!({"beam_size": 5, "length_penalty": 0, "stopping": "ctranslate2"}),
        ),
        (
            &[
                "--beam",
                "2",
                "--coverage-penalty",
                "0.3",
                "--length-normalization",
                "length",
            ],
            json!({"beam_size": 2, "coverage_penalty": 0.3, "length_normalization": "length"}),
        ),
        (
            &["--min-length", "3", "--max-length", "5", "--unknown", "copy"],
            json!({"min_length": 3, "max_length": 5, "unknown": "copy"}),
        ),
        (
            &["--no-repeat-ngram", "2", "--repetition-penalty", "1.5"],
            json!({"no_repeat_ngram": 2, "repetition_penalty": 1.5}),
        ),
        (
            &[
                "--sample",
                "--temperature",
                "0.7",
                "--top-k",
                "9",
                "--top-p",
                "0.9",
                "--seed",
                "5",
                "--nbest",
                "2",
            ],
            json!({
                "sampling": {"temperature": 0.7, "top_k": 9, "top_p": 0.9, "seed": 5},
                "nbest": 2,
            }),
        ),
        (&["--prefix", "das alte Haus"], json!({"prefix": "das alte Haus"})),
        (
            &["--require", "Haus", "--beam", "4"],
            json!({"required": ["Haus"], "beam_size": 4}),
        ),
        (
            &["--ban", "Haus", "--ban", "das"],
            json!({"banned": ["Haus", "das"]}),
        ),
        (
            &["--keep", "numbers", "--all-tokens"],
            json!({"keep": ["numbers"], "all_tokens": true}),
        ),
        (
            &["--alignment", "--beam", "2"],
            json!({"alignment": true, "beam_size": 2}),
        ),
    ];
    for (flags, mut asked) in flags_and_asked {
        let expected = printed(&workspace, flags, &SENTENCES);
        asked["text"] = json!(SENTENCES);
        assert_eq!(translations(&server, &english(asked)), expected, "{flags:?}");
    }
    // One text, and markup.
    let html = "<p>the <b>house</b> is small. good morning</p>";
    for (flags, text) in [(&[][..], SENTENCES[0]), (&["--format", "html"], html)] {
        let format = flags.last().unwrap_or(&"text");
        let asked = english(json!({"text": text, "format": format}));
        assert_eq!(translations(&server, &asked), printed(&workspace, flags, &[text]));
    }
}

#[test]
fn a_text_of_several_lines_has_the_sums_of_their_scores() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    let asked =
        english(json!({"text": "the house is small\n\n good morning \n", "nbest": 2, "beam_size": 2}));
    let found = translations(&server, &asked);
    let flags = ["--beam", "2", "--nbest", "2"];
    let lines = printed(&workspace, &flags, &["the house is small", "good morning"]);
    for rank in 0..2 {
        let [first, second] = [0, 1].map(|line| &lines[line][rank]);
        let text = |line: &Value| line["text"].as_str().unwrap().to_owned();
        let expected = format!("{}\n\n {} \n", text(first), text(second));
        assert_eq!(found[0][rank]["text"], expected);
        for number in ["score", "log_probability"] {
            let [first, second, sum] =
                [first, second, &found[0][rank]].map(|line| line[number].as_f64().unwrap());
            assert!((first + second - sum).abs() < 1e-5, "{number}");
        }
    }
}

#[test]
fn the_language_of_a_text_is_found_out_and_text_passes_through_english() {
    let workspace = home(&["fr-en", "en-de"]);
    let server = Server::with(&workspace, &[]);
    let asked = json!({"text": ["the house is small", ""], "source": "auto", "target": "de"});
    let (status, found) = server.ask("/v1/translate", &asked);
    assert_eq!(status, 200);
    assert_eq!(found["texts"][0]["source"], "en");
    assert!(found["texts"][0]["confidence"].as_u64().unwrap() > 0);
    assert_eq!(
        found["texts"][1]["translations"],
        json!([{"text": "", "score": 0.0, "log_probability": 0.0}])
    );

    let text = "good morning\nthe house is small. yes";
    let mut command = attend("translate");
    command
        .args([
            "--from", "fr", "--to", "de", "--json", "--nbest", "2", "--beam", "3", "--ban", "Haus",
        ])
        .env("ATTEND_HOME", workspace.path("home"));
    let mut output = run(command, text.as_bytes());
    output.stderr.clear();
    let lines = stdout(&output);
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let expected: Vec<Value> = lines.map(|mut line| line["translations"].take()).collect();
    let texts: Vec<&str> = text.lines().collect();
    let mut asked = between(
        "fr",
        "de",
        json!({"text": texts, "nbest": 2, "beam_size": 3, "banned": ["Haus"]}),
    );
    assert_eq!(translations(&server, &asked), json!(expected));
    asked["nbest"] = json!(1);
    asked["text"] = text.into();
    let whole = translations(&server, &asked)[0][0]["text"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(streamed(&server, &asked).0, whole);
}

#[test]
fn attention_is_that_of_the_translations() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    let text = SENTENCES[0];
    let asked = english(json!({"text": text, "nbest": 2, "beam_size": 2, "attention": true}));
    let found = translations(&server, &asked);
    for rank in 0..2 {
        let translation = &found[0][rank]["text"];
        let asked = english(json!({"text": text, "translation": translation}));
        let (_, expected) = server.ask("/v1/attention", &asked);
        assert_eq!(found[0][rank]["attention"], expected["attention"]);
    }
    let many = english(json!({"text": vec![text; 9], "nbest": 2, "beam_size": 2, "attention": true}));
    let reason = json!({"error": "attention is answered for 16 translations, but there are 18"});
    assert_eq!(server.ask("/v1/translate", &many), (400, reason));
}

#[test]
fn what_is_asked_for_wrongly_is_refused_with_the_name_of_the_field() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    for (asked, reason) in [
        (json!({}), "the parameter text is missing"),
        (
            json!({"text": 3}),
            "text: it is neither a string nor an array of strings",
        ),
        (json!({"text": "yes", "beam": 3}), "unknown field `beam`"),
        (
            json!({"text": "yes", "beam_size": "three"}),
            "beam_size: invalid type",
        ),
        (
            json!({"text": "yes", "beam_size": 33}),
            "beam_size is 33, but can be at most 32",
        ),
        (json!({"text": "yes", "beam_size": 0}), "`beam_size` is 0"),
        (
            json!({"text": "yes", "nbest": 33}),
            "nbest is 33, but can be at most 32",
        ),
        (json!({"text": "yes", "nbest": 3, "beam_size": 2}), "`nbest` is 3"),
        (
            json!({"text": "yes", "min_length": 1001}),
            "min_length is 1001, but can be at most 1000",
        ),
        (
            json!({"text": "yes", "max_length": 1001}),
            "max_length is 1001, but can be at most 1000",
        ),
        (
            json!({"text": "yes", "length_penalty": -1}),
            "`length_penalty` is -1",
        ),
        (
            json!({"text": "yes", "sampling": {"top": 3}}),
            "unknown field `top`",
        ),
        (
            json!({"text": "yes", "sampling": {"top_p": 2}}),
            "`sampling.top_p` is 2",
        ),
        (json!({"text": "yes", "format": "pdf"}), "unknown variant `pdf`"),
        (
            json!({"text": "yes", "keep": ["names"]}),
            "unknown variant `names`",
        ),
        (
            json!({"text": "yes", "banned": vec!["a"; 101]}),
            "the phrases of banned are 101",
        ),
        (
            json!({"text": "yes", "banned": ["a".repeat(2_001)]}),
            "the characters of banned are 2001",
        ),
        (
            json!({"text": "yes", "required": vec!["a"; 101]}),
            "the phrases of required are 101",
        ),
        (
            json!({"text": "yes", "required": ["a".repeat(2_001)]}),
            "the characters of required are 2001",
        ),
        (
            json!({"text": "yes", "prefix": "a".repeat(2_001)}),
            "the characters of prefix are 2001",
        ),
        (
            json!({"text": "yes\nno", "prefix": "a"}),
            "prefix is for texts of one line, but a text has 2",
        ),
        (
            json!({"text": ["yes", "yes\n\nno"], "alignment": true}),
            "alignment is for texts of one line, but a text has 3",
        ),
        (
            json!({"text": "yes\nno", "attention": true}),
            "attention is for texts of one line",
        ),
        (
            json!({"text": "a ".repeat(251), "attention": true}),
            "attention is shown for 500",
        ),
        (
            json!({"text": "yes", "alignment": true, "keep": ["urls"]}),
            "`alignment`",
        ),
    ] {
        let (status, found) = server.ask("/v1/translate", &english(asked.clone()));
        assert_eq!(status, 400, "{asked}: {found}");
        assert!(
            found["error"].as_str().unwrap().contains(reason),
            "{asked}: {found}"
        );
    }
    for (asked, reason) in [
        (
            json!({"text": "yes", "target": "de"}),
            "the parameter source is missing",
        ),
        (
            json!({"text": "yes", "source": "en"}),
            "the parameter target is missing",
        ),
        (
            between("en", "fr", json!({"text": "yes"})),
            "no model translates from en to fr",
        ),
        (english(json!({"text": ["yes"]})), "one text"),
        (english(json!({"text": "yes", "nbest": 2})), "one translation"),
        (
            english(json!({"text": "yes", "alignment": true})),
            "without an alignment",
        ),
    ] {
        let (status, found) = server.ask("/v1/stream", &asked);
        assert_eq!(status, 400, "{asked}: {found}");
        assert!(
            found["error"].as_str().unwrap().contains(reason),
            "{asked}: {found}"
        );
    }
}

#[test]
fn the_parts_of_a_stream_are_the_translation() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    let text = "  The house is small.  Good morning. Yes\r\n\n—\nAn old man reads a book.\n";
    for (mut asked, parts) in [
        (json!({"text": text}), 5),
        (json!({"text": text, "sampling": {"seed": 3}}), 5),
        (json!({"text": text, "keep": ["numbers"]}), 3),
        (
            json!({"text": "<p>the <b>house</b> is small.</p><p>yes</p>", "format": "html"}),
            1,
        ),
        (json!({"text": "good morning. yes", "prefix": "das"}), 1),
        (json!({"text": ""}), 0),
        (json!({"text": " \n"}), 1),
    ] {
        asked = english(asked);
        let whole = translations(&server, &asked)[0][0]["text"]
            .as_str()
            .unwrap()
            .to_owned();
        assert_eq!(streamed(&server, &asked), (whole, parts), "{asked}");
    }
    let events = events(&server, &english(json!({"text": text})));
    assert_eq!(events[0], ("start".to_owned(), json!({"source": "en"})));
    let lines: Vec<&Value> = events.iter().filter_map(|(_, data)| data.get("line")).collect();
    assert_eq!(lines, [0, 0, 0, 3, 4]);
    // A text that stays as it is.
    let same = between("de", "de", json!({"text": "ja\nnein"}));
    assert_eq!(streamed(&server, &same), ("ja\nnein".to_owned(), 2));
}

#[test]
fn a_stream_that_fails_says_why() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    // The model cannot be read when it is first needed.
    std::fs::write(workspace.model().join("model.safetensors"), "damaged").unwrap();
    let events = events(&server, &english(json!({"text": "yes"})));
    let reason = json!({"error": "the model from en to de cannot be loaded"});
    assert_eq!(events[1..], [("error".to_owned(), reason)]);
}

#[test]
fn a_stream_begins_before_it_ends_and_a_client_that_goes_away_frees_its_place() {
    let workspace = workspace();
    let server = Server::start(&workspace);
    let body = english(json!({"text": document(30_000)})).to_string();
    let head = format!(
        "POST /v1/stream HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let mut client = TcpStream::connect(server.address.trim_start_matches("http://")).unwrap();
    client.write_all(head.as_bytes()).unwrap();
    client.write_all(body.as_bytes()).unwrap();
    let mut lines = BufReader::new(client).lines();
    let mut parts = lines
        .by_ref()
        .filter(|line| line.as_ref().unwrap() == "event: part");
    parts.nth(2).unwrap().unwrap();
    // The first sentences are told while the others wait.
    assert!(server.metric("attend_waiting_tokens") > 100_000.0);
    drop(lines);
    let limit = Instant::now() + Duration::from_secs(2);
    while server.metric("attend_waiting_tokens") > 0.0 {
        assert!(Instant::now() < limit, "the document still waits");
    }
}

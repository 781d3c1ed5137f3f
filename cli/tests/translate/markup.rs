//! Lines with markup and with spans to keep, translated by the program from outside.

use crate::common::{NOTHING, SENTENCES, Workspace, assert_usage_error, text};

/// Sentences of the phrasebook with tags, URLs, placeholders and the like. docs/translating.md says how a trained model
/// translates them.
const LINES: &str = include_str!("markup/sentences.html");

/// The tags of a line, sorted. A value in quotes may have a `>`.
fn tags(line: &str) -> Vec<&str> {
    let (mut tags, mut start, mut quote) = (Vec::new(), None, None);
    for (place, character) in line.char_indices() {
        match (start, quote, character) {
            (None, _, '<') => start = Some(place),
            (Some(_), Some(mark), _) if mark == character => quote = None,
            (Some(_), None, '"' | '\'') => quote = Some(character),
            (Some(begun), None, '>') => {
                tags.push(&line[begun..=place]);
                start = None;
            }
            _ => {}
        }
    }
    tags.sort_unstable();
    tags
}

/// The words of a line that the flags keep.
fn spans(line: &str) -> Vec<&str> {
    let mut spans: Vec<&str> = [
        "https://example.org/a/b?c=d",
        "https://example.org/home",
        "anna@example.org",
        "{name}",
        "{{user.name}}",
        "%s",
        "%d",
        "%(friend)s",
        "${person}",
        "{city}",
        "{customer}",
        "{first}",
        "{second}",
        "😀",
        "🍕",
        "🌳",
        "1,250",
    ]
    .into_iter()
    .flat_map(|span| line.matches(span))
    .collect();
    spans.sort_unstable();
    spans
}

#[test]
fn each_tag_and_span_of_a_line_comes_out_once() {
    let workspace = Workspace::new();
    let keep = "urls,emails,placeholders,emoji,numbers";
    for search in [["--beam", "1"], ["--beam", "3"], ["--dtype", "int8"]] {
        let flags = [
            "--format",
            "html",
            "--keep",
            keep,
            "--max-length",
            "30",
            search[0],
            search[1],
        ];
        let translated = workspace.translated(&flags, LINES.as_bytes());
        assert_eq!(translated.lines().count(), LINES.lines().count());
        for (line, translation) in LINES.lines().zip(translated.lines()) {
            assert_eq!(tags(translation), tags(line), "{translation} of {line}");
            assert_eq!(spans(translation), spans(line), "{translation} of {line}");
        }
        let json = workspace.translated(&[&flags[..], &["--json"]].concat(), LINES.as_bytes());
        for (line, translation) in json.lines().zip(translated.lines()) {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(line["translations"][0]["text"], translation);
        }
    }
}

#[test]
fn a_tag_is_text_unless_the_format_says_otherwise() {
    let workspace = Workspace::new();
    let expected = workspace.translated(&NOTHING, text().as_bytes());
    let as_text = workspace.translated(&["--format", "text"], text().as_bytes());
    assert_eq!(as_text, expected);
    let line = "an <b>old</b> man";
    assert_eq!(
        workspace.translated(&["--format", "text", line], b""),
        workspace.translated(&[line], b"")
    );
    let xml = workspace.translated(&["--format", "xml", "an <x id='1'/> old <Y>man</Y>"], b"");
    assert_eq!(tags(xml.trim_end()), ["</Y>", "<Y>", "<x id='1'/>"]);
}

#[test]
fn flags_that_do_not_go_together_are_refused() {
    let workspace = Workspace::new();
    for (flags, part) in [
        (["--keep", "urls", "--alignment"].as_slice(), "--alignment"),
        (&["--format", "html", "--alignment"], "--alignment"),
        (&["--keep", "names"], "placeholders"),
        (&["--format", "sgml"], "xml"),
    ] {
        assert_usage_error(
            &workspace.translate(&[flags, &[SENTENCES[0]]].concat(), b""),
            part,
        );
    }
}

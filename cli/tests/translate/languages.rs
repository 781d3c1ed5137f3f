//! The languages of a model folder, line ends within lines, and text of which nothing is seen.

use std::fs;

use attend_infer::{Language, Languages, ModelFolder};

use crate::common::{
    LINE_ENDS, NOTHING, Workspace, assert_error, assert_usage_error, cpu, model_folder,
    model_folder_of_words, stdout,
};

const LANGUAGES: &str = "languages.json";

fn german_to_english() -> Languages {
    let language = |code: &str| code.parse::<Language>().ok();
    Languages {
        source: language("de"),
        target: language("en"),
    }
}

#[test]
fn a_folder_keeps_the_languages_of_its_model() {
    let workspace = Workspace::new();
    let path = workspace.model().join(LANGUAGES);
    let load = || ModelFolder::load(workspace.model(), &cpu()).unwrap();
    assert!(!path.exists() && load().languages == Languages::default());

    let known = ModelFolder {
        languages: german_to_english(),
        ..model_folder()
    };
    known.save(workspace.model()).unwrap();
    let written: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(written, serde_json::json!({"source": "de", "target": "en"}));
    assert_eq!(load().languages, known.languages);
    assert_eq!(
        ModelFolder::languages(workspace.model()).unwrap(),
        known.languages
    );

    // A model of unknown languages takes the place of another.
    model_folder().save(workspace.model()).unwrap();
    assert!(!path.exists());

    for (content, part) in [
        ("{\"source\": \"German\"}", "no code"),
        ("{\"source\": \"xx\"}", "`source`: it is no code"),
        ("{\"source\": [\"de\"]}", "`source`: invalid type: sequence"),
        ("{\"from\": \"de\"}", "from"),
        ("[]", "invalid type: sequence, expected a map"),
        ("[\"de\", \"en\"]", "invalid type: sequence, expected a map"),
        ("\"de\"", "expected a map"),
        ("", "line 1"),
    ] {
        fs::write(&path, content).unwrap();
        assert_error(&workspace.translate(&["yes"], b""), &[LANGUAGES, part]);
    }
}

#[test]
fn texts_are_divided_by_the_rules_of_the_source_language() {
    let workspace = Workspace::new();
    let text = "Er kam am 3. Oktober.";
    let as_german = workspace.translated(&["--language", "de", text], b"");
    let as_english = workspace.translated(&["--language", "en", text], b"");
    assert_ne!(as_german, as_english);
    assert_eq!(
        workspace.translated(&[text], b""),
        as_english,
        "English if unknown"
    );

    for written in ["deu", "ger", "de_DE", "de_DE.UTF-8", "de-AT", "DE"] {
        let flags = ["--language", written, text];
        assert_eq!(workspace.translated(&flags, b""), as_german, "{written}");
    }
    for written in ["xx", "German", "", "-", "C", "de_"] {
        let language = format!("--language={written}");
        let expected = "it is no code of a language, such as en, deu, zh-Hant or pt_BR";
        assert_usage_error(&workspace.translate(&[&language, text], b""), expected);
    }

    fs::write(workspace.model().join(LANGUAGES), "{\"source\": \"de\"}").unwrap();
    assert_eq!(workspace.translated(&[text], b""), as_german);
    assert_eq!(workspace.translated(&["--language", "en", text], b""), as_english);
}

/// Each line has a character at which some tools end a line.
#[test]
fn as_many_lines_come_out_as_go_in() {
    let workspace = Workspace::new();
    // A line feed ends a line everywhere.
    let ends = &LINE_ENDS[1..];
    let with = |end: &str| -> String {
        let lines = ends.iter().map(|character| {
            let end = if end.is_empty() {
                character.to_string()
            } else {
                end.to_owned()
            };
            format!("yes.{end}the house{end}is small.\n")
        });
        lines.collect()
    };
    let expected = workspace.translated(&NOTHING, with(" ").as_bytes());
    assert_eq!(workspace.translated(&NOTHING, with("").as_bytes()), expected);
    assert_eq!(expected.lines().count(), ends.len());
    assert!(!expected.contains(ends));
    assert_eq!(
        workspace.translated(&["--no-split"], with("").as_bytes()),
        workspace.translated(&["--no-split"], with(" ").as_bytes())
    );
    assert_eq!(
        workspace.translated(&["--json"], with("").as_bytes()),
        workspace.translated(&["--json"], with(" ").as_bytes())
    );

    let target = "das Haus ist klein\n".repeat(ends.len());
    let target = workspace.write("target.txt", target);
    let score = |end: &str| {
        let source = workspace.write("source.txt", with(end));
        stdout(&workspace.score(&source, &target, &["--json"]))
    };
    assert_eq!(score(""), score(" "));
}

#[test]
fn what_no_reader_sees_is_not_translated() {
    let workspace = Workspace::new();
    let blank = "\u{200b}\n\u{ad} \u{200e}\n\u{3000}\u{feff}\n\u{2028}\n\0\n";
    for arguments in [&NOTHING[..], &["--no-split"]] {
        assert_eq!(workspace.translated(arguments, blank.as_bytes()), "\n".repeat(5));
    }
    let seen = workspace.translated(&NOTHING, b"the house is small. Yes!\n");
    let unseen = "\u{200e}the ho\u{ad}use\u{200b} is small.\u{200b} \u{feff}Yes!\u{2060}\n";
    assert_eq!(workspace.translated(&NOTHING, unseen.as_bytes()), seen);
}

#[test]
fn what_is_no_word_is_refused_as_one() {
    let workspace = Workspace::new();
    for flag in ["--ban", "--require"] {
        let invisible = workspace.translate(&[flag, "\u{200b}", "yes"], b"");
        assert_usage_error(&invisible, "no word");
        let mark = workspace.translate(&["--beam", "4", flag, "\u{301}a", "yes"], b"");
        assert_usage_error(&mark, "such as a combining mark");
        assert_usage_error(
            &mark,
            &format!("error: {flag} has \"\\u{{301}}a\", which is no word"),
        );
    }
}

#[test]
fn a_ban_of_what_is_never_written_says_so() {
    let workspace = Workspace::new();
    let banned = [
        "--ban", "Quark", "--ban", "the old", "--ban", "ho", "--ban", "house", "yes",
    ];
    // Subwords spell everything.
    workspace.translated(&banned, b"");
    model_folder_of_words(["the ol@@ d house", "ho"])
        .save(workspace.model())
        .unwrap();
    let output = workspace.translate(&banned, b"");
    let expected = "--ban \"Quark\" changes nothing: no tokens of the model spell it\n";
    assert_eq!(String::from_utf8(output.stderr).unwrap(), expected);
    assert_eq!(output.status.code(), Some(0));
}

//! Documents, translated by the program from outside.

use std::fs;
use std::path::Path;

use attend_documents::{Document, DocumentKind, PassageFormat};
use attend_infer::{Languages, ModelFolder};

use crate::common::{
    Workspace, argument, assert_error, assert_usage_error, attend, bundle_of, config, run, stdout,
};

const DOCX: &[u8] = include_bytes!("../../../documents/tests/fixtures/made.docx");
const ODT: &[u8] = include_bytes!("../../../documents/tests/fixtures/made.odt");
const SUBTITLES: &str = "1\r\n00:00:01,000 --> 00:00:02,500\r\nthe <i>house</i> is small\r\nand old\r\n";
const PAGE: &str = "<title>yes</title>\n<p>an <b>old</b> man<br>reads\n a book &amp; more</p><pre>good</pre>";
const LINES: &str = "good morning\r\n\r\n12.5\n  the <house> is small";

/// A short search, since a model with random weights does not end its translations.
const FLAGS: [&str; 2] = ["--max-length", "8"];

/// Translates a document, and each of its passages as a line in the format of the passage: `translate` runs the program
/// with these flags and this input.
fn check(workspace: &Workspace, name: &str, bytes: &[u8], translate: impl Fn(&[&str], &str) -> String) {
    let source = workspace.write(name, bytes);
    let target = workspace.path(&format!("translated-{name}"));
    let flags = ["--document", argument(&source), "--output", argument(&target)];
    assert_eq!(translate(&flags, ""), "");

    let kind = DocumentKind::of_path(Path::new(name)).unwrap();
    let document = Document::read(bytes, kind).unwrap();
    let translations = document.passages().iter().map(|passage| {
        let format = match passage.format {
            PassageFormat::Text => "text",
            PassageFormat::Html => "html",
            PassageFormat::Xml => "xml",
        };
        let line = passage.text.replace('\n', " ") + "\n";
        translate(&["--format", format], &line)
            .trim_end_matches('\n')
            .to_owned()
    });
    let translations: Vec<String> = translations.collect();
    assert!(translations.len() > 1 || kind == DocumentKind::Srt);
    let expected = document.write(&translations).unwrap();
    assert_ne!(expected, bytes);
    assert!(fs::read(&target).unwrap() == expected, "{name}: {translations:?}");
}

#[test]
fn a_document_has_the_translations_of_its_passages() {
    let workspace = Workspace::new();
    for (name, bytes) in [
        ("made.docx", DOCX),
        ("made.ODT", ODT),
        ("subtitles.srt", SUBTITLES.as_bytes()),
        ("page.htm", PAGE.as_bytes()),
        ("lines.txt", LINES.as_bytes()),
    ] {
        check(&workspace, name, bytes, |flags, input| {
            workspace.translated(&[flags, &FLAGS].concat(), input.as_bytes())
        });
    }
    // Standard output has the document as it is.
    let source = argument(&workspace.path("subtitles.srt")).to_owned();
    let printed = workspace.translated(
        &[&["--document", &source, "--output", "-"], &FLAGS[..]].concat(),
        b"",
    );
    assert!(
        printed.starts_with("1\r\n00:00:01,000 --> 00:00:02,500\r\n"),
        "{printed}"
    );
}

#[test]
fn tags_pass_through_two_models() {
    let workspace = Workspace::new();
    for (seed, name, languages) in [(10, "fr-en", ["fr", "en"]), (11, "en-de", ["en", "de"])] {
        let folder = workspace.path(&format!("home/models/{name}"));
        fs::create_dir_all(&folder).unwrap();
        let [source, target] = languages.map(|language| language.parse().ok());
        let folder_of = bundle_of(config(), seed);
        let languages = Languages { source, target };
        ModelFolder {
            languages,
            ..folder_of
        }
        .save(folder)
        .unwrap();
    }
    check(&workspace, "page.html", PAGE.as_bytes(), |flags, input| {
        let mut command = attend("translate");
        command
            .args(["--from", "fr", "--to", "de", "--via", "en"])
            .args(flags)
            .args(FLAGS);
        command.env("ATTEND_HOME", workspace.path("home"));
        stdout(&run(command, input.as_bytes()))
    });
}

#[test]
fn a_document_that_cannot_be_read_leaves_nothing() {
    let workspace = Workspace::new();
    let target = workspace.path("target");
    for (name, bytes, parts) in [
        (
            "wrong.srt",
            &b"1\n00:00:01 -> 00:00:02\nyes\n"[..],
            &["wrong.srt: line 2", "00:00:01 -> 00:00:02"][..],
        ),
        (
            "text.docx",
            b"good morning",
            &["text.docx", "not of the kind docx", "no zip archive"],
        ),
        (
            "latin.txt",
            b"yes\ngr\xfc\xdfe\n",
            &["latin.txt", "not UTF-8", "line 2"],
        ),
    ] {
        let source = workspace.write(name, bytes);
        let flags = ["--document", argument(&source), "--output", argument(&target)];
        let complaints = assert_error(&workspace.translate(&flags, b""), parts);
        assert!(complaints.contains("hint: "), "{complaints}");
    }
    let missing = workspace.path("missing.odt");
    let flags = ["--document", argument(&missing), "--output", argument(&target)];
    assert_error(&workspace.translate(&flags, b""), &["cannot read", "missing.odt"]);
    assert!(!target.exists());
    assert!(!workspace.path("target.part").exists());
}

#[test]
fn a_document_needs_an_output_and_a_known_ending() {
    let workspace = Workspace::new();
    let source = workspace.write("lines.txt", LINES);
    let source = argument(&source);
    let output = argument(&workspace.path("target")).to_owned();
    let with_output = |flags: &[&'static str]| {
        let flags: Vec<String> = flags.iter().map(|flag| (*flag).to_owned()).collect();
        [
            ["--document", source, "--output", &output]
                .map(str::to_owned)
                .to_vec(),
            flags,
        ]
        .concat()
    };
    assert_usage_error(&workspace.translate(&["--document", source], b""), "--output");
    let flags = ["--document", "paper.pdf", "--output", &output];
    assert_usage_error(&workspace.translate(&flags, b""), ".docx or .odt");
    for flags in [
        &["yes"][..],
        &["--input", "lines"],
        &["--format", "html"],
        &["--json"],
        &["--alignment"],
        &["--prefix-file", "prefixes"],
    ] {
        assert_usage_error(
            &workspace.translate(&with_output(flags), b""),
            "cannot be used with",
        );
    }
}

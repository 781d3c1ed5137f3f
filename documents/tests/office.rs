//! Documents of Word and OpenDocument: those that python-docx and odfpy have made, and small ones.

use std::process::Command;

use attend_documents::{Document, DocumentError, DocumentKind, PassageFormat};

use crate::common::{docx, member, members, odt, passages, same, translated, upper};

const DOCX: &[u8] = include_bytes!("fixtures/made.docx");
const ODT: &[u8] = include_bytes!("fixtures/made.odt");

const FIXTURES: [(&[u8], DocumentKind); 2] = [(DOCX, DocumentKind::Docx), (ODT, DocumentKind::Odt)];

#[test]
fn passages_are_those_of_all_parts_in_order() {
    assert_eq!(
        passages(DOCX, DocumentKind::Docx),
        [
            "The red bicycle",
            "The old teacher buys <g id=\"1\">the red</g> bicycle &amp; a <g id=\"2\">small &lt;book&gt;</g>.",
            "Two children play in the garden.",
            "Name:",
            "Anna",
            "City:",
            "Berlin",
            "See <g id=\"1\">this page</g> of page <x id=\"2\"/> today.",
            "Word",
            "Number",
            "house",
            "A picture with a text box <x id=\"1\"/> is here.",
            "text in a box",
            "It has <g id=\"1\">a title</g> in it.",
            "This line has a comment.",
            "Head of the page",
            "Foot of the page",
            "Is this right?",
        ]
    );
    assert_eq!(
        passages(ODT, DocumentKind::Odt),
        [
            "The red bicycle",
            "The old teacher buys <g id=\"1\">the red</g> bicycle &amp; a &lt;small&gt; book.",
            "Two children <x id=\"1\"/> play.",
            "Name:",
            "Anna",
            "and <x id=\"1\"/>one",
            "two",
            "A note<x id=\"1\"/> and <g id=\"2\">a link</g>.",
            "at the foot of the page",
            "A box <x id=\"1\"/> and a comment<x id=\"2\"/> here.",
            "text in a box",
            "Is this right?",
            "Word",
            "Number",
            "house",
            "Head of the page",
            "Foot of the page",
        ]
    );
    let document = Document::read(DOCX, DocumentKind::Docx).unwrap();
    let formats: Vec<_> = document.passages()[..2]
        .iter()
        .map(|passage| passage.format)
        .collect();
    assert_eq!(formats, [PassageFormat::Text, PassageFormat::Xml]);
}

#[test]
fn a_document_whose_passages_stay_is_the_same() {
    for (bytes, kind) in FIXTURES {
        let written = translated(bytes, kind, same).unwrap();
        assert_eq!(members(&written), members(bytes));
    }
}

/// The XML of a member without text, and its text.
fn divided(xml: &[u8]) -> (String, String) {
    let (mut tags, mut text, mut within) = (String::new(), String::new(), false);
    for character in str::from_utf8(xml).unwrap().chars() {
        within |= character == '<';
        if within { &mut tags } else { &mut text }.push(character);
        within &= character != '>';
    }
    (tags, text)
}

#[test]
fn upper_casing_changes_text_alone() {
    for (bytes, kind) in FIXTURES {
        let written = translated(bytes, kind, upper).unwrap();
        let mut changed = Vec::new();
        for ((name, before), (name_behind, after)) in members(bytes).into_iter().zip(members(&written)) {
            assert_eq!(name, name_behind);
            if before == after {
                continue;
            }
            let ((tags, text), (tags_behind, text_behind)) = (divided(&before), divided(&after));
            assert_eq!(tags_behind, tags, "{name}");
            let expected = text.to_uppercase();
            let expected = ["&LT;", "&GT;", "&AMP;", " PAGE "]
                .into_iter()
                .fold(expected, |text, entity| {
                    let lower = if entity.starts_with('&') {
                        entity.to_lowercase()
                    } else {
                        entity.to_owned()
                    };
                    text.replace(entity, &lower)
                });
            assert_eq!(text_behind, expected, "{name}");
            changed.push(name);
        }
        let expected: &[&str] = match kind {
            DocumentKind::Docx => &[
                "word/document.xml",
                "word/comments.xml",
                "word/header1.xml",
                "word/footer1.xml",
            ],
            _ => &["styles.xml", "content.xml"],
        };
        changed.sort();
        let mut expected = expected.to_vec();
        expected.sort_unstable();
        assert_eq!(changed, expected);
    }
}

/// Needs python-docx and odfpy: `just test-documents PYTHON`.
#[test]
#[ignore = "needs Python with python-docx and odfpy; `just test-documents PYTHON` runs it"]
fn other_programs_read_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    for (bytes, kind) in FIXTURES {
        let write =
            |name, bytes: &[u8]| std::fs::write(folder.path().join(format!("{name}.{kind}")), bytes).unwrap();
        write("made", bytes);
        write("upper", &translated(bytes, kind, upper).unwrap());
    }
    let python = std::env::var("PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/make_fixtures.py");
    let status = Command::new(python)
        .arg(script)
        .arg(folder.path())
        .arg("check")
        .status();
    assert!(status.unwrap().success());
}

/// The XML within the body of a Word document, with a translation in place of its only passage.
fn word(body: &str, passage: &str, translation: &str) -> String {
    let bytes = docx(body);
    assert_eq!(passages(&bytes, DocumentKind::Docx), [passage]);
    let written = translated(&bytes, DocumentKind::Docx, |_| translation.to_owned()).unwrap();
    let document = member(&written, "word/document.xml");
    let (_, rest) = document.split_once("<w:body>").unwrap();
    rest.split_once("</w:body>").unwrap().0.to_owned()
}

#[test]
fn runs_follow_the_words() {
    let run = |properties: &str, text: &str| {
        format!("<w:r>{properties}<w:t xml:space=\"preserve\">{text}</w:t></w:r>")
    };
    let bold = "<w:rPr><w:b/></w:rPr>";
    let body = |runs: &[String]| format!("<w:p><w:pPr/>{}</w:p>", runs.concat());
    let source = body(&[run("", "the "), run(bold, "red"), run("", " house")]);
    let passage = "the <g id=\"1\">red</g> house";
    for (translation, expected) in [
        (
            "das <g id=\"1\">rote</g> Haus",
            [run("", "das "), run(bold, "rote"), run("", " Haus")],
        ),
        (
            "<g id=\"1\">Rotes</g> Haus",
            [run(bold, "Rotes"), run("", " Haus"), run("", "")],
        ),
        (
            "das Haus, <g id=\"1\">rot</g>",
            [run("", "das Haus, "), run(bold, "rot"), run("", "")],
        ),
        (
            "Haus<g id=\"1\"></g>",
            [run("", "Haus"), run(bold, ""), run("", "")],
        ),
        (
            "das <g id=\"1\">&lt;&amp;</g> \"",
            [run("", "das "), run(bold, "&lt;&amp;"), run("", " \"")],
        ),
    ] {
        assert_eq!(
            word(&source, passage, translation),
            body(&expected),
            "{translation}"
        );
    }
    // Text between more tags than the source has repeats the run before it.
    let source = body(&[run(bold, "Red"), run("", " house")]);
    let expected = body(&[run("", "Das "), run(bold, "rote"), run("", " Haus")]);
    let translation = "Das <g id=\"1\">rote</g> Haus";
    assert_eq!(word(&source, "<g id=\"1\">Red</g> house", translation), expected);
}

#[test]
fn runs_that_look_the_same_are_one_text() {
    let source = "<w:p><w:r><w:rPr><w:lang w:val=\"en\"/></w:rPr><w:t>hou</w:t></w:r><w:proofErr w:type=\"spellEnd\"/>\n\
         <w:r w:rsidR=\"1\"><w:t>se is</w:t><w:lastRenderedPageBreak/><w:t xml:space=\"preserve\"> old</w:t></w:r></w:p>";
    let expected = source
        .replace("hou<", "Haus ist alt<")
        .replace(">se is<", "><")
        .replace("> old<", "><");
    assert_eq!(word(source, "house is old", "Haus ist alt"), expected);
}

#[test]
fn blanks_at_the_ends_of_a_text_count() {
    let source =
        "<w:p><w:r><w:t>\n  one\n</w:t></w:r><w:hyperlink><w:r><w:t>two</w:t></w:r></w:hyperlink></w:p>";
    let expected = "<w:p><w:r><w:t xml:space=\"preserve\">eins </w:t></w:r><w:hyperlink><w:r><w:t>zwei</w:t></w:r></w:hyperlink></w:p>";
    let passage = "one<g id=\"1\">two</g>";
    assert_eq!(word(source, passage, "eins <g id=\"1\">zwei</g>"), expected);
}

#[test]
fn fields_are_points_unless_they_are_links() {
    let field = |code: &str, result: &str| {
        format!(
            "<w:r><w:fldChar w:fldCharType=\"begin\"/><w:instrText>{code}</w:instrText></w:r>\
             <w:r><w:fldChar w:fldCharType=\"separate\"/></w:r><w:r><w:t>{result}</w:t></w:r>\
             <w:r><w:fldChar w:fldCharType=\"end\"/></w:r>"
        )
    };
    let text = |text: &str| format!("<w:r><w:t xml:space=\"preserve\">{text}</w:t></w:r>");
    let page = field(" PAGE ", "seven");
    let source = format!("<w:p>{}{page}{}</w:p>", text("page "), text(" here"));
    let expected = format!("<w:p>{page}{}{}</w:p>", text(" Seite"), text(""));
    assert_eq!(
        word(&source, "page <x id=\"1\"/> here", "<x id=\"1\"/> Seite"),
        expected
    );
    let link = |result| field(" HYPERLINK \"x\" ", result);
    let source = format!("<w:p>{}{}</w:p>", text("see "), link("this"));
    let expected = format!("<w:p>{}{}</w:p>", text("siehe "), link("dies"));
    assert_eq!(
        word(&source, "see <g id=\"1\">this</g>", "siehe <g id=\"1\">dies</g>"),
        expected
    );
}

#[test]
fn tags_that_a_passage_does_not_have_are_refused() {
    let body = "<w:p><w:r><w:t>one</w:t></w:r><w:hyperlink><w:r><w:t>two</w:t></w:r></w:hyperlink>\
         <w:bookmarkStart/><w:r><w:t>three</w:t></w:r></w:p>";
    let bytes = docx(body);
    assert_eq!(
        passages(&bytes, DocumentKind::Docx),
        ["one<g id=\"1\">two</g><x id=\"2\"/>three"]
    );
    for translation in [
        "eins",
        "eins <g id=\"1\">zwei</g>",
        "<g id=\"1\">zwei</g><x id=\"2\"/><x id=\"2\"/>",
        "<g id=\"1\">zwei<x id=\"2\"/></g>",
        "<g id=\"1\">zwei<x id=\"2\"/>",
        "</g><g id=\"1\">zwei<x id=\"2\"/>",
        "<g id=\"2\">zwei</g><x id=\"1\"/>",
        "<g id=\"1\">zwei</g><x id=\"3\"/>",
        "<g id=\"1\">zwei</g><x id=\"2\"/><b>",
        "<g id=\"1\">zwei</g><x id=\"2\"/> <",
    ] {
        let error = translated(&bytes, DocumentKind::Docx, |_| translation.to_owned()).unwrap_err();
        assert!(
            matches!(error, DocumentError::Tags { passage: 1, .. }),
            "{translation}"
        );
    }
    let document = Document::read(&bytes, DocumentKind::Docx).unwrap();
    let error = document.write(&["a", "b"]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the document has 1 passages, but there are 2 translations"
    );
}

#[test]
fn a_span_that_a_line_break_divides_stays_whole() {
    let body = "<text:p>a <text:a>b</text:a> <text:span>c<text:line-break/>d</text:span> e</text:p>\
         <text:tracked-changes><text:p>deleted</text:p></text:tracked-changes>";
    let bytes = odt(body);
    assert_eq!(
        passages(&bytes, DocumentKind::Odt),
        ["a <g id=\"1\">b</g> <x id=\"2\"/>c", "d<x id=\"1\"/> e"]
    );
    let document = Document::read(&bytes, DocumentKind::Odt).unwrap();
    let written = document
        .write(&["<x id=\"2\"/>C <g id=\"1\">B</g> A", "E <x id=\"1\"/>D"])
        .unwrap();
    let expected = "<text:p><text:span>C <text:a>B</text:a> A<text:line-break/>E </text:span>D</text:p>";
    assert!(member(&written, "content.xml").contains(expected));
}

/// The XML would not be well-formed if the end of one span and the start of the next one changed places.
#[test]
fn halves_of_spans_stay_in_order() {
    let bytes =
        odt("<text:p><text:span>a<text:tab/>b</text:span> c <text:span>d<text:tab/>e</text:span></text:p>");
    let document = Document::read(&bytes, DocumentKind::Odt).unwrap();
    let texts: Vec<&str> = document
        .passages()
        .iter()
        .map(|passage| passage.text.as_str())
        .collect();
    assert_eq!(texts, ["a", "b<x id=\"1\"/> c <x id=\"2\"/>d", "e"]);
    let written = document
        .write(&["A", "<x id=\"1\"/>C <x id=\"2\"/>D B", "E"])
        .unwrap();
    let expected = "<text:span>A<text:tab/></text:span>C <text:span>D B<text:tab/>E</text:span>";
    assert!(member(&written, "content.xml").contains(expected));
    let error = document
        .write(&["A", "<x id=\"2\"/>C <x id=\"1\"/>D B", "E"])
        .unwrap_err();
    assert!(matches!(error, DocumentError::Tags { passage: 2, .. }), "{error}");
}

/// A field of which a container has only a part is points, since its text cannot move alone.
#[test]
fn a_field_that_crosses_a_hyperlink_is_points() {
    let mark = |kind: &str| format!("<w:r><w:fldChar w:fldCharType=\"{kind}\"/></w:r>");
    let source = format!(
        "<w:p><w:r><w:t>a</w:t></w:r>{}<w:hyperlink><w:r><w:t>b</w:t></w:r>{}</w:hyperlink><w:r><w:t>c</w:t></w:r></w:p>",
        mark("begin"),
        mark("end")
    );
    let passage = "a<x id=\"1\"/><g id=\"2\">b<x id=\"3\"/></g>c";
    let upper = "A<x id=\"1\"/><g id=\"2\">B<x id=\"3\"/></g>C";
    let expected = source
        .replace(">a<", ">A<")
        .replace(">b<", ">B<")
        .replace(">c<", ">C<");
    assert_eq!(word(&source, passage, upper), expected);
}

#[test]
fn line_ends_of_a_translation_are_blanks() {
    let source = "<w:p><w:r><w:t>one</w:t></w:r></w:p>";
    let expected = "<w:p><w:r><w:t>a b c</w:t></w:r></w:p>";
    assert_eq!(word(source, "one", "a\nb\tc\u{1}"), expected);
}

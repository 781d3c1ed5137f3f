//! Documents whose makers want to do harm, and damaged ones.

use std::io::{Cursor, Write};

use attend_documents::{Document, DocumentError, DocumentKind};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::common::{CONTENT_TYPES, DOCX_NAMESPACE, docx, member, odt, packed, with};

/// Returns the error of a document that is refused, which is one line.
fn refused(bytes: &[u8], kind: DocumentKind) -> String {
    let error = Document::read(bytes, kind)
        .expect_err("it is refused")
        .to_string();
    assert!(!error.contains('\n'), "{error}");
    error
}

/// Packs a Word document whose part with the body has this text.
fn docx_of(document: &str) -> Vec<u8> {
    packed([
        ("[Content_Types].xml", CONTENT_TYPES),
        ("word/document.xml", document),
    ])
}

#[test]
fn what_is_no_document_of_its_kind_is_refused() {
    let spreadsheet = packed([
        ("mimetype", "application/vnd.oasis.opendocument.spreadsheet"),
        ("content.xml", "<x/>"),
    ]);
    let encrypted = packed([
        ("mimetype", "application/vnd.oasis.opendocument.text"),
        ("META-INF/manifest.xml", "<manifest:encryption-data/>"),
        ("content.xml", "x"),
    ]);
    for (bytes, kind, expected) in [
        (&b"We are hungry."[..], DocumentKind::Docx, "no zip archive"),
        (b"", DocumentKind::Odt, "no zip archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", DocumentKind::Docx, "OLE"),
        (
            &odt("<text:p>a</text:p>"),
            DocumentKind::Docx,
            "no [Content_Types].xml",
        ),
        (&docx("<w:p/>"), DocumentKind::Odt, "no member mimetype"),
        (&spreadsheet, DocumentKind::Odt, "opendocument.spreadsheet"),
        (&encrypted, DocumentKind::Odt, "encrypted"),
        (
            &packed([("[Content_Types].xml", "<Types/>")]),
            DocumentKind::Docx,
            "no part with the body",
        ),
        (
            &packed([("[Content_Types].xml", CONTENT_TYPES)]),
            DocumentKind::Docx,
            "no member word/document.xml",
        ),
    ] {
        let error = refused(bytes, kind);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn a_document_that_grows_very_much_is_refused() {
    let blanks = " ".repeat(2 << 20);
    let error = refused(&docx(&blanks), DocumentKind::Docx);
    assert!(error.contains("would take more than 1048576 bytes"), "{error}");
    // A member that is not read may be as large as it likes.
    let picture = packed([
        ("[Content_Types].xml", CONTENT_TYPES),
        ("word/document.xml", "<x/>"),
        ("word/media/white.bmp", &blanks),
    ]);
    assert!(Document::read(&picture, DocumentKind::Docx).is_ok());
}

/// The size of a member stands in its header twice, and in the list of all members. None of them is believed.
#[test]
fn a_size_that_is_a_lie_changes_nothing() {
    let blanks = format!("<x>{}</x>", " ".repeat(2 << 20));
    let size = u32::try_from(blanks.len()).unwrap();
    let bytes = with(&docx_of(&blanks), &size.to_le_bytes(), &10_u32.to_le_bytes());
    let error = Document::read(&bytes, DocumentKind::Docx).unwrap_err();
    assert!(
        matches!(error, DocumentError::Trap { .. } | DocumentError::Damaged { .. }),
        "{error}"
    );
}

#[test]
fn names_that_lead_out_of_a_folder_are_refused() {
    for name in ["../evil.xml", "word/../../evil.xml", "word\\..\\evil"] {
        // The writer of archives would not take the name.
        let harmless = "x".repeat(name.len());
        let bytes = packed([("[Content_Types].xml", CONTENT_TYPES), (&harmless, "")]);
        let bytes = with(&bytes, harmless.as_bytes(), name.as_bytes());
        let error = refused(&bytes, DocumentKind::Docx);
        assert!(error.contains("outside of a folder"), "{error}");
    }
}

#[test]
fn entities_are_never_expanded() {
    let body = |text: &str| {
        format!(
            "<w:document xmlns:w=\"{DOCX_NAMESPACE}\"><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:document>"
        )
    };
    let declared = format!(
        "<!DOCTYPE x [<!ENTITY a \"lol\"><!ENTITY b \"&a;&a;\">]>{}",
        body("&b;")
    );
    for (document, expected) in [
        (declared, "declares a document type"),
        (body("&b;"), "uses the entity &b;"),
        (body("one &nbsp; two"), "uses the entity &nbsp;"),
        (body("&#x110000;"), "word/document.xml"),
    ] {
        let error = refused(&docx_of(&document), DocumentKind::Docx);
        assert!(error.contains(expected), "{error}");
    }
    let bytes = docx_of(&body("&lt;&gt;&amp;&quot;&apos;&#65;&#x42;"));
    let document = Document::read(&bytes, DocumentKind::Docx).unwrap();
    assert_eq!(document.passages()[0].text, "<>&\"'AB");
}

#[test]
fn deep_elements_are_refused() {
    let nested = |count: usize| {
        let boxes = "<w:p><w:r><w:pict>".repeat(count);
        let ends = "</w:pict></w:r></w:p>".repeat(count);
        docx(&format!("{boxes}<w:p><w:r><w:t>one</w:t></w:r></w:p>{ends}"))
    };
    let error = refused(&nested(100), DocumentKind::Docx);
    assert!(error.contains("more than 256 elements in each other"), "{error}");
    let document = Document::read(&nested(80), DocumentKind::Docx).unwrap();
    assert_eq!(document.passages().len(), 1);
    assert!(document.write(&["eins"]).is_ok());
}

/// Fields can be in each other without elements that are. Neither the stack nor the time is exhausted.
#[test]
fn fields_are_in_each_other_as_deep_as_they_like() {
    let mark = |kind: &str| format!("<w:fldChar w:fldCharType=\"{kind}\"/>");
    let link = "<w:instrText>HYPERLINK</w:instrText>";
    let begin = format!("{}{link}{}", mark("begin"), mark("separate"));
    let count = 50_000;
    let (begins, ends) = (begin.repeat(count), mark("end").repeat(count));
    for (begins, ends, passage) in [
        (begins.as_str(), ends.as_str(), "one"),
        ("", &ends, "one"),
        (&begins, "", "one"),
    ] {
        // What cannot be packed so small is no document that people write.
        let noise: String = (0..200_000_u32)
            .map(|number| format!("{:x}", number.wrapping_mul(0x9e37_79b9)))
            .collect();
        let body = format!("<w:p><w:r>{begins}<w:t>one</w:t>{ends}</w:r></w:p><!--{noise}-->");
        let bytes = docx(&body);
        let document = Document::read(&bytes, DocumentKind::Docx).unwrap();
        assert_eq!(document.passages()[0].text, passage);
        let written = document.write(&["eins"]).unwrap();
        let expected = body.replace(">one<", ">eins<");
        assert!(member(&written, "word/document.xml").contains(&expected));
    }
}

/// A subtitle may have any number of lines and words. The time that they take does not grow with the square of it.
#[test]
fn a_subtitle_has_as_many_lines_as_it_likes() {
    let lines = "one two\n".repeat(200_000);
    let subtitle = format!("1\n00:00:01,000 --> 00:00:02,500\n{lines}");
    let document = Document::read(subtitle.as_bytes(), DocumentKind::Srt).unwrap();
    let translation = "eins zwei ".repeat(200_000);
    let written = String::from_utf8(document.write(&[translation]).unwrap()).unwrap();
    assert_eq!(written.lines().count(), 200_002);
}

#[test]
fn damaged_documents_are_refused() {
    for (document, expected) in [
        ("<a><b></a>", "wrong before byte"),
        ("<a><b>", "ends within an element"),
        ("<a", "wrong before byte"),
        ("<a>\u{0}<", "word/document.xml"),
        (
            "<?xml version='1.0' encoding='ISO-8859-1'?><a/>",
            "it is in ISO-8859-1",
        ),
    ] {
        let error = refused(&docx_of(document), DocumentKind::Docx);
        assert!(error.contains(expected), "{error}");
    }
    let whole = include_bytes!("fixtures/made.docx");
    for length in [2, 4, 30, 1_000, whole.len() / 2, whole.len() - 1] {
        refused(&whole[..length], DocumentKind::Docx);
    }
    let mut other = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in [
        ("mimetype", &b"application/vnd.oasis.opendocument.text"[..]),
        ("content.xml", b"\xff\xfea\0"),
    ] {
        other.start_file(name, SimpleFileOptions::default()).unwrap();
        other.write_all(content).unwrap();
    }
    let error = refused(&other.finish().unwrap().into_inner(), DocumentKind::Odt);
    assert!(error.contains("content.xml has other bytes"), "{error}");
}

/// Two members of one name, of which readers may take either.
#[test]
fn two_members_of_one_name_are_refused() {
    let bytes = packed([
        ("[Content_Types].xml", CONTENT_TYPES),
        ("word/document.xml", "<a/>"),
        ("word/documen2.xml", "<b/>"),
    ]);
    let twice = with(&bytes, b"word/documen2.xml", b"word/document.xml");
    let error = refused(&twice, DocumentKind::Docx);
    assert!(error.contains("two members of the same name"), "{error}");
}

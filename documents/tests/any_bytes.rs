//! Whatever is read: nothing panics, passages that stay change nothing, and what is written is a document again.

use attend_documents::{Document, DocumentKind, Passage, PassageFormat};
use proptest::prelude::*;

use crate::common::{docx, members, odt, passages, same, translated, upper};

/// Pieces of the body of a document. Those with `{}` enclose others.
const DOCX_PIECES: [&str; 16] = [
    "<w:r>{}</w:r>",
    "<w:r><w:rPr><w:b/></w:rPr>{}</w:r>",
    "<w:t>one </w:t>",
    "<w:t xml:space=\"preserve\"> two </w:t>",
    "<w:r><w:t>three &amp; four</w:t></w:r>",
    "<w:hyperlink>{}</w:hyperlink>",
    "<w:sdt><w:sdtPr/><w:sdtContent>{}</w:sdtContent></w:sdt>",
    "<w:tab/>",
    "<w:br/>",
    "<w:p>{}</w:p>",
    "<w:pict>{}</w:pict>",
    "<w:fldChar w:fldCharType=\"begin\"/>",
    "<w:instrText> HYPERLINK \"x\"</w:instrText>",
    "<w:fldChar w:fldCharType=\"separate\"/>",
    "<w:fldChar w:fldCharType=\"end\"/>",
    "<w:proofErr/>",
];
const ODT_PIECES: [&str; 10] = [
    "one ",
    "two",
    "three &lt; four",
    "<text:span>{}</text:span>",
    "<text:a>{}</text:a>",
    "<text:s/>",
    "<text:tab/>",
    "<text:note><text:p>{}</text:p></text:note>",
    "<text:p>{}</text:p>",
    "<!-- five -->",
];

/// Any XML of such pieces.
fn body(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(pieces).prop_map(|piece| piece.replace("{}", ""));
    leaf.prop_recursive(6, 40, 6, move |inner| {
        (prop::sample::select(pieces), prop::collection::vec(inner, 0..6)).prop_map(|(piece, inner)| {
            if piece.contains("{}") {
                piece.replace("{}", &inner.concat())
            } else {
                inner.concat() + piece
            }
        })
    })
}

/// Checks a document that can be read: its passages, left as they are or upper-cased, are those of what is written.
fn check(bytes: &[u8], kind: DocumentKind) {
    let unchanged = translated(bytes, kind, same).expect("equal tags");
    assert_eq!(members(&unchanged), members(bytes));
    let written = translated(bytes, kind, upper).expect("equal tags");
    let document = Document::read(bytes, kind).expect("a document");
    let expected: Vec<String> = document.passages().iter().map(upper).collect();
    assert_eq!(passages(&written, kind), expected);
    // A translation may have no text.
    let tags_only = |passage: &Passage| {
        if passage.format == PassageFormat::Text {
            return String::new();
        }
        let parts = passage.text.split_inclusive('>');
        let tags = parts.filter_map(|part| part.find('<').map(|start| &part[start..]));
        tags.collect()
    };
    let emptied = translated(bytes, kind, tags_only).expect("equal tags");
    assert_eq!(passages(&emptied, kind), Vec::<String>::new());
}

proptest! {
    #[test]
    fn any_paragraph_of_word_is_written_again(body in body(&DOCX_PIECES)) {
        check(&docx(&format!("<w:p>{body}</w:p>")), DocumentKind::Docx);
    }

    #[test]
    fn any_paragraph_of_opendocument_is_written_again(body in body(&ODT_PIECES)) {
        check(&odt(&format!("<text:p>{body}</text:p>")), DocumentKind::Odt);
    }

    #[test]
    fn any_bytes_are_read_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        text in "(\\PC|[\\r\\n<>&/ -]|<p>|<i>|00:00:01,000 --> 00:00:02,000\\n|1\\n){0,30}",
    ) {
        for kind in DocumentKind::ALL {
            for bytes in [&bytes[..], text.as_bytes()] {
                if let Ok(document) = Document::read(bytes, kind) {
                    let texts: Vec<&str> = document.passages().iter().map(|passage| passage.text.as_str()).collect();
                    prop_assert_eq!(document.write(&texts).expect("as many translations"), bytes);
                    let other: Vec<String> = texts.iter().map(|text| format!("{text} x")).collect();
                    document.write(&other).expect("as many translations");
                }
            }
        }
    }

    /// Some bytes of documents are others, which may be in the lists of the archive or in what it holds.
    #[test]
    fn damaged_archives_are_read_or_refused(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let files = [
            (&include_bytes!("fixtures/made.docx")[..], DocumentKind::Docx),
            (include_bytes!("fixtures/made.odt"), DocumentKind::Odt),
        ];
        for (bytes, kind) in files {
            let mut bytes = bytes.to_vec();
            for (place, value) in &changes {
                let place = place.index(bytes.len());
                bytes[place] = *value;
            }
            if let Ok(document) = Document::read(&bytes, kind) {
                let translations: Vec<String> = document.passages().iter().map(upper).collect();
                // What is copied may be damaged, too.
                let _ = document.write(&translations);
            }
        }
    }
}

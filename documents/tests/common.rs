//! What the tests share: documents in memory, and translations by upper-casing.

use std::io::{Cursor, Read, Write};

use attend_documents::{Document, DocumentError, DocumentKind, Passage, PassageFormat};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

pub(crate) const DOCX_NAMESPACE: &str = "http://schemas.openxmlformats.org/wordprocessingml/2006/main";

/// Packs members with these names and contents.
pub(crate) fn packed<'a>(members: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in members {
        let method = if name == "mimetype" {
            CompressionMethod::Stored
        } else {
            CompressionMethod::Deflated
        };
        let options = SimpleFileOptions::default().compression_method(method);
        archive.start_file(name, options).expect("a new name");
        archive.write_all(content.as_bytes()).expect("memory");
    }
    archive.finish().expect("memory").into_inner()
}

/// The member that says which part of a Word document has the body.
pub(crate) const CONTENT_TYPES: &str = "<Types><Override PartName=\"/word/document.xml\" \
     ContentType=\"application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml\"/></Types>";

/// Packs a Word document whose body is this XML, in which the prefix `w` is that of WordprocessingML.
pub(crate) fn docx(body: &str) -> Vec<u8> {
    let document = format!("<w:document xmlns:w=\"{DOCX_NAMESPACE}\"><w:body>{body}</w:body></w:document>");
    packed([
        ("[Content_Types].xml", CONTENT_TYPES),
        ("word/document.xml", &document),
    ])
}

/// Packs an OpenDocument text whose body is this XML.
pub(crate) fn odt(body: &str) -> Vec<u8> {
    let content = format!(
        "<?xml version='1.0' encoding='UTF-8'?>\n<office:document-content \
         xmlns:office='urn:oasis:names:tc:opendocument:xmlns:office:1.0' \
         xmlns:text='urn:oasis:names:tc:opendocument:xmlns:text:1.0'>{body}</office:document-content>"
    );
    packed([
        ("mimetype", "application/vnd.oasis.opendocument.text"),
        ("content.xml", &content),
    ])
}

/// Returns the names of the members of an archive, in order, and their contents.
pub(crate) fn members(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).expect("an archive");
    let member = |index| {
        let mut member = archive.by_index(index).expect("a member");
        let mut content = Vec::new();
        member.read_to_end(&mut content).expect("a whole member");
        (member.name().expect("UTF-8").into_owned(), content)
    };
    (0..ZipArchive::new(Cursor::new(bytes)).expect("an archive").len())
        .map(member)
        .collect()
}

/// Returns a member of an archive as text.
pub(crate) fn member(bytes: &[u8], name: &str) -> String {
    let mut members = members(bytes).into_iter();
    let (_, content) = members.find(|(found, _)| found == name).expect("the member");
    String::from_utf8(content).expect("UTF-8")
}

/// Returns the texts of the passages of a document.
pub(crate) fn passages(bytes: &[u8], kind: DocumentKind) -> Vec<String> {
    let document = Document::read(bytes, kind).expect("a document");
    document
        .passages()
        .iter()
        .map(|passage| passage.text.clone())
        .collect()
}

/// Returns a passage in capital letters, but for its tags and entities.
pub(crate) fn upper(passage: &Passage) -> String {
    if passage.format == PassageFormat::Text {
        return passage.text.to_uppercase();
    }
    let (mut upper, mut end) = (String::new(), None);
    for character in passage.text.chars() {
        match (character, end) {
            ('<', None) => end = Some('>'),
            ('&', None) => end = Some(';'),
            _ => {}
        }
        if end.is_some() {
            upper.push(character);
        } else {
            upper.extend(character.to_uppercase());
        }
        if end == Some(character) {
            end = None;
        }
    }
    upper
}

/// Returns a passage as it is.
pub(crate) fn same(passage: &Passage) -> String {
    passage.text.clone()
}

/// Returns a document with translations in place of its passages.
pub(crate) fn translated(
    bytes: &[u8],
    kind: DocumentKind,
    translate: impl Fn(&Passage) -> String,
) -> Result<Vec<u8>, DocumentError> {
    let document = Document::read(bytes, kind)?;
    let translations: Vec<String> = document.passages().iter().map(translate).collect();
    document.write(&translations)
}

/// Returns bytes with other bytes, of the same length, in place of some.
pub(crate) fn with(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    assert_eq!(old.len(), new.len());
    let mut changed = bytes.to_vec();
    for place in 0..=bytes.len() - old.len() {
        if bytes[place..].starts_with(old) {
            changed[place..place + old.len()].copy_from_slice(new);
        }
    }
    assert_ne!(changed, bytes);
    changed
}

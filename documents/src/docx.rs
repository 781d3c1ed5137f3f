//! The parts of a Word document that have text, and the elements of WordprocessingML.

use std::collections::HashSet;

use quick_xml::Reader;
use quick_xml::events::Event;

use crate::archive::Archive;
use crate::xml_part::{Dialect, FieldMark, Role, XmlPart, attribute};
use crate::{DocumentError, Passage};

/// The member that names the type of each part.
const CONTENT_TYPES: &str = "[Content_Types].xml";

/// The ends of the types of the parts with text, in the order in which they are read.
const TYPES: [&str; 6] = [
    "main+xml",
    "wordprocessingml.header+xml",
    "wordprocessingml.footer+xml",
    "wordprocessingml.footnotes+xml",
    "wordprocessingml.endnotes+xml",
    "wordprocessingml.comments+xml",
];

/// The namespaces of WordprocessingML: that of Word, and that of the strict form of the standard.
const NAMESPACES: [&str; 2] = [
    "http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    "http://purl.oclc.org/ooxml/wordprocessingml/main",
];

/// The elements of WordprocessingML.
const DIALECT: Dialect = Dialect {
    role,
    has_mixed_content: false,
};

/// Reads the parts of a document that have text, the body first.
///
/// # Errors
///
/// Those of [`XmlPart::read`]; and [`DocumentError::Damaged`] if the archive is no Word document.
pub(crate) fn parts(archive: &mut Archive) -> Result<Vec<(XmlPart, Vec<Passage>)>, DocumentError> {
    let types = archive.member(CONTENT_TYPES);
    let types = types.ok_or_else(|| archive.damaged(&format!("it has no {CONTENT_TYPES}")))?;
    let types = archive.read(types)?;
    let mut members = members_with_text(&types)
        .map_err(|error| archive.damaged(&format!("its member {CONTENT_TYPES}: {error}")))?;
    members.sort();
    if members.first().is_none_or(|(place, _)| *place > 0) {
        return Err(archive.damaged("it has no part with the body of a text"));
    }
    let mut parts = Vec::new();
    let mut is_read = HashSet::new();
    for (_, name) in members {
        let member = archive.member(&name);
        let member = member.ok_or_else(|| archive.damaged(&format!("it has no member {name}")))?;
        if is_read.insert(member) {
            parts.push(XmlPart::read(archive, member, &DIALECT)?);
        }
    }
    Ok(parts)
}

/// Returns the names of the members with text, each with the place of its type in [`TYPES`].
fn members_with_text(types: &str) -> Result<Vec<(usize, String)>, quick_xml::Error> {
    let mut reader = Reader::from_str(types);
    let mut members = Vec::new();
    loop {
        match reader.read_event()? {
            Event::Empty(tag) | Event::Start(tag) if tag.local_name().as_ref() == "Override" => {
                let name = attribute(&tag, "PartName").unwrap_or_default();
                let kind = attribute(&tag, "ContentType").unwrap_or_default();
                let is_word = kind.contains("word");
                if let Some(place) = TYPES.iter().position(|end| is_word && kind.ends_with(end)) {
                    members.push((place, name.trim_start_matches('/').to_owned()));
                }
            }
            Event::Eof => return Ok(members),
            _ => {}
        }
    }
}

fn role(namespace: &str, name: &str) -> Role {
    if !NAMESPACES.contains(&namespace) {
        return Role::Other;
    }
    match name {
        "p" => Role::Paragraph,
        "r" => Role::Run,
        "rPr" => Role::RunProperties,
        // The language of text says nothing of its look.
        "lang" | "noProof" => Role::Language,
        "t" => Role::Text,
        "hyperlink" | "ins" | "moveTo" | "smartTag" | "sdt" | "customXml" | "bdo" | "dir" => Role::Container,
        "smartTagPr" | "sdtPr" | "sdtEndPr" | "customXmlPr" => Role::ContainerProperties,
        "sdtContent" => Role::ContainerContent,
        "tab" | "ptab" | "br" | "cr" => Role::Divider,
        "proofErr" | "lastRenderedPageBreak" => Role::Hidden,
        "fldChar" => Role::Field,
        "instrText" => Role::FieldCode,
        _ => Role::Other,
    }
}

/// Returns what a character of a field marks, by the value of its attribute.
pub(crate) fn field_mark(kind: &str) -> Option<FieldMark> {
    match kind {
        "begin" => Some(FieldMark::Begin),
        "separate" => Some(FieldMark::Separate),
        "end" => Some(FieldMark::End),
        _ => None,
    }
}

//! The tags of XML.

use std::borrow::Cow;

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesStart, Event};

use super::{Content, Piece, Tag};

/// Returns the pieces of a line. A `<` that begins no tag is text; so is the rest of a line after a tag, comment or
/// section that is not finished.
pub(super) fn pieces(line: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        // The reader skips a byte order mark without counting its bytes. No reader of the text sees such a mark.
        rest = rest.trim_start_matches('\u{feff}');
        rest = &rest[read(rest, &mut pieces)..];
    }
    pieces
}

/// Reads pieces up to the end of `line`, or up to the next `<` behind one that begins no tag. Returns the number of
/// bytes that it read.
fn read<'a>(line: &'a str, pieces: &mut Vec<Piece<'a>>) -> usize {
    let mut reader = Reader::from_str(line);
    let config = reader.config_mut();
    config.check_end_names = false;
    config.allow_unmatched_ends = true;
    config.allow_dangling_amp = true;
    let mut start = 0;
    loop {
        let event = reader.read_event();
        let end = usize::try_from(reader.buffer_position()).unwrap_or(line.len());
        let Ok(event) = event else {
            pieces.push(Piece::Text(Cow::Borrowed(&line[start..])));
            return line.len();
        };
        let source = &line[start..end];
        let single = |name| Tag {
            source,
            name,
            content: Content::Translated,
            is_break: false,
        };
        let text = match &event {
            Event::Start(_) | Event::Empty(_) | Event::End(_) => match next_tag(source) {
                None => None,
                Some(length) => {
                    pieces.push(Piece::Text(Cow::Borrowed(&source[..length])));
                    return start + length;
                }
            },
            Event::Text(_) => Some(Cow::Borrowed(source)),
            Event::CData(_) => source
                .strip_prefix("<![CDATA[")
                .and_then(|text| text.strip_suffix("]]>"))
                .map(Cow::Borrowed),
            Event::GeneralRef(reference) => {
                let name = source.trim_start_matches('&').trim_end_matches(';');
                match reference.resolve_char_ref() {
                    Ok(Some(character)) => Some(Cow::Owned(character.to_string())),
                    Ok(None) => resolve_xml_entity(name).map(Cow::Borrowed),
                    Err(_) => Some(Cow::Borrowed(source)),
                }
            }
            _ => None,
        };
        let piece = match (text, event) {
            (Some(text), _) => Piece::Text(text),
            (None, Event::Eof) => {
                if !source.is_empty() {
                    pieces.push(Piece::Text(Cow::Borrowed(source)));
                }
                return line.len();
            }
            (None, Event::Start(tag)) => Piece::Start(Tag {
                content: content(&tag),
                ..single(name(source))
            }),
            (None, Event::End(_)) => Piece::End(single(name(source))),
            (None, Event::Empty(_)) => Piece::Single(single(name(source))),
            (None, _) => Piece::Single(single(String::new())),
        };
        pieces.push(piece);
        start = end;
    }
}

/// Returns `None` if `source` has the form of a tag. Otherwise its first bytes are text: the number of bytes up to the
/// last `<`, where a tag may begin, or of all bytes if there is no other `<`.
fn next_tag(source: &str) -> Option<usize> {
    let last = source.rfind('<').unwrap_or_default();
    if last > 0 {
        return Some(last);
    }
    let begins_a_name = |c: char| c.is_alphabetic() || c == '_' || c == ':';
    (!name(source).starts_with(begins_a_name)).then_some(source.len())
}

/// Returns the name in a tag.
fn name(source: &str) -> String {
    let inner = source.trim_start_matches('<').trim_start_matches('/');
    let end = inner.find(|c: char| c.is_whitespace() || c == '>' || c == '/');
    inner[..end.unwrap_or(inner.len())].to_owned()
}

/// Returns what is done with the content of an element.
fn content(tag: &BytesStart<'_>) -> Content {
    let mut attributes = tag.attributes();
    attributes.with_checks(false);
    let has_no_language = attributes.flatten().any(|attribute| {
        let is_translate = attribute.key.local_name().as_ref() == "translate";
        is_translate && attribute.value.as_ref() == "no"
    });
    if has_no_language {
        Content::Kept
    } else {
        Content::Translated
    }
}

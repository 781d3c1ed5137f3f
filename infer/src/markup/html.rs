//! The tags of HTML, as browsers find them.

use std::borrow::Cow;

use html5gum::emitters::default::{DefaultEmitter, StartTag};
use html5gum::{HtmlString, Span, Token, Tokenizer};

use super::{Content, Piece, Tag};

/// Elements without content and end tag.
const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track",
    "wbr",
];

/// Elements whose content is in no language, but has a part in the sentence, as a name has.
const KEPT: [&str; 5] = ["code", "kbd", "samp", "tt", "var"];

/// Elements whose content is no text of the sentence around them.
const HIDDEN: [&str; 12] = [
    "audio", "canvas", "iframe", "math", "noscript", "object", "pre", "script", "style", "svg", "template",
    "video",
];

/// Elements before which and after which a sentence ends.
const BLOCKS: [&str; 57] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "body",
    "br",
    "caption",
    "center",
    "dd",
    "details",
    "dialog",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hgroup",
    "hr",
    "html",
    "legend",
    "li",
    "main",
    "menu",
    "nav",
    "ol",
    "optgroup",
    "option",
    "p",
    "pre",
    "search",
    "section",
    "select",
    "summary",
    "table",
    "tbody",
    "td",
    "textarea",
    "tfoot",
    "th",
    "thead",
    "title",
    "tr",
    "ul",
    "dir",
    "frameset",
    "noframes",
];

/// Returns the pieces of a line. What is no tag, comment or declaration is text.
pub(super) fn pieces<'a>(line: &'a str) -> Vec<Piece<'a>> {
    let mut emitter = DefaultEmitter::<usize>::new_with_span();
    // The content of `script` and its like has no tags.
    emitter.naively_switch_states(true);
    let mut pieces = Vec::new();
    let mut end = 0;
    for token in Tokenizer::new_with_emitter(line, emitter) {
        let Ok(token) = token;
        let (span, piece): (Span<usize>, fn(Tag<'a>) -> Piece<'a>) = match &token {
            Token::StartTag(tag) if VOID.contains(&text(&tag.name).as_ref()) => (tag.span, Piece::Single),
            Token::StartTag(tag) => (tag.span, Piece::Start),
            Token::EndTag(tag) => (tag.span, Piece::End),
            Token::Comment(comment) => (comment.span, Piece::Single),
            Token::Doctype(doctype) => (doctype.span, Piece::Single),
            Token::String(_) | Token::Error(_) => continue,
        };
        let Some(source) = line.get(span.start..span.end) else {
            continue;
        };
        // What the line does not finish is text.
        if span.start < end || !source.starts_with('<') || !source.ends_with('>') {
            continue;
        }
        if end < span.start {
            pieces.push(Piece::Text(html_escape::decode_html_entities(
                &line[end..span.start],
            )));
        }
        let name = match &token {
            Token::StartTag(tag) => text(&tag.name).into_owned(),
            Token::EndTag(tag) => text(&tag.name).into_owned(),
            _ => String::new(),
        };
        pieces.push(piece(Tag {
            source,
            content: match &token {
                Token::StartTag(tag) => content(tag, &name),
                _ => Content::Translated,
            },
            is_break: BLOCKS.contains(&name.as_str()),
            name,
        }));
        end = span.end;
    }
    if end < line.len() {
        pieces.push(Piece::Text(html_escape::decode_html_entities(&line[end..])));
    }
    pieces
}

/// Returns what is done with the content of an element.
fn content(tag: &StartTag<usize>, name: &str) -> Content {
    let attribute = |name: &[u8]| {
        let value = tag.attributes.iter().find(|(key, _)| key.0 == name);
        value.map(|(_, value)| text(value).to_ascii_lowercase())
    };
    let has_no_language = attribute(b"translate").is_some_and(|value| value == "no")
        || attribute(b"class")
            .is_some_and(|value| value.split_ascii_whitespace().any(|class| class == "notranslate"));
    if HIDDEN.contains(&name) {
        Content::Hidden
    } else if has_no_language || KEPT.contains(&name) {
        Content::Kept
    } else {
        Content::Translated
    }
}

fn text(string: &HtmlString) -> Cow<'_, str> {
    String::from_utf8_lossy(string)
}

//! The passages of a page of HTML: what stands between the tags that begin or end a block.

use std::ops::Range;

use html5gum::emitters::default::{DefaultEmitter, StartTag};
use html5gum::{HtmlString, Span, Token, Tokenizer};

use crate::text_file::Slot;
use crate::{DocumentError, Passage, PassageFormat, has_letters};

/// Elements that are parts of a sentence. All others divide passages.
const INLINE: [&str; 43] = [
    "a", "abbr", "acronym", "audio", "b", "bdi", "bdo", "big", "canvas", "cite", "code", "data", "del",
    "dfn", "em", "font", "i", "img", "ins", "kbd", "label", "map", "mark", "math", "q", "rp", "rt", "ruby",
    "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "svg", "time", "tt", "u", "var", "video",
    "wbr",
];

/// Elements whose content is not translated. Those that are inline stay in their passage as they are.
const HIDDEN: [&str; 12] = [
    "audio", "canvas", "iframe", "math", "noscript", "object", "pre", "script", "style", "svg", "template",
    "video",
];

/// Elements without content and end tag.
const VOID: [&str; 14] = [
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track",
    "wbr",
];

/// Returns the passages of a page, whose text begins at the byte `start`.
///
/// # Errors
///
/// Returns [`DocumentError::Encoding`] if the page says that it is in another encoding than UTF-8.
pub(crate) fn passages(text: &str, start: usize) -> Result<(Vec<Slot>, Vec<Passage>), DocumentError> {
    let mut found = Found {
        text,
        start,
        end: start,
        has_letters: false,
        passages: Vec::new(),
    };
    // The element that is hidden, and the number of elements of its name that are open.
    let mut hidden: Option<(String, usize)> = None;
    let mut emitter = DefaultEmitter::<usize>::new_with_span();
    // The content of `script` and its like has no tags.
    emitter.naively_switch_states(true);
    for token in Tokenizer::new_with_emitter(&text[start..], emitter) {
        let Ok(token) = token;
        let range = |span: Span<usize>| start + span.start..start + span.end;
        match &token {
            Token::StartTag(tag) => {
                let name = name(&tag.name);
                check_encoding(tag, &name)?;
                let range = range(tag.span);
                found.text_up_to(range.start, hidden.is_some());
                if let Some((hidden, count)) = &mut hidden {
                    *count += usize::from(*hidden == name);
                    continue;
                }
                found.tag(range, INLINE.contains(&name.as_str()));
                let is_foreign = matches!(name.as_str(), "math" | "svg");
                let is_empty = VOID.contains(&name.as_str()) || is_foreign && tag.self_closing;
                if !is_empty && (HIDDEN.contains(&name.as_str()) || has_no_language(tag)) {
                    hidden = Some((name, 1));
                }
            }
            Token::EndTag(tag) => {
                let name = name(&tag.name);
                let range = range(tag.span);
                found.text_up_to(range.start, hidden.is_some());
                if let Some((open, count)) = &mut hidden {
                    *count -= usize::from(*open == name);
                    if *count > 0 {
                        continue;
                    }
                    hidden = None;
                }
                found.tag(range, INLINE.contains(&name.as_str()));
            }
            Token::Comment(comment) => {
                let range = range(comment.span);
                found.text_up_to(range.start, hidden.is_some());
                found.tag(range, true);
            }
            Token::Doctype(doctype) => {
                let range = range(doctype.span);
                found.text_up_to(range.start, hidden.is_some());
                found.tag(range, false);
            }
            Token::String(_) | Token::Error(_) => {}
        }
    }
    found.text_up_to(text.len(), hidden.is_some());
    found.divide(text.len());
    Ok(found.passages.into_iter().unzip())
}

/// The passages that have been found so far.
struct Found<'a> {
    text: &'a str,
    /// The byte at which the passage begins that is being read.
    start: usize,
    /// The end of the last tag or text.
    end: usize,
    /// Whether the passage has something to translate.
    has_letters: bool,
    passages: Vec<(Slot, Passage)>,
}

impl Found<'_> {
    /// Takes the text before a tag.
    fn text_up_to(&mut self, end: usize, is_hidden: bool) {
        if let Some(text) = self.text.get(self.end..end) {
            self.has_letters |= !is_hidden && has_letters(&html_escape::decode_html_entities(text));
            self.end = end;
        }
    }

    /// Takes a tag.
    fn tag(&mut self, range: Range<usize>, is_inline: bool) {
        if range.start < self.end {
            return;
        }
        if !is_inline {
            self.divide(range.start);
            self.start = range.end;
        }
        self.end = range.end;
    }

    /// Ends the passage that is being read.
    fn divide(&mut self, end: usize) {
        let text = self.text.get(self.start..end).unwrap_or_default();
        if std::mem::take(&mut self.has_letters) {
            let start = self.start + text.len() - text.trim_start().len();
            let text = text.trim();
            let slot = Slot {
                range: start..start + text.len(),
                cue: None,
            };
            let passage = Passage {
                text: text.to_owned(),
                format: PassageFormat::Html,
            };
            self.passages.push((slot, passage));
        }
        self.start = end;
    }
}

/// Returns an error if a tag says that the page is in another encoding than UTF-8.
fn check_encoding(tag: &StartTag<usize>, name: &str) -> Result<(), DocumentError> {
    let content = attribute(tag, b"content").filter(|_| name == "meta");
    let of_content = content.and_then(|content| Some(content.split_once("charset=")?.1.to_owned()));
    let charset = attribute(tag, b"charset")
        .filter(|_| name == "meta")
        .or(of_content);
    let charset = charset.map(|charset| {
        charset
            .trim_matches(|c: char| !c.is_ascii_alphanumeric())
            .to_owned()
    });
    match charset {
        Some(charset) if !matches!(charset.as_str(), "" | "utf-8" | "utf8") => Err(DocumentError::Encoding {
            reason: format!("it says that it is in {charset}"),
        }),
        _ => Ok(()),
    }
}

/// Returns whether a tag says that its element is not to be translated.
fn has_no_language(tag: &StartTag<usize>) -> bool {
    let class = attribute(tag, b"class").unwrap_or_default();
    attribute(tag, b"translate").is_some_and(|value| value == "no")
        || class.split_ascii_whitespace().any(|class| class == "notranslate")
}

/// Returns the value of an attribute, in small letters.
fn attribute(tag: &StartTag<usize>, name: &[u8]) -> Option<String> {
    let value = tag.attributes.iter().find(|(key, _)| key.0 == name);
    value.map(|(_, value)| self::name(value))
}

fn name(string: &HtmlString) -> String {
    String::from_utf8_lossy(string).to_ascii_lowercase()
}

//! Inline markup of a line, HTML or XML: its tags are taken out, the text is translated, and each tag is put back at
//! the words of the translation that align to the words beside it.
//!
//! | file | holds |
//! |---|---|
//! | `html.rs`, `xml.rs` | where the tags of a line are |
//! | `tree.rs` | which tags belong together, and the text without them |
//! | `write.rs` | the tags around the words of a translation |

mod html;
mod tree;
mod write;
mod xml;

use std::borrow::Cow;
use std::ops::Range;

use attend_data::readable;
use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};

pub(crate) use write::write;

/// The format of a line, and of its translations.
///
/// Every tag of an HTML or XML line is in each translation exactly once, with the same tags around it, and byte for
/// byte, but for line ends within it, which become spaces. A pair of tags stands around the words that align to the
/// words that it enclosed. Other tags, comments and processing instructions stand between the words that align to the
/// words on either side. Entities are text: `&amp;` is translated as `&`, and written as `&amp;` again. `&nbsp;` and
/// other typographic spaces are read and written as plain spaces, except between two digits. Blanks beside a tag that
/// stands alone are those of the translation: none is before a period, or in a script without blanks.
///
/// Some elements are kept as they are: `code`, `kbd`, `samp`, `tt` and `var` in HTML, and elements with
/// `translate="no"` or, in HTML, of the class `notranslate`. Such an element stands where the model puts it, which may
/// be outside the tags that were around it. What HTML does not show as text, such as `script`, is kept, too. Tags of
/// HTML that begin or end a block, such as `<p>`, `<li>` and `<br>`, end a sentence if there is a
/// [`language`](crate::TranslateOptions::language).
///
/// A start tag without an end tag, or an end tag without a start tag, is kept like a tag that belongs to no other. A
/// `<` that begins no tag is text, and is written as `&lt;`; so is a tag or comment that the line does not finish.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    Hash,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Format {
    /// Text without markup. A `<` is a character like others.
    #[default]
    Text,
    /// HTML, as browsers read it.
    Html,
    /// XML, with CDATA sections, processing instructions and names of any kind. No tag ends a sentence. A reference to
    /// an entity that XML does not define is kept like a tag.
    Xml,
}

/// Names of elements, beside those that a [`Format`] has by itself. XML tells upper and lower case apart, and HTML does
/// not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TagNames {
    /// Elements that are kept as they are, as `code` is in HTML.
    pub kept: Vec<String>,
    /// Elements before and behind which a sentence ends, as `p` is in HTML.
    pub breaks: Vec<String>,
    /// Elements that end no sentence, even if HTML has them for blocks.
    pub inline: Vec<String>,
}

/// A piece of a line with markup, in the order of the line.
enum Piece<'a> {
    /// Text, with its entities decoded.
    Text(Cow<'a, str>),
    /// A start tag.
    Start(Tag<'a>),
    /// An end tag.
    End(Tag<'a>),
    /// A tag that has no end tag, a comment or the like.
    Single(Tag<'a>),
}

struct Tag<'a> {
    /// The tag as it stands in the line.
    source: &'a str,
    /// The name of the element. Names are equal if a start tag and an end tag belong together.
    name: String,
    content: Content,
    /// Whether a sentence ends at the tag.
    is_break: bool,
}

impl Tag<'_> {
    /// Has the element kept, or a sentence end at the tag, as `names` say.
    fn apply(&mut self, names: &TagNames, format: Format) {
        let is_of = |names: &[String]| {
            names.iter().any(|name| match format {
                Format::Html => name.eq_ignore_ascii_case(&self.name),
                _ => *name == self.name,
            })
        };
        let is_kept = is_of(&names.kept) && self.content == Content::Translated;
        let is_break = (self.is_break || is_of(&names.breaks)) && !is_of(&names.inline);
        if is_kept {
            self.content = Content::Kept;
        }
        self.is_break = is_break;
    }
}

/// What is done with the content of an element.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Content {
    Translated,
    /// It is kept, and it is a part of the sentence, as a name is.
    Kept,
    /// It is kept, and it is not a part of the sentence.
    Hidden,
}

/// A line without its tags.
pub(crate) struct Markup<'a> {
    /// The text of the line, with entities decoded, as the model [reads](attend_data::readable) it.
    pub(crate) text: String,
    /// The tags.
    pub(crate) nodes: Vec<Node<'a>>,
    /// The elements that are kept and are parts of sentences: the bytes of `text` that are their text, and the elements
    /// with their tags.
    pub(crate) kept: Vec<(Range<usize>, &'a str)>,
    /// The bytes of `text` at which sentences end, in order.
    pub(crate) breaks: Vec<usize>,
}

/// A pair of tags, or something that stands at one place.
pub(crate) enum Node<'a> {
    /// An element whose content is translated.
    Element {
        /// The start tag.
        start: &'a str,
        /// The end tag.
        end: &'a str,
        /// The bytes of the text that the element encloses.
        range: Range<usize>,
        /// The tags in the element, in order.
        children: Vec<Node<'a>>,
        /// Whether white space is on both sides, as for a point.
        is_spaced: bool,
    },
    /// What stands at one place.
    Point {
        /// A tag, a comment, or an element that is kept.
        source: &'a str,
        /// The byte of the text before which it stands.
        at: usize,
        /// Whether white space, or an end of the line, is on both sides. The text has only that before it.
        is_spaced: bool,
    },
}

impl Node<'_> {
    /// Returns the byte of the text at which the node begins.
    fn start(&self) -> usize {
        match self {
            Self::Element { range, .. } => range.start,
            Self::Point { at, .. } => *at,
        }
    }

    fn is_spaced(&self) -> bool {
        let (Self::Element { is_spaced, .. } | Self::Point { is_spaced, .. }) = self;
        *is_spaced
    }
}

impl<'a> Markup<'a> {
    /// Takes the tags out of a line.
    pub(crate) fn new(line: &'a str, format: Format, names: &TagNames) -> Self {
        let mut pieces = match format {
            Format::Text => vec![Piece::Text(line.into())],
            Format::Html => html::pieces(line),
            Format::Xml => xml::pieces(line),
        };
        for piece in &mut pieces {
            if let Piece::Start(tag) | Piece::End(tag) | Piece::Single(tag) = piece {
                tag.apply(names, format);
            }
        }
        let readable = |piece| match piece {
            // The model reads each byte of the text, so that the places of its tokens are places of the text.
            Piece::Text(text) if format == Format::Text => Piece::Text(readable(&text).into_owned().into()),
            Piece::Text(text) => Piece::Text(with_plain_spaces(&readable(&text)).into()),
            tag => tag,
        };
        tree::build(line, joined(pieces).into_iter().map(readable).collect())
    }
}

/// Returns pieces of which no two neighbours are text.
fn joined(pieces: Vec<Piece<'_>>) -> Vec<Piece<'_>> {
    let mut joined: Vec<Piece<'_>> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match (joined.last_mut(), piece) {
            (Some(Piece::Text(text)), Piece::Text(next)) => *text.to_mut() += &next,
            (_, piece) => joined.push(piece),
        }
    }
    joined
}

/// Returns text with plain spaces in place of those of typography, such as `&nbsp;` and `&thinsp;`, which markup has
/// for its layout and few models know. Between two digits they stay: they group the digits of one number.
fn with_plain_spaces(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let is_typographic = matches!(
            character,
            '\u{a0}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}'
        );
        let is_digit = |c: char| c.is_numeric();
        let groups = plain.ends_with(is_digit) && characters.peek().copied().is_some_and(is_digit);
        plain.push(if is_typographic && !groups { ' ' } else { character });
    }
    plain
}

#[cfg(test)]
mod tests;

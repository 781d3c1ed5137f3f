//! Spans of a line that are in no language, such as URLs: they are kept as they are.
//!
//! | file | holds |
//! |---|---|
//! | `find.rs` | the spans of a text |
//! | `addresses.rs` | its URLs and e-mail addresses |
//! | `placeholders.rs` | its placeholders |
//! | `stand_ins.rs` | what a model reads in place of spans |
//! | `restore.rs` | the spans in a translation |

mod addresses;
mod find;
mod placeholders;
mod restore;
mod stand_ins;

use std::ops::Range;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};

pub(crate) use find::{EMOJI, find};
pub(crate) use restore::restore;
pub(crate) use stand_ins::{Reading, has_word, readings};

/// A kind of spans that translations have exactly as often as their source, character by character.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Display, EnumString, VariantNames,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum SpanKind {
    /// URLs with a scheme, and those that begin with `www.`. One ends before a character that is neither ASCII nor a
    /// letter, mark or digit, such as `。`; joiners, and dashes between two letters or digits, are its own. It also ends
    /// before a letter of Korean or of a script that is written without spaces, such as Chinese, Japanese and Thai,
    /// unless its domain has such letters: `https://x.org/a` ends before `这里`, but `https://例え.jp/パス` is whole.
    Urls,
    /// E-mail addresses, with `mailto:` before them. They end as URLs do, and begin behind such a character or letter.
    Emails,
    /// Placeholders of programs: `{name}`, `{{name}}`, `${name}`, `#{name}`, `%{name}`, `%s`, `%1$d`, `%.2f`,
    /// `%(name)s`. Letters and digits that touch one are kept with it. An argument with a type of ICU's message format
    /// is one placeholder with all that is within it: `{count, plural, one {# file} other {# files}}`.
    Placeholders,
    /// Emoji, which are sequences of UTS #51 that are shown as pictures by themselves or are followed by U+FE0F.
    Emoji,
    /// Numbers in digits, with the points, commas, colons, slashes and hyphens between them: `3.14`, `1,000`, `10:30`,
    /// `2024-05-01`. A translation keeps them in the notation of the source. The sign of `-5`, `−5`, `+5` and `±5` is a
    /// part of the number, but the hyphen of `A-5` is not. Nor is a percent sign, which languages write differently:
    /// `5%`, `5 %`.
    Numbers,
}

/// A span of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span<'a> {
    /// The bytes of the span in the text of the line.
    pub(crate) range: Range<usize>,
    pub(crate) role: Role,
    /// The markup that is written in place of the span, if it is not text.
    pub(crate) markup: Option<&'a str>,
}

/// What a span does in a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// It names something.
    Name,
    /// It counts or measures something.
    Number,
    /// The sentence is complete without it.
    Extra,
}

#[cfg(test)]
mod tests;

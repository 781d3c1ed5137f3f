//! Finds the spans of a text.

use std::ops::Range;
use std::sync::LazyLock;

use regex::Regex;

use super::addresses::addresses;
use super::placeholders::{placeholders, typed_arguments};
use super::{Role, Span, SpanKind};
use crate::script::is_written_without_spaces;

/// Emoji: the sequences of UTS #51, section 1.4.9: flags, keycaps, and elements joined by U+200D.
pub(crate) static EMOJI: LazyLock<Regex> = LazyLock::new(|| {
    let element = r"(?:\p{Emoji}\x{FE0F}|\p{Emoji_Presentation}|\p{Emoji_Modifier_Base}\p{Emoji_Modifier})";
    let tags = r"\x{FE0F}?\p{Emoji_Modifier}?[\x{E0020}-\x{E007F}]*";
    let joined = format!(r"{element}{tags}(?:\x{{200D}}(?:{element}|\p{{Extended_Pictographic}}){tags})*");
    let flag_or_keycap = r"\p{Regional_Indicator}{2}|[0-9#*]\x{FE0F}?\x{20E3}";
    Regex::new(&format!("{flag_or_keycap}|{joined}")).expect("a valid expression")
});

static NUMBER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\p{Nd}+(?:[.,:/'’\x{A0}\x{202F}-]\p{Nd}+)*").expect("a valid expression"));

/// White space, opening marks and Eastern punctuation marks, behind which a number may have a sign.
static PRECEDES_SIGN: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"[\s\p{Ps}\p{Pi}"'，、；：。]"#).expect("a valid expression"));

/// Returns the spans of a text of the given kinds, in order. `taken` has other spans of the text, with which they do
/// not overlap; these are returned, too. Names that touch are one span.
pub(crate) fn find<'a>(text: &str, kinds: &[SpanKind], taken: Vec<Span<'a>>) -> Vec<Span<'a>> {
    let mut spans = taken;
    let asks = |kind| kinds.contains(&kind);
    if asks(SpanKind::Urls) || asks(SpanKind::Emails) {
        let asked = addresses(text).filter(|(_, kind)| asks(*kind));
        add(&mut spans, asked.map(|(range, _)| (range, Role::Name)));
    }
    if asks(SpanKind::Placeholders) {
        let typed = typed_arguments(text).into_iter();
        add(&mut spans, typed.map(|range| (range, Role::Name)));
        add(&mut spans, placeholders(text).map(|range| (range, Role::Name)));
    }
    if asks(SpanKind::Emoji) {
        let found = EMOJI.find_iter(text).map(|found| (found.range(), Role::Extra));
        add(&mut spans, found);
    }
    if asks(SpanKind::Numbers) {
        let found = NUMBER.find_iter(text).map(|found| found.range());
        let found = found.filter(|range| is_apart(text, range));
        let signed = found.map(|range| with_sign(text, range));
        add(&mut spans, signed.map(|range| (range, Role::Number)));
    }
    spans
}

/// Adds spans that overlap with no other one, in order. Those that touch another one are joined to it if both are names
/// and text.
fn add(spans: &mut Vec<Span<'_>>, found: impl Iterator<Item = (Range<usize>, Role)>) {
    let mut before = 0;
    let mut all = Vec::with_capacity(spans.len());
    let mut others = std::mem::take(spans).into_iter().peekable();
    for (range, role) in found {
        all.extend(std::iter::from_fn(|| {
            others.next_if(|other| other.range.end <= range.start)
        }));
        let is_free = others.peek().is_none_or(|other| range.end <= other.range.start);
        if is_free && before <= range.start {
            before = range.end;
            all.push(Span {
                range,
                role,
                markup: None,
            });
        }
    }
    all.extend(others);
    for span in all {
        match spans.last_mut() {
            Some(last)
                if last.range.end == span.range.start
                    && last.role == Role::Name
                    && span.role == Role::Name
                    && last.markup.is_none()
                    && span.markup.is_none() =>
            {
                last.range.end = span.range.end;
            }
            _ => spans.push(span),
        }
    }
}

/// Returns whether no letter with case touches a number.
fn is_apart(text: &str, range: &Range<usize>) -> bool {
    !text[..range.start].ends_with(has_case) && !text[range.end..].starts_with(has_case)
}

/// Returns a number with the sign before it. A sign is at the start of the line, behind white space, behind an opening
/// mark or an Eastern punctuation mark, or behind a letter of a script that is written without spaces. The hyphens of
/// `A-5` and `)-5` are no signs.
fn with_sign(text: &str, number: Range<usize>) -> Range<usize> {
    let mut before = text[..number.start].chars().rev();
    let is_sign = |c: &char| matches!(c, '-' | '−' | '+' | '±' | '－' | '＋');
    let may_precede =
        |c: char| is_written_without_spaces(c) || PRECEDES_SIGN.is_match(c.encode_utf8(&mut [0; 4]));
    match before.next().filter(is_sign) {
        Some(sign) if before.next().is_none_or(may_precede) => number.start - sign.len_utf8()..number.end,
        _ => number,
    }
}

/// Returns whether two of such characters would be one word if no space was between them.
pub(super) fn joins_words(c: char) -> bool {
    has_case(c) || c.is_numeric()
}

/// Returns whether a character is a letter with case. A letter without case may be of a script that puts no space
/// between a span and a word, or between a number and the suffix behind it: `点击%s按钮`, `25개`.
pub(super) fn has_case(c: char) -> bool {
    c.is_lowercase() || c.is_uppercase()
}

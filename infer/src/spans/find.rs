//! Finds the spans of a text.

use std::ops::Range;
use std::sync::LazyLock;

use linkify::{LinkFinder, LinkKind};
use regex::Regex;

use super::{Role, Span, SpanKind};

static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
    let braces = r"[$#%]?(?:\{\{[^{}]*\}\}|\{\s*[\w.$\[\]:!<>=^,#%+-]*\s*\})";
    let printf =
        r"%(?:\([^()\s]+\)|\d+\$)?[-+#0]*\d*(?:\.\d+)?(?:hh|h|ll|l|z|j|t|L|q)?[diouxXeEfFgGaAcCsSpn@]";
    Regex::new(&format!("{braces}|{printf}")).expect("a valid expression")
});

/// The sequences of UTS #51, section 1.4.9: flags, keycaps, and elements joined by U+200D.
static EMOJI: LazyLock<Regex> = LazyLock::new(|| {
    let element = r"(?:\p{Emoji}\x{FE0F}|\p{Emoji_Presentation}|\p{Emoji_Modifier_Base}\p{Emoji_Modifier})";
    let tags = r"\x{FE0F}?\p{Emoji_Modifier}?[\x{E0020}-\x{E007F}]*";
    let joined = format!(r"{element}{tags}(?:\x{{200D}}(?:{element}|\p{{Extended_Pictographic}}){tags})*");
    let flag_or_keycap = r"\p{Regional_Indicator}{2}|[0-9#*]\x{FE0F}?\x{20E3}";
    Regex::new(&format!("{flag_or_keycap}|{joined}")).expect("a valid expression")
});

static NUMBER: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\p{Nd}+(?:[.,:/'’\x{A0}\x{202F}-]\p{Nd}+)*").expect("a valid expression"));

/// Returns the spans of a text of the given kinds, in order. `taken` has other spans of the text, with which they do
/// not overlap; these are returned, too. Names that touch are one span.
pub(crate) fn find<'a>(text: &str, kinds: &[SpanKind], taken: Vec<Span<'a>>) -> Vec<Span<'a>> {
    let mut spans = taken;
    let asks = |kind| kinds.contains(&kind);
    if asks(SpanKind::Urls) || asks(SpanKind::Emails) {
        let mut finder = LinkFinder::new();
        finder.url_must_have_scheme(false);
        let is_kept = |link: &linkify::Link<'_>| match link.kind() {
            LinkKind::Email => asks(SpanKind::Emails),
            _ => asks(SpanKind::Urls) && is_url(link.as_str()),
        };
        let links = finder.links(text).filter(is_kept);
        add(
            &mut spans,
            links.map(|link| (link.start()..link.end(), Role::Name)),
        );
    }
    if asks(SpanKind::Placeholders) {
        let found = PLACEHOLDER.find_iter(text).map(|found| found.range());
        let found = found.filter(|range| is_placeholder(text, range));
        let whole = found.map(|range| (with_letters(text, range), Role::Name));
        add(&mut spans, whole);
    }
    if asks(SpanKind::Emoji) {
        let found = EMOJI.find_iter(text).map(|found| (found.range(), Role::Extra));
        add(&mut spans, found);
    }
    if asks(SpanKind::Numbers) {
        let found = NUMBER.find_iter(text).map(|found| found.range());
        let found = found.filter(|range| is_apart(text, range));
        add(&mut spans, found.map(|range| (range, Role::Number)));
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

/// Returns whether a link is a URL, and not only two words with a point between them.
fn is_url(link: &str) -> bool {
    link.contains("://")
        || link
            .get(..4)
            .is_some_and(|start| start.eq_ignore_ascii_case("www."))
}

/// Returns whether a match is a placeholder, and not a percentage: `100%discount` and `%off` have none.
fn is_placeholder(text: &str, range: &Range<usize>) -> bool {
    let is_braced = text[range.clone()].ends_with('}');
    let follows_digit = text[..range.start].ends_with(|c: char| c.is_numeric());
    let precedes_letter = text[range.end..].starts_with(has_case);
    is_braced || !follows_digit && !precedes_letter
}

/// Returns whether no letter with case touches a number.
fn is_apart(text: &str, range: &Range<usize>) -> bool {
    !text[..range.start].ends_with(has_case) && !text[range.end..].starts_with(has_case)
}

/// Returns a span with the digits and the letters with case that touch it.
fn with_letters(text: &str, range: Range<usize>) -> Range<usize> {
    let touches = |c: &char| joins_words(*c);
    let before: usize = text[..range.start]
        .chars()
        .rev()
        .take_while(touches)
        .map(char::len_utf8)
        .sum();
    let behind: usize = text[range.end..]
        .chars()
        .take_while(touches)
        .map(char::len_utf8)
        .sum();
    range.start - before..range.end + behind
}

/// Returns whether two of such characters would be one word if no space was between them.
pub(super) fn joins_words(c: char) -> bool {
    has_case(c) || c.is_numeric()
}

/// Returns whether a character is a letter with case. A letter without case may be of a script that puts no space
/// between a span and a word, or between a number and the suffix behind it: `点击%s按钮`, `25개`.
fn has_case(c: char) -> bool {
    c.is_lowercase() || c.is_uppercase()
}

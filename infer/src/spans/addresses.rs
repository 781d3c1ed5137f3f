//! URLs and e-mail addresses.
//!
//! Either ends before a character that is neither ASCII nor a letter, mark or digit, such as `。` and `”`; joiners, and
//! dashes between two letters or digits, are its own. It also ends before a letter that may follow it without a space,
//! which is one of Korean or of a script that is written without spaces: `https://x.org/a这里`, `a@x.org로`. If its
//! domain has such letters, so may all of it: `https://例え.jp/パス`.

use std::collections::BTreeMap;
use std::iter::repeat_n;
use std::ops::Range;
use std::sync::LazyLock;

use linkify::{LinkFinder, LinkKind};
use regex::Regex;
use unicode_normalization::char::is_combining_mark;
use unicode_script::{Script, UnicodeScript};

use super::SpanKind;
use crate::script::is_written_without_spaces;

/// The address of IPv6 of a host, with what is before it.
static IPV6_HOST: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?://|@)\[[0-9A-Fa-f:.]+\]").expect("a valid expression"));

/// Returns the URLs and the e-mail addresses of a text, in order. An address within a URL is none.
pub(super) fn addresses(text: &str) -> impl Iterator<Item = (Range<usize>, SpanKind)> {
    let mut found: BTreeMap<usize, (usize, SpanKind)> = BTreeMap::new();
    let mut add = |range: Range<usize>, kind| {
        let before = found.range(..range.end).next_back();
        if before.is_none_or(|(_, (end, _))| *end <= range.start) {
            found.insert(range.start, (range.end, kind));
        }
    };
    if text.contains(['@', ':', '.']) {
        let divided = ascii(text, |c| belongs(c) && !follows_without_space(c));
        let whole = ascii(text, belongs);
        let mut finder = LinkFinder::new();
        finder.url_must_have_scheme(false).kinds(&[LinkKind::Url]);
        let urls = |ascii| {
            finder
                .links(ascii)
                .filter_map(|link| url(text, link.start()..link.end()))
        };
        // A host of one word may be the beginning of a domain with other letters: `https://www.例え.jp`.
        let is_complete = |url: &Range<usize>| {
            let rest = text[url.clone()].split_once("://");
            rest.is_none_or(|(_, rest)| rest.contains(['.', ':', '/', '?']))
        };
        for url in urls(&divided).filter(is_complete).chain(urls(&whole)) {
            add(url, SpanKind::Urls);
        }
        let mut finder = LinkFinder::new();
        finder.kinds(&[LinkKind::Email]);
        for email in finder.links(&divided).chain(finder.links(&whole)) {
            add(with_scheme(text, email.start()..email.end()), SpanKind::Emails);
        }
    }
    found.into_iter().map(|(start, (end, kind))| (start..end, kind))
}

/// Returns a text of as many bytes that has no characters but ASCII: `x` in place of others that are a part of an
/// address, and spaces in place of the rest. The domains of `linkify` end in letters of ASCII, and have no brackets.
fn ascii(text: &str, is_part: impl Fn(char) -> bool) -> String {
    let mut ascii = String::with_capacity(text.len());
    for character in text.chars() {
        let written = if character.is_ascii() {
            character
        } else if is_part(character) {
            'x'
        } else {
            ' '
        };
        ascii.extend(repeat_n(written, character.len_utf8()));
    }
    let without_brackets = IPV6_HOST.replace_all(&ascii, |host: &regex::Captures<'_>| {
        let (before, address) = host[0].split_once('[').expect("it has a bracket");
        before.to_owned() + &"x".repeat(1 + address.len())
    });
    without_brackets.into_owned()
}

/// Returns whether a character that is not ASCII may be a part of an address.
fn belongs(character: char) -> bool {
    // The joiners stand within words of Persian and Hindi, and the dash within titles of Wikipedia.
    character.is_alphanumeric()
        || is_combining_mark(character)
        || matches!(character, '\u{200c}' | '\u{200d}' | '–')
}

/// Returns whether a letter may be that of a word behind an address, without a space between them.
fn follows_without_space(letter: char) -> bool {
    let is_full_width = matches!(letter, '\u{ff00}'..='\u{ffef}');
    is_written_without_spaces(letter) || is_full_width || letter.script() == Script::Hangul
}

/// Returns the bytes of a URL within a link, if the link is more than words with points between them. The letters that
/// touch its scheme or `www.` are no part of it.
fn url(text: &str, link: Range<usize>) -> Option<Range<usize>> {
    let found = text[link.clone()].trim_end_matches('–');
    let head = found.split("://").next()?;
    let head = head.split('.').next()?;
    let start = head.rfind(|c: char| !c.is_ascii()).map_or(0, |last| {
        last + head[last..].chars().next().map_or(0, char::len_utf8)
    });
    let url = &found[start..];
    let begins_with_www = url
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("www."));
    (url.contains("://") || begins_with_www).then(|| link.start + start..link.start + found.len())
}

/// Returns the bytes of an e-mail address with the scheme `mailto:` before it, and without marks around it.
fn with_scheme(text: &str, email: Range<usize>) -> Range<usize> {
    let found = text[email.clone()].trim_end_matches('–');
    let end = email.start + found.len();
    let start = end
        - found
            .trim_start_matches(['\'', '*', '`', '|', '/', '=', '–'])
            .len();
    let scheme = "mailto:";
    match start
        .checked_sub(scheme.len())
        .and_then(|before| text.get(before..start))
    {
        Some(before) if before.eq_ignore_ascii_case(scheme) => start - scheme.len()..end,
        _ => start..end,
    }
}

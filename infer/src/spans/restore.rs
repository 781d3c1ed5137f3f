//! The spans in a translation.

use std::ops::Range;

use super::find::joins_words;
use super::stand_ins::{Reading, is_spaced, occurrences};
use super::{Role, Span};
use crate::links::{Link, gap, overlap, region};

/// A translation with its spans.
#[derive(Debug)]
pub(crate) struct Restored {
    pub(crate) text: String,
    /// The links of its words to the words of the line.
    pub(crate) links: Vec<Link>,
    /// The number of stand-ins that the model did not write, and of those that it wrote too often.
    pub(crate) missing: usize,
}

/// What becomes of a part of a translation.
enum Edit {
    /// The part is a span, whose index is given, or is replaced by it.
    Span(usize),
    /// The part is left out.
    Removed,
}

/// Puts spans in place of their stand-ins into a translation of a reading, of which `links` has all words. `spans` are
/// those of the sentence, in order, and `first` is the index of the first of them in the line.
///
/// A stand-in that the model wrote becomes its span. If the model wrote one too often, the words that attend to it
/// least are left out. If the model did not write one, the span takes the place of the words that attend to it, or, if
/// there are none, a place between the words around it.
pub(crate) fn restore(
    line: &str,
    spans: &[Span<'_>],
    first: usize,
    reading: &Reading,
    text: &str,
    links: &[Link],
) -> Restored {
    let links: Vec<Link> = links.iter().map(|link| in_line(link, reading)).collect();
    let mut edits: Vec<(Range<usize>, Edit)> = Vec::new();
    let mut is_placed = vec![false; spans.len()];
    let mut missing = 0;
    for stand_in in distinct(reading.stand_ins.iter().flatten().map(String::as_str)) {
        let same = (0..spans.len()).filter(|&span| reading.stand_ins[span].as_deref() == Some(stand_in));
        let same: Vec<usize> = same.collect();
        let found = free_occurrences(text, stand_in, &edits);
        missing += same.len().abs_diff(found.len());
        edits.extend(assign(found, &same, spans, &links, &mut is_placed));
    }
    // What the model wrote although it did not read it.
    let written = |span: usize| &line[spans[span].range.clone()];
    for span in distinct((0..spans.len()).map(written)) {
        let same = (0..spans.len()).filter(|&other| written(other) == span && !is_placed[other]);
        let same: Vec<usize> = same.collect();
        let found = free_occurrences(text, span, &edits);
        edits.extend(assign(found, &same, spans, &links, &mut is_placed));
    }
    let mut absent = Vec::new();
    for span in (0..spans.len()).filter(|&span| !is_placed[span]) {
        let is_free = |place: usize| {
            !edits
                .iter()
                .any(|(range, _)| overlap(range, &links[place].target))
        };
        let words = region(&links, 0..links.len(), is_free, &spans[span].range);
        match words.filter(|(words, fit)| *fit > 0.0 || links[words.start].is_mostly(&spans[span].range)) {
            Some((words, _)) => {
                let range = links[words.start].target.start..links[words.end - 1].target.end;
                edits.push((range, Edit::Span(span)));
            }
            None => absent.push(span),
        }
    }
    let replaced = edits.len();
    for span in absent {
        let end_before = |place: usize| {
            if place == 0 {
                0
            } else {
                links[place - 1].target.end
            }
        };
        let is_open = |place: usize| {
            let end = end_before(place);
            !edits[..replaced]
                .iter()
                .any(|(range, _)| range.start < end && end < range.end)
        };
        let end = end_before(gap(&links, 0..links.len(), is_open, spans[span].range.start));
        edits.push((end..end, Edit::Span(span)));
    }
    // Several spans at one place are in the order of the line.
    edits.sort_by_key(|(range, edit)| {
        (
            range.start,
            range.end,
            if let Edit::Span(span) = edit { *span } else { 0 },
        )
    });
    let (text, links) = apply(line, spans, first, text, &links, edits);
    Restored { text, links, missing }
}

/// Returns what is in `texts`, each once.
fn distinct<'t>(texts: impl Iterator<Item = &'t str>) -> Vec<&'t str> {
    let mut distinct = Vec::new();
    for text in texts {
        if !distinct.contains(&text) {
            distinct.push(text);
        }
    }
    distinct
}

/// Returns the places of a word in `text` that no edit has taken.
fn free_occurrences(text: &str, word: &str, edits: &[(Range<usize>, Edit)]) -> Vec<Range<usize>> {
    let found = occurrences(text, word);
    let is_free = |range: &Range<usize>| edits.iter().all(|(other, _)| !overlap(other, range));
    found.filter(is_free).collect()
}

/// Returns edits that make what was `found` the spans `same`, in order. If more was found than there are spans, what
/// attends to the spans least is left out.
fn assign(
    found: Vec<Range<usize>>,
    same: &[usize],
    spans: &[Span<'_>],
    links: &[Link],
    is_placed: &mut [bool],
) -> Vec<(Range<usize>, Edit)> {
    let share = |range: &Range<usize>| {
        let words = links.iter().filter(|link| overlap(&link.target, range));
        let sources = words.flat_map(|link| &link.sources);
        let is_same = |source: &Range<usize>| same.iter().any(|&span| overlap(source, &spans[span].range));
        sources
            .filter(|(source, _)| is_same(source))
            .map(|(_, share)| share)
            .sum::<f32>()
    };
    let mut best: Vec<usize> = (0..found.len()).collect();
    best.sort_by(|&a, &b| share(&found[b]).total_cmp(&share(&found[a])));
    best.truncate(same.len());
    let mut same = same.iter();
    let edit = |(place, range): (usize, Range<usize>)| {
        let span = if best.contains(&place) { same.next() } else { None };
        match span {
            Some(&span) => {
                is_placed[span] = true;
                (range, Edit::Span(span))
            }
            None => (range, Edit::Removed),
        }
    };
    found.into_iter().enumerate().map(edit).collect()
}

/// Applies edits, which are in order and do not overlap.
fn apply(
    line: &str,
    spans: &[Span<'_>],
    first: usize,
    text: &str,
    links: &[Link],
    edits: Vec<(Range<usize>, Edit)>,
) -> (String, Vec<Link>) {
    let (mut edited, mut edited_links) = (String::with_capacity(text.len()), Vec::new());
    let mut end = 0;
    let copy = |to: usize, from: usize, edited: &mut String, edited_links: &mut Vec<Link>| {
        let within = links
            .iter()
            .filter(|link| from <= link.target.start && link.target.end <= to);
        edited_links.extend(within.map(|link| Link {
            target: link.target.start - from + edited.len()..link.target.end - from + edited.len(),
            ..link.clone()
        }));
        *edited += &text[from..to];
    };
    for (range, edit) in edits {
        copy(range.start, end, &mut edited, &mut edited_links);
        end = range.end;
        match edit {
            Edit::Removed => edited.truncate(edited.trim_end().len()),
            Edit::Span(span) => {
                let Span {
                    range: source, role, ..
                } = &spans[span];
                let is_inserted = range.is_empty();
                let (space_before, space_behind) = is_spaced(line, source);
                let written = &line[source.clone()];
                let joins = |c: Option<char>| c.is_some_and(joins_words);
                // A span in place of words needs no space, unless it would become a part of another word.
                let needs_space = |beside: Option<char>, edge: Option<char>, is_in_source: bool| {
                    let keeps_apart = joins(beside) && (joins(edge) || is_inserted && *role != Role::Extra);
                    keeps_apart || is_inserted && is_in_source && beside.is_some_and(|c| !c.is_whitespace())
                };
                if needs_space(edited.chars().next_back(), written.chars().next(), space_before) {
                    edited.push(' ');
                }
                let start = edited.len();
                edited += written;
                edited_links.push(Link {
                    target: start..edited.len(),
                    sources: vec![(source.clone(), 1.0)],
                    span: Some(first + span),
                });
                let is_in_source = space_behind && text[..range.start].trim().is_empty();
                if needs_space(
                    text[end..].chars().next(),
                    written.chars().next_back(),
                    is_in_source,
                ) {
                    edited.push(' ');
                }
            }
        }
    }
    copy(text.len(), end, &mut edited, &mut edited_links);
    trim_start(&mut edited, &mut edited_links);
    (edited, edited_links)
}

/// Removes the white space before the first word or span of a text. `links` has all of them.
fn trim_start(text: &mut String, links: &mut [Link]) {
    let blank = text.len() - text.trim_start().len();
    // A span is kept with the white space that it may begin with.
    let first = links.iter().map(|link| link.target.start).min();
    let removed = blank.min(first.unwrap_or(blank));
    text.drain(..removed);
    for link in links {
        link.target = link.target.start - removed..link.target.end - removed;
    }
}

/// Returns a link to the words of the line in place of those of a reading.
fn in_line(link: &Link, reading: &Reading) -> Link {
    let sources = link.sources.iter();
    Link {
        target: link.target.clone(),
        sources: sources
            .map(|(word, share)| (reading.in_line(word), *share))
            .collect(),
        span: None,
    }
}

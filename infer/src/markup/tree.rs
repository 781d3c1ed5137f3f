//! Which tags of a line belong together, and the text without them.

use std::collections::HashMap;

use super::{Content, Markup, Node, Piece, Tag};

/// The maximum number of elements around an element. The tags of elements within more are kept each by itself, which
/// keeps them balanced, too.
const MAX_DEPTH: usize = 100;

/// An element whose end tag has not come yet.
struct Open<'a> {
    start: &'a str,
    /// The byte of the text at which the element begins.
    from: usize,
    children: Vec<Node<'a>>,
}

/// Takes the tags out of a line.
pub(super) fn build<'a>(line: &'a str, pieces: Vec<Piece<'a>>) -> Markup<'a> {
    let ends = matching_ends(&pieces);
    let mut text = String::with_capacity(line.len());
    let (mut kept, mut breaks) = (Vec::new(), Vec::new());
    let mut open: Vec<Open<'a>> = Vec::new();
    let mut nodes: Vec<Node<'a>> = Vec::new();
    // The pieces up to this one are parts of an element that is kept.
    let mut kept_up_to = 0;
    // Whether a word ends at the tags since the last text.
    let mut ends_word = false;
    for (place, piece) in pieces.iter().enumerate() {
        if place < kept_up_to {
            continue;
        }
        let point = |source: &'a str, text: &str| Node::Point {
            source,
            at: text.len(),
            is_spaced: false,
        };
        let mut add = |node: Node<'a>, open: &mut Vec<Open<'a>>| match open.last_mut() {
            Some(parent) => parent.children.push(node),
            None => nodes.push(node),
        };
        if let Piece::Start(tag) | Piece::End(tag) | Piece::Single(tag) = piece
            && tag.is_break
        {
            breaks.push(text.len());
            ends_word = true;
        }
        match piece {
            Piece::Text(added) => {
                if place == 0 {
                    text += added;
                } else {
                    if ends_in_space(&text) && added.starts_with(char::is_whitespace) {
                        let siblings = open.last_mut().map_or(&mut nodes, |parent| &mut parent.children);
                        set_spaced(siblings, text.len());
                    }
                    push_text(&mut text, added, ends_word);
                }
                ends_word = false;
            }
            Piece::Start(tag) => match ends[place] {
                Some(end) if tag.content != Content::Translated => {
                    let source = between(line, tag, &pieces[end]);
                    let from = text.len();
                    if tag.content == Content::Kept {
                        for piece in &pieces[place..end] {
                            if let Piece::Text(added) = piece {
                                push_text(&mut text, added, ends_word);
                                ends_word = false;
                            }
                        }
                    }
                    let content = &text[from..];
                    let start = from + content.len() - content.trim_start().len();
                    if content.trim().is_empty() {
                        add(point(source, &text), &mut open);
                    } else {
                        kept.push((start..from + content.trim_end().len(), source));
                    }
                    kept_up_to = end + 1;
                    if tag.is_break {
                        breaks.push(text.len());
                        ends_word = true;
                    }
                }
                Some(_) => open.push(Open {
                    start: tag.source,
                    from: text.len(),
                    children: Vec::new(),
                }),
                None => add(point(tag.source, &text), &mut open),
            },
            Piece::End(tag) => match ends[place].and_then(|_| open.pop()) {
                Some(Open {
                    start,
                    from,
                    children,
                }) => {
                    let node = Node::Element {
                        start,
                        end: tag.source,
                        range: from..text.len(),
                        children,
                        is_spaced: false,
                    };
                    add(node, &mut open);
                }
                None => add(point(tag.source, &text), &mut open),
            },
            Piece::Single(tag) => add(point(tag.source, &text), &mut open),
        }
    }
    if ends_in_space(&text) {
        set_spaced(&mut nodes, text.len());
    }
    breaks.dedup();
    Markup {
        text,
        nodes,
        kept,
        breaks,
    }
}

/// Adds text behind tags. Of white space on both sides of the tags, one side is left out. A space is put where a word
/// ends at a tag.
fn push_text(text: &mut String, added: &str, ends_word: bool) {
    if ends_in_space(text) {
        *text += added.trim_start();
        return;
    }
    if ends_word && !added.starts_with(char::is_whitespace) {
        text.push(' ');
    }
    *text += added;
}

/// Returns whether a text is empty or ends in white space.
fn ends_in_space(text: &str) -> bool {
    text.is_empty() || text.ends_with(char::is_whitespace)
}

/// Sets that white space is on both sides of the last of some nodes, and of the last within it, if they stand at a byte
/// of the text.
fn set_spaced(nodes: &mut [Node<'_>], at: usize) {
    let Some(last) = nodes.last_mut() else { return };
    let stands_here = last.start() == at;
    let (Node::Element { is_spaced, .. } | Node::Point { is_spaced, .. }) = last;
    *is_spaced |= stands_here;
    if let Node::Element { children, .. } = last {
        set_spaced(children, at);
    }
}

/// Returns the part of the line from a start tag to the end of an end tag.
fn between<'a>(line: &'a str, start: &Tag<'a>, end: &Piece<'a>) -> &'a str {
    let Piece::End(end) = end else {
        return start.source;
    };
    let place = |part: &str| part.as_ptr().addr() - line.as_ptr().addr();
    &line[place(start.source)..place(end.source) + end.source.len()]
}

/// Returns for each start tag the place of its end tag, and for each end tag the place of its start tag. An end tag
/// belongs to the last start tag of its name that has none yet; start tags in between have no end tag.
fn matching_ends(pieces: &[Piece<'_>]) -> Vec<Option<usize>> {
    let mut matching = vec![None; pieces.len()];
    let mut open: Vec<(usize, &str)> = Vec::new();
    let mut open_of_name: HashMap<&str, usize> = HashMap::new();
    for (place, piece) in pieces.iter().enumerate() {
        match piece {
            Piece::Start(tag) => {
                open.push((place, &tag.name));
                *open_of_name.entry(&tag.name).or_default() += 1;
            }
            Piece::End(tag)
                if open_of_name
                    .get(tag.name.as_str())
                    .is_some_and(|count| *count > 0) =>
            {
                while let Some((start, name)) = open.pop() {
                    *open_of_name.entry(name).or_default() -= 1;
                    if name == tag.name {
                        (matching[start], matching[place]) = (Some(place), Some(start));
                        break;
                    }
                }
            }
            _ => {}
        }
    }
    let mut depth = 0;
    for place in 0..pieces.len() {
        match matching[place] {
            Some(end) if end > place && depth == MAX_DEPTH => (matching[place], matching[end]) = (None, None),
            Some(end) if end > place => depth += 1,
            Some(_) => depth -= 1,
            None => {}
        }
    }
    matching
}

//! The line of a passage, and the XML of its translation.

use std::collections::HashMap;
use std::ops::Range;

use quick_xml::escape::{partial_escape, unescape};

use crate::{Passage, PassageFormat};

/// A piece of a passage that is copied, or whose text is replaced.
#[derive(Debug)]
pub(crate) struct Bit {
    pub(crate) range: Range<usize>,
    /// The run in which it begins.
    pub(crate) before: Option<usize>,
    /// The run in which it ends.
    pub(crate) after: Option<usize>,
    /// The bytes that are text.
    pub(crate) content: Option<Range<usize>>,
    /// Whether blanks at the ends of the text count.
    pub(crate) is_preserved: bool,
}

/// Text without a tag in it, which may stand in several runs.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) text: String,
    pub(crate) bits: Vec<Bit>,
}

/// An element of a passage, or a point in it. The first one of a passage is the passage itself.
#[derive(Debug)]
pub(crate) struct Node {
    /// The number of the element in which it stands.
    pub(crate) parent: usize,
    pub(crate) is_point: bool,
    /// Whether it is one of two tags, of which the other is elsewhere in the document.
    pub(crate) is_half: bool,
    /// Its start tag.
    pub(crate) open: Vec<Bit>,
    /// The text that is directly in it.
    pub(crate) groups: Vec<Group>,
    /// Its end tag, or all of a point.
    pub(crate) close: Vec<Bit>,
}

impl Node {
    pub(crate) fn new(parent: usize) -> Self {
        Self {
            parent,
            is_point: false,
            is_half: false,
            open: Vec::new(),
            groups: Vec::new(),
            close: Vec::new(),
        }
    }
}

/// Whether a blank was put before and behind a point in the line of a passage, for it stands for blanks.
type Spaces = HashMap<usize, (bool, bool)>;

/// The line of a passage while it is built.
#[derive(Default)]
pub(crate) struct Line {
    pieces: Vec<LinePiece>,
    spaces: Spaces,
    /// The point behind which a blank is to be put, unless there is one.
    point: Option<usize>,
}

enum LinePiece {
    Text(String),
    Start(usize),
    End,
    Point(usize),
}

impl Line {
    pub(crate) fn text(&mut self, text: &str) {
        self.put_space(text.starts_with(char::is_whitespace));
        self.pieces.push(LinePiece::Text(text.to_owned()));
    }

    pub(crate) fn start(&mut self, node: usize) {
        self.put_space(false);
        self.pieces.push(LinePiece::Start(node));
    }

    pub(crate) fn end(&mut self) {
        self.put_space(false);
        self.pieces.push(LinePiece::End);
    }

    pub(crate) fn point(&mut self, node: usize, is_space: bool) {
        self.put_space(false);
        if is_space {
            let has_space = matches!(self.pieces.last(), Some(LinePiece::Text(text)) if text.ends_with(char::is_whitespace));
            if !has_space {
                self.pieces.push(LinePiece::Text(" ".to_owned()));
            }
            self.spaces.insert(node, (!has_space, false));
            self.point = Some(node);
        }
        self.pieces.push(LinePiece::Point(node));
    }

    /// Puts a blank behind a point that stands for blanks, unless there `is_one`.
    fn put_space(&mut self, is_one: bool) {
        if let Some(point) = self.point.take()
            && !is_one
        {
            self.pieces.push(LinePiece::Text(" ".to_owned()));
            self.spaces.entry(point).or_default().1 = true;
        }
    }

    /// Returns the passage, with the white space before and behind it.
    pub(crate) fn finish(self) -> (String, Passage, String, Spaces) {
        let has_tags = self
            .pieces
            .iter()
            .any(|piece| !matches!(piece, LinePiece::Text(_)));
        let format = if has_tags {
            PassageFormat::Xml
        } else {
            PassageFormat::Text
        };
        let mut line = String::new();
        for piece in self.pieces {
            match piece {
                LinePiece::Text(text) if has_tags => line += &partial_escape(text.as_str()),
                LinePiece::Text(text) => line += &text,
                LinePiece::Start(node) => line += &format!("<g id=\"{node}\">"),
                LinePiece::End => line += "</g>",
                LinePiece::Point(node) => line += &format!("<x id=\"{node}\"/>"),
            }
        }
        let text = line.trim();
        let (before, after) = (
            line[..line.len() - line.trim_start().len()].to_owned(),
            line[line.trim_end().len()..].to_owned(),
        );
        let passage = Passage {
            text: text.to_owned(),
            format,
        };
        (before, passage, after, self.spaces)
    }
}

/// A passage in the XML of a part.
#[derive(Debug)]
pub(crate) struct XmlPassage {
    /// The bytes that a translation replaces.
    pub(crate) region: Range<usize>,
    /// The run in which they begin.
    pub(crate) start_run: Option<usize>,
    /// The run in which they end.
    pub(crate) end_run: Option<usize>,
    /// The white space before and behind the line of the passage.
    pub(crate) before: String,
    pub(crate) after: String,
    pub(crate) format: PassageFormat,
    pub(crate) nodes: Vec<Node>,
    pub(crate) spaces: HashMap<usize, (bool, bool)>,
}

/// A piece of the XML of a translation.
pub(crate) enum Piece<'a> {
    /// A piece of the source as it is.
    Copy(&'a Bit),
    /// The text of a piece is replaced.
    Text(&'a Bit, String),
}

/// A piece of a translation.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Start(usize),
    End,
    Point(usize),
}

impl XmlPassage {
    /// Returns the XML of a translation in pieces, or `None` if the translation does not have the tags of the passage.
    ///
    /// The texts in an element go, in order, to the groups of text that the source has in it. Further texts repeat the
    /// last group; groups without a text become empty, so that all XML of the source is in the translation.
    pub(crate) fn pieces(&self, translation: &str) -> Option<Vec<Piece<'_>>> {
        let parts = self.parts(translation)?;
        let mut pieces = Vec::new();
        let mut open = vec![0];
        // The number of groups of each element that have a text.
        let mut taken = vec![0; self.nodes.len()];
        for part in parts {
            let node = *open.last()?;
            match part {
                Part::Text(text) if text.is_empty() => {}
                Part::Text(text) => match self.nodes[node].groups.get(taken[node]) {
                    Some(group) => {
                        taken[node] += 1;
                        group.write(&text, &mut pieces);
                    }
                    None => pieces.push(Piece::Text(self.text_bit(node)?, text)),
                },
                Part::Start(node) => {
                    pieces.extend(self.nodes[node].open.iter().map(Piece::Copy));
                    open.push(node);
                }
                Part::End => {
                    self.end(node, &taken, &mut pieces);
                    open.pop();
                }
                Part::Point(node) => pieces.extend(self.nodes[node].close.iter().map(Piece::Copy)),
            }
        }
        self.end(0, &taken, &mut pieces);
        Some(pieces)
    }

    /// Adds the groups of an element that have no text, and its end tag.
    fn end<'a>(&'a self, node: usize, taken: &[usize], pieces: &mut Vec<Piece<'a>>) {
        for group in self.nodes[node].groups.iter().skip(taken[node]) {
            group.write("", pieces);
        }
        pieces.extend(self.nodes[node].close.iter().map(Piece::Copy));
    }

    /// Returns where more text of an element is written: as its last text, or else as text of an element around it.
    fn text_bit(&self, node: usize) -> Option<&Bit> {
        let mut ancestor = node;
        loop {
            let groups = &self.nodes[ancestor].groups;
            if let Some(bit) = groups.last().and_then(Group::text_bit) {
                return Some(bit);
            }
            if ancestor == 0 {
                let groups = self.nodes.iter().flat_map(|node| &node.groups);
                return groups.filter_map(Group::text_bit).next();
            }
            ancestor = self.nodes[ancestor].parent;
        }
    }

    /// Returns the parts of a translation, if it has the tags of the passage.
    fn parts(&self, translation: &str) -> Option<Vec<Part>> {
        let mut parts = vec![Part::Text(self.before.clone())];
        match self.format {
            PassageFormat::Xml => parse(translation, &mut parts)?,
            _ => push_text(&mut parts, translation.to_owned()),
        }
        push_text(&mut parts, self.after.clone());
        let mut open = vec![0];
        let mut is_used = vec![false; self.nodes.len()];
        is_used[0] = true;
        let mut last_half = 0;
        for part in &parts {
            let (node, is_point) = match part {
                Part::Text(_) => continue,
                Part::End if open.len() > 1 => {
                    open.pop();
                    continue;
                }
                Part::End => return None,
                Part::Start(node) => (*node, false),
                Part::Point(node) => (*node, true),
            };
            let Node {
                parent,
                is_point: is_point_here,
                is_half,
                ..
            } = self.nodes.get(node)?;
            let fits = is_point == *is_point_here && open.last() == Some(parent) && !is_used[node];
            // Halves of containers stay in order: the XML would not be well-formed otherwise.
            if !fits || *is_half && node < last_half {
                return None;
            }
            is_used[node] = true;
            if *is_half {
                last_half = node;
            }
            if !is_point {
                open.push(node);
            }
        }
        if open.len() > 1 || is_used.contains(&false) {
            return None;
        }
        self.remove_spaces(&mut parts);
        Some(parts)
    }

    /// Removes the blanks that were put beside points that stand for blanks.
    fn remove_spaces(&self, parts: &mut [Part]) {
        for place in 0..parts.len() {
            let Part::Point(node) = parts[place] else { continue };
            let Some((before, after)) = self.spaces.get(&node) else {
                continue;
            };
            if *before
                && let Some(Part::Text(text)) = place.checked_sub(1).and_then(|place| parts.get_mut(place))
                && text.ends_with(' ')
            {
                text.pop();
            }
            if *after
                && let Some(Part::Text(text)) = parts.get_mut(place + 1)
                && text.starts_with(' ')
            {
                text.remove(0);
            }
        }
    }
}

impl Group {
    /// Returns the first piece that is text.
    fn text_bit(&self) -> Option<&Bit> {
        self.bits.iter().find(|bit| bit.content.is_some())
    }

    /// Writes the group with a text, all of which stands in its first piece that is text.
    fn write<'a>(&'a self, text: &str, pieces: &mut Vec<Piece<'a>>) {
        if text == self.text {
            pieces.extend(self.bits.iter().map(Piece::Copy));
            return;
        }
        let mut text = text.to_owned();
        for bit in &self.bits {
            pieces.push(match bit.content {
                Some(_) => Piece::Text(bit, std::mem::take(&mut text)),
                None => Piece::Copy(bit),
            });
        }
    }
}

/// Adds the parts of a translation that is XML. Returns `None` if it has other tags than those of passages.
fn parse(translation: &str, parts: &mut Vec<Part>) -> Option<()> {
    let mut rest = translation;
    while let Some(start) = rest.find('<') {
        push_text(parts, text_of_xml(&rest[..start]));
        let end = start + rest[start..].find('>')? + 1;
        let number = |beginning, end| {
            let number: &str = rest[start..].strip_prefix(beginning)?.split_once(end)?.0;
            number.parse::<usize>().ok()
        };
        let part = match &rest[start..end] {
            "</g>" => Part::End,
            tag if tag.starts_with("<g ") => Part::Start(number("<g id=\"", "\">")?),
            _ => Part::Point(number("<x id=\"", "\"/>")?),
        };
        parts.push(part);
        rest = &rest[end..];
    }
    push_text(parts, text_of_xml(rest));
    Some(())
}

/// Returns text with its entities resolved. Text that is no XML is taken as it is.
fn text_of_xml(text: &str) -> String {
    unescape(text).map_or_else(|_| text.to_owned(), |text| text.into_owned())
}

/// Adds text, so that no text follows another one.
fn push_text(parts: &mut Vec<Part>, text: String) {
    match parts.last_mut() {
        Some(Part::Text(last)) => *last += &text,
        _ => parts.push(Part::Text(text)),
    }
}

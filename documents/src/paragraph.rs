//! A paragraph as tokens, and its passages.

use std::collections::HashMap;
use std::ops::Range;

use crate::passage::{Bit, Group, Line, Node, XmlPassage};
use crate::xml_part::FieldMark;
use crate::{Passage, has_letters};

/// The beginning of the formula of a field whose text is written by people.
const LINK: &str = "HYPERLINK";

/// Text that looks the same.
#[derive(Debug)]
pub(crate) struct Run {
    /// The bytes of its start tag and its properties.
    pub(crate) open: Range<usize>,
    /// The bytes of its end tag.
    pub(crate) close: Range<usize>,
    /// What says how the text looks. Equal strings look the same.
    pub(crate) format: String,
}

/// A piece of a paragraph. Tags of runs are no tokens: each token knows its run.
#[derive(Clone)]
pub(crate) struct Token {
    pub(crate) range: Range<usize>,
    /// The run that is open before it.
    pub(crate) before: Option<usize>,
    /// The run that is open behind it.
    pub(crate) after: Option<usize>,
    pub(crate) kind: Kind,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text, and the bytes in which it stands.
    Text {
        content: Range<usize>,
        text: String,
        is_preserved: bool,
    },
    /// The start tag of a container.
    Open,
    /// The end tag of a container.
    Close,
    /// What stands between two words.
    Point,
    /// Blanks.
    Space,
    /// What ends a passage.
    Divider,
    /// What no reader sees.
    Hidden,
    Field(FieldMark),
    FieldCode,
}

impl Token {
    /// Returns the text, if this is text of which something is seen.
    fn seen(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text { text, .. } if !text.trim().is_empty() => Some(text),
            _ => None,
        }
    }

    fn bit(&self) -> Bit {
        let (content, is_preserved) = match &self.kind {
            Kind::Text {
                content,
                is_preserved,
                ..
            } => (Some(content.clone()), *is_preserved),
            _ => (None, true),
        };
        Bit {
            range: self.range.clone(),
            before: self.before,
            after: self.after,
            content,
            is_preserved,
        }
    }
}

/// Returns the passages of a paragraph, which end at its dividers.
pub(crate) fn passages(tokens: Vec<Token>, runs: &[Run], source: &str) -> Vec<(XmlPassage, Passage)> {
    let tokens = with_fields_joined(tokens, source);
    let ends = tokens
        .iter()
        .enumerate()
        .filter_map(|(place, token)| (token.kind == Kind::Divider).then_some(place))
        .chain([tokens.len()]);
    let mut start = 0;
    let passages = ends.filter_map(|end| {
        let part = start..end;
        start = end + 1;
        passage(&tokens, part, runs)
    });
    passages.collect()
}

/// Returns tokens in which each field is one point, or a container around its text if that is a link.
fn with_fields_joined(tokens: Vec<Token>, source: &str) -> Vec<Token> {
    let fields = fields(&tokens);
    if fields.is_empty() {
        return tokens;
    }
    let mut joined = Vec::with_capacity(tokens.len());
    // The ends of the links that are open.
    let mut ends = Vec::new();
    let mut place = 0;
    while let Some(token) = tokens.get(place) {
        let join = |last: usize, kind| Token {
            range: token.range.start..tokens[last].range.end,
            before: token.before,
            after: tokens[last].after,
            kind,
        };
        let is_code = |token: &Token| token.kind == Kind::FieldCode;
        let is_link = |separator: &usize| {
            let code = tokens[place..*separator].iter().filter(|token| is_code(token));
            code.into_iter()
                .any(|code| source[code.range.clone()].contains(LINK))
        };
        match fields.get(&place) {
            Some(Field { separator, end }) => match separator.filter(is_link) {
                Some(separator) => {
                    joined.push(join(separator, Kind::Open));
                    ends.push(*end);
                    place = separator;
                }
                None => {
                    joined.push(join(*end, Kind::Point));
                    place = *end;
                }
            },
            None if ends.last() == Some(&place) => {
                ends.pop();
                joined.push(join(place, Kind::Close));
            }
            None => joined.push(token.clone()),
        }
        place += 1;
    }
    joined
}

/// The places of the tokens that end the two parts of a field.
struct Field {
    separator: Option<usize>,
    end: usize,
}

/// Returns the fields that begin and end in a paragraph, by the places where they begin. A field of which a container
/// has only a part is none.
fn fields(tokens: &[Token]) -> HashMap<usize, Field> {
    /// A field that has not ended.
    struct Begun {
        place: usize,
        separator: Option<usize>,
        /// The number of containers that are open where it begins, and the least number since.
        depth: usize,
        least: usize,
    }
    let mut fields = HashMap::new();
    let mut open: Vec<Begun> = Vec::new();
    let mut depth = 0_usize;
    for (place, token) in tokens.iter().enumerate() {
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => {
                depth = depth.saturating_sub(1);
                if let Some(field) = open.last_mut() {
                    field.least = field.least.min(depth);
                }
            }
            Kind::Field(FieldMark::Begin) => open.push(Begun {
                place,
                separator: None,
                depth,
                least: depth,
            }),
            Kind::Field(FieldMark::Separate) => {
                if let Some(field) = open.last_mut()
                    && field.separator.is_none()
                    && (field.depth, field.least) == (depth, depth)
                {
                    field.separator = Some(place);
                }
            }
            Kind::Field(FieldMark::End) => {
                let Some(field) = open.pop() else { continue };
                if (field.depth, field.least) == (depth, depth) {
                    let Begun { separator, .. } = field;
                    fields.insert(
                        field.place,
                        Field {
                            separator,
                            end: place,
                        },
                    );
                }
                if let Some(outer) = open.last_mut() {
                    outer.least = outer.least.min(field.least);
                }
            }
            _ => {}
        }
    }
    fields
}

/// Returns the passage of some tokens of a paragraph, if there is something to translate in them.
fn passage(tokens: &[Token], part: Range<usize>, runs: &[Run]) -> Option<(XmlPassage, Passage)> {
    let partners = partners(&tokens[part.clone()], part.start);
    if !tokens[part.clone()]
        .iter()
        .filter_map(Token::seen)
        .any(has_letters)
    {
        return None;
    }
    let is_seen = |place: &usize| tokens[*place].seen().is_some();
    let (mut first, mut last) = (part.clone().find(is_seen)?, part.clone().rfind(is_seen)?);
    // Each container has both of its tags in the passage.
    loop {
        let of_inner = (first..=last).filter_map(|place| partners.get(&place));
        let (mut least, mut most) = (first, last);
        for &place in of_inner {
            (least, most) = (least.min(place), most.max(place));
        }
        if (least, most) == (first, last) {
            break;
        }
        (first, last) = (least, most);
    }

    let mut builder = Builder::new(runs);
    builder.count_formats(tokens, first..last + 1, &partners);
    // The number of texts up to each token.
    let mut texts = 0;
    let up_to = tokens[first..=last].iter().map(|token| {
        texts += usize::from(token.seen().is_some());
        texts
    });
    let up_to: Vec<usize> = up_to.collect();
    let mut place = first;
    while place <= last {
        let end = partners.get(&place).copied().filter(|end| *end > place);
        match end {
            // A container without text stands between two words.
            Some(end) if up_to[place - first] == up_to[end - first] => {
                builder.point(&tokens[place..=end], false);
                place = end;
            }
            Some(_) => builder.open(place, &tokens[place]),
            None if partners.contains_key(&place) => builder.close(&tokens[place]),
            None => builder.add(&tokens[place]),
        }
        place += 1;
    }

    let begins_run = |place: usize, run: usize| place == 0 || tokens[place - 1].after != Some(run);
    let (start, start_run) = match tokens[first].before {
        Some(run) if begins_run(first, run) => (runs[run].open.start, None),
        run => (tokens[first].range.start, run),
    };
    let ends_run = |run: usize| tokens.get(last + 1).is_none_or(|next| next.before != Some(run));
    let (end, end_run) = match tokens[last].after {
        Some(run) if ends_run(run) => (runs[run].close.end, None),
        run => (tokens[last].range.end, run),
    };
    Some(builder.finish(start..end, start_run, end_run))
}

/// Returns for the tags of each container the places of each other, if both are among `tokens`, the first of which has
/// the place `first`.
fn partners(tokens: &[Token], first: usize) -> HashMap<usize, usize> {
    let mut partners = HashMap::new();
    let mut open = Vec::new();
    for (place, token) in (first..).zip(tokens) {
        match token.kind {
            Kind::Open => open.push(place),
            Kind::Close => {
                if let Some(start) = open.pop() {
                    partners.extend([(start, place), (place, start)]);
                }
            }
            _ => {}
        }
    }
    partners
}

/// Builds a passage from its tokens.
struct Builder<'a> {
    runs: &'a [Run],
    nodes: Vec<Node>,
    line: Line,
    /// The containers that are open.
    open: Vec<OpenContainer>,
    /// The element that stands for a format that is not the usual one of the innermost container.
    formatted: Option<(usize, &'a str)>,
    /// Where the bits of the last token went, and those of hidden ones go.
    last: Last,
    /// The formats that most of the text has that stands in containers, by the places of their start tags.
    usual: HashMap<Option<usize>, &'a str>,
}

struct OpenContainer {
    node: usize,
    /// The place of its start tag; `None` for the passage as a whole.
    place: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Last {
    /// The last group of an element.
    Group(usize),
    /// The start tag of an element.
    Open(usize),
    /// The end tag of an element, or a point.
    End(usize),
}

impl<'a> Builder<'a> {
    fn new(runs: &'a [Run]) -> Self {
        let whole = OpenContainer { node: 0, place: None };
        Self {
            runs,
            nodes: vec![Node::new(0)],
            line: Line::default(),
            open: vec![whole],
            formatted: None,
            last: Last::Open(0),
            usual: HashMap::new(),
        }
    }

    fn format(&self, token: &Token) -> &'a str {
        token.before.map_or("", |run| &self.runs[run].format)
    }

    /// Finds the usual format of each container, which has the most characters directly in it.
    fn count_formats(&mut self, tokens: &[Token], part: Range<usize>, partners: &HashMap<usize, usize>) {
        let mut open = vec![None];
        // By container and format: the number of characters, and where the format is first.
        let mut counts: HashMap<(Option<usize>, &str), (usize, usize)> = HashMap::new();
        for place in part {
            let token = &tokens[place];
            match (partners.get(&place), token.seen()) {
                (Some(partner), _) if *partner > place => open.push(Some(place)),
                (Some(_), _) => {
                    open.pop();
                }
                (None, Some(text)) => {
                    let container = open.last().copied().flatten();
                    let (count, _) = counts
                        .entry((container, self.format(token)))
                        .or_insert((0, place));
                    *count += text.chars().count();
                }
                _ => {}
            }
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, (count, place))| (*count, std::cmp::Reverse(*place)));
        self.usual = counts.into_iter().map(|(key, _)| key).collect();
    }

    /// Returns the element in which tokens are now.
    fn current(&self) -> usize {
        let container = self.open.last().map_or(0, |container| container.node);
        self.formatted.map_or(container, |(node, _)| node)
    }

    /// Adds a token that is no tag of a container.
    fn add(&mut self, token: &Token) {
        match &token.kind {
            Kind::Text { text, .. } => self.text(token, text),
            Kind::Hidden => self.hidden(token),
            Kind::Open | Kind::Close => {
                self.end_format();
                self.point(std::slice::from_ref(token), true);
            }
            _ => self.point(std::slice::from_ref(token), false),
        }
    }

    fn text(&mut self, token: &Token, text: &str) {
        let format = self.format(token);
        if self.formatted.is_some_and(|(_, of_group)| of_group != format) {
            self.end_format();
        }
        let container = self.open.last().and_then(|container| container.place);
        let is_usual = self.usual.get(&container).is_none_or(|usual| *usual == format);
        if !is_usual && self.formatted.is_none() && !text.trim().is_empty() {
            let node = self.add_node();
            self.line.start(node);
            self.formatted = Some((node, format));
        }
        let node = self.current();
        if self.last != Last::Group(node) {
            self.nodes[node].groups.push(Group::default());
            self.last = Last::Group(node);
        }
        if let Some(group) = self.nodes[node].groups.last_mut() {
            group.text += text;
            group.bits.push(token.bit());
        }
        self.line.text(text);
    }

    fn hidden(&mut self, token: &Token) {
        let (Last::Group(node) | Last::Open(node) | Last::End(node)) = self.last;
        let node = &mut self.nodes[node];
        let bits = match self.last {
            Last::Group(_) => node
                .groups
                .last_mut()
                .map_or(&mut node.open, |group| &mut group.bits),
            Last::Open(_) => &mut node.open,
            Last::End(_) => &mut node.close,
        };
        bits.push(token.bit());
    }

    /// Adds what stands between two words. It is half of a container if its other tag is not in the passage.
    fn point(&mut self, tokens: &[Token], is_half: bool) {
        let node = self.add_node();
        self.nodes[node].is_point = true;
        self.nodes[node].is_half = is_half;
        self.nodes[node].close = tokens.iter().map(Token::bit).collect();
        let is_space = tokens.iter().all(|token| token.kind == Kind::Space);
        self.line.point(node, is_space);
        self.last = Last::End(node);
    }

    fn open(&mut self, place: usize, token: &Token) {
        self.end_format();
        let node = self.add_node();
        self.nodes[node].open.push(token.bit());
        self.line.start(node);
        self.open.push(OpenContainer {
            node,
            place: Some(place),
        });
        self.last = Last::Open(node);
    }

    fn close(&mut self, token: &Token) {
        self.end_format();
        if let Some(container) = self.open.pop() {
            self.nodes[container.node].close.push(token.bit());
            self.line.end();
            self.last = Last::End(container.node);
        }
    }

    fn end_format(&mut self) {
        if let Some((node, _)) = self.formatted.take() {
            self.line.end();
            self.last = Last::End(node);
        }
    }

    /// Adds a node to the element in which tokens are now. Returns its number.
    fn add_node(&mut self) -> usize {
        self.nodes.push(Node::new(self.current()));
        self.nodes.len() - 1
    }

    fn finish(
        mut self,
        region: Range<usize>,
        start_run: Option<usize>,
        end_run: Option<usize>,
    ) -> (XmlPassage, Passage) {
        self.end_format();
        let (before, passage, after, spaces) = self.line.finish();
        let passage_of_xml = XmlPassage {
            region,
            start_run,
            end_run,
            before,
            after,
            format: passage.format,
            nodes: self.nodes,
            spaces,
        };
        (passage_of_xml, passage)
    }
}

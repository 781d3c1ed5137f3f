//! The tags around the words of a translation.

use std::ops::Range;

use attend_data::single_line;

use super::{Markup, Node};
use crate::links::{Link, gap, region};
use crate::script;

/// Returns the text of a translation with the tags of its source, and with entities in place of the characters that
/// would begin a tag. `links` has all words of `text`. `span` returns the markup of a kept span, or `None` if the span
/// is text.
///
/// The tags of a pair stand around neighbouring words, and within the tags that were around them in the source. Where
/// two pairs would have the same words, the pair that fits them better takes them.
pub(crate) fn write<'a>(
    markup: &Markup<'a>,
    text: &str,
    links: &[Link],
    span: impl Fn(usize) -> Option<&'a str>,
) -> String {
    let mut writer = Writer {
        markup,
        text,
        links,
        span,
        has_blanks: script::has_no_spaces_between_sentences(text.chars()) != Some(true),
        output: String::with_capacity(text.len() * 2),
    };
    writer.write(&markup.nodes, 0..links.len(), 0..markup.text.len(), true);
    // A tag may have line ends between its attributes, but a translation is one line.
    single_line(&writer.output).into_owned()
}

struct Writer<'m, 'a, Span> {
    markup: &'m Markup<'a>,
    text: &'m str,
    links: &'m [Link],
    span: Span,
    /// Whether the script of the text has blanks between a word and what stands at an end of the text.
    has_blanks: bool,
    output: String,
}

/// A node and the words around which, or before which, it stands.
struct Placed<'n, 'a> {
    node: &'n Node<'a>,
    words: Range<usize>,
}

impl<'m, 'a, Span: Fn(usize) -> Option<&'a str>> Writer<'m, 'a, Span> {
    /// Writes the words `within` with the tags of `nodes`, which were within the bytes `source` of the source. The
    /// white space around the words is written only if they `are_all` words of the text.
    fn write(&mut self, nodes: &[Node<'a>], within: Range<usize>, source: Range<usize>, are_all: bool) {
        let placed = self.placed(nodes, within.clone(), &source);
        let (mut points, mut pairs): (Vec<_>, Vec<_>) =
            placed.into_iter().partition(|placed| placed.words.is_empty());
        points.sort_by_key(|placed| placed.words.start);
        pairs.sort_by_key(|placed| placed.words.start);
        let (mut points, mut pairs) = (points.into_iter().peekable(), pairs.into_iter().peekable());
        let mut place = within.start;
        loop {
            let here = std::iter::from_fn(|| points.next_if(|point| point.words.start == place));
            let here: Vec<_> = here.collect();
            self.write_points(&here, place, &within, are_all);
            if place == within.end {
                return;
            }
            if let Some(pair) = pairs.next_if(|pair| pair.words.start == place)
                && let Node::Element {
                    start,
                    end,
                    range,
                    children,
                    ..
                } = pair.node
            {
                self.output += start;
                self.write(children, pair.words.clone(), range.clone(), false);
                self.output += end;
                place = pair.words.end;
            } else {
                self.write_word(place);
                place += 1;
            }
        }
    }

    /// Writes the points before the word `place`, and the white space there. Points that follow white space in the
    /// source are behind it. Where the translation has white space, and at its ends, a point is spaced as in the
    /// source. Elsewhere, such as before a period, no blank is added.
    fn write_points(
        &mut self,
        points: &[Placed<'_, 'a>],
        place: usize,
        within: &Range<usize>,
        are_all: bool,
    ) {
        let space = self.space_before(place);
        let has_space = if place == 0 || place == self.links.len() {
            self.has_blanks && !self.links.is_empty()
        } else {
            !space.is_empty()
        };
        let is_empty = within.is_empty() && !are_all;
        let is_start = place == within.start;
        let is_end = place == within.end;
        let follows_space = points.iter().position(|point| self.follows_space(point.node));
        let (before, behind) = points.split_at(follows_space.unwrap_or(points.len()));
        for point in before {
            self.write_point(point.node, place);
        }
        // The white space at the ends of an element is that beside its tags.
        if are_all || !is_start && !is_end {
            self.write_text(space);
        }
        let is_spaced = |point: &Placed<'_, 'a>| point.node.is_spaced();
        if is_end && !is_start && has_space && behind.iter().any(is_spaced) {
            self.output.push(' ');
        }
        for (number, point) in behind.iter().enumerate() {
            self.write_point(point.node, place);
            let is_last = is_end && number + 1 == behind.len();
            if has_space && !is_empty && !is_last && is_spaced(point) {
                self.output.push(' ');
            }
        }
    }

    /// Returns the words around which each element stands, and the word before which each other node stands, in the
    /// order of the source.
    fn placed<'n>(
        &self,
        nodes: &'n [Node<'a>],
        within: Range<usize>,
        source: &Range<usize>,
    ) -> Vec<Placed<'n, 'a>> {
        let mut taken = vec![false; within.len()];
        let fit = |node: &Node<'_>, taken: &[bool]| match node {
            Node::Element { range, .. } if !self.markup.text[range.clone()].trim().is_empty() => region(
                self.links,
                within.clone(),
                |place| !taken[place - within.start],
                range,
            ),
            _ => None,
        };
        let mut fits: Vec<_> = nodes.iter().map(|node| fit(node, &taken)).collect();
        let mut order: Vec<usize> = (0..nodes.len()).filter(|&place| fits[place].is_some()).collect();
        let fit_of = |fit: &Option<(Range<usize>, f32)>| fit.as_ref().map_or(f32::MIN, |(_, fit)| *fit);
        order.sort_by(|&a, &b| fit_of(&fits[b]).total_cmp(&fit_of(&fits[a])));
        for place in order {
            let is_taken = |(words, _): &(Range<usize>, f32)| {
                taken[words.start - within.start..words.end - within.start].contains(&true)
            };
            if fits[place].as_ref().is_some_and(is_taken) {
                fits[place] = fit(&nodes[place], &taken);
            }
            if let Some((words, _)) = &fits[place] {
                taken[words.start - within.start..words.end - within.start].fill(true);
            }
        }
        let mut is_open = vec![true; within.len() + 1];
        for (words, _) in fits.iter().flatten() {
            is_open[words.start + 1 - within.start..words.end - within.start].fill(false);
        }
        let in_source = &self.markup.text[source.clone()];
        let first_word = source.end - in_source.trim_start().len();
        let last_word_end = source.start + in_source.trim_end().len();
        let placed = nodes.iter().zip(fits).map(|(node, fit)| {
            let words = fit.map(|(words, _)| words).unwrap_or_else(|| {
                let at = node.start();
                let place = if at <= first_word {
                    within.start
                } else if last_word_end <= at {
                    within.end
                } else {
                    gap(
                        self.links,
                        within.clone(),
                        |place| is_open[place - within.start],
                        at,
                    )
                };
                place..place
            });
            Placed { node, words }
        });
        placed.collect()
    }

    /// Returns the white space of the translation before a word, or at its end.
    fn space_before(&self, place: usize) -> &'m str {
        let start = if place == 0 {
            0
        } else {
            self.links[place - 1].target.end
        };
        let end = self
            .links
            .get(place)
            .map_or(self.text.len(), |link| link.target.start);
        self.text.get(start..end).unwrap_or_default()
    }

    /// Returns whether white space, or nothing, is before a node in the source.
    fn follows_space(&self, node: &Node<'_>) -> bool {
        let before = &self.markup.text[..node.start()];
        before.is_empty() || before.ends_with(char::is_whitespace)
    }

    /// Writes a node that stands at one place.
    fn write_point(&mut self, node: &Node<'a>, place: usize) {
        match node {
            Node::Point { source, .. } => self.output += source,
            Node::Element {
                start,
                end,
                range,
                children,
                ..
            } => {
                self.output += start;
                self.write(children, place..place, range.clone(), false);
                self.output += end;
            }
        }
    }

    fn write_word(&mut self, place: usize) {
        let Link { target, span, .. } = &self.links[place];
        match span.and_then(|span| (self.span)(span)) {
            Some(markup) => self.output += markup,
            None => self.write_text(&self.text[target.clone()]),
        }
    }

    fn write_text(&mut self, text: &str) {
        self.output += &html_escape::encode_text(text);
    }
}

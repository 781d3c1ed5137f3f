//! What a model reads in place of spans.
//!
//! A model seldom copies what it has not seen in training, and it translates the words around it worse. Names of
//! persons are the same in many languages, so a sentence with a name in place of a URL is one that the model knows.
//! Which names and numbers a model copies, and in which sentences, depends on the model: each sentence is read in
//! several ways, and the translation is taken in which every stand-in comes out once.

use std::ops::Range;

use attend_data::is_blank;

use super::find::joins_words;
use super::{Role, Span};

/// Names that the languages of Europe share. A sentence takes all its stand-ins from one of the lists.
const NAMES: [[&str; 6]; 2] = [
    ["Anna", "Peter", "Maria", "Thomas", "Julia", "Paul"],
    ["Martin", "Lena", "David", "Sara", "Robert", "Eva"],
];

/// Numbers, none of which is a part of another one.
const NUMBERS: [&str; 6] = ["7", "3", "5", "4", "9", "8"];

/// A sentence as a model reads it.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) text: String,
    /// The parts of the text, in order. What is in none of them is a space beside a stand-in.
    parts: Vec<Part>,
    /// The stand-in of each span of the sentence; `None` if the span is left out.
    pub(super) stand_ins: Vec<Option<String>>,
}

/// A part of a reading.
#[derive(Debug)]
struct Part {
    /// Its bytes in the reading.
    read: Range<usize>,
    /// The bytes of the line that it stands for.
    line: Range<usize>,
    is_stand_in: bool,
}

impl Reading {
    fn add(&mut self, text: &str, line: Range<usize>, is_stand_in: bool) {
        let start = self.text.len();
        self.text += text;
        self.parts.push(Part {
            read: start..self.text.len(),
            line,
            is_stand_in,
        });
    }

    fn trim_end(&mut self) {
        self.text.truncate(self.text.trim_end().len());
        let end = self.text.len();
        for part in self.parts.iter_mut().rev().take_while(|part| part.read.end > end) {
            part.read = part.read.start.min(end)..end;
        }
    }

    /// Returns the text with marks that are no words in place of the bytes of stand-ins.
    pub(crate) fn without_stand_ins(&self) -> String {
        let mut text = self.text.clone();
        for part in self.parts.iter().filter(|part| part.is_stand_in) {
            text.replace_range(part.read.clone(), &"_".repeat(part.read.len()));
        }
        text
    }

    /// Returns whether the text is left without a word if the spans are left out.
    pub(crate) fn is_spans_only(&self) -> bool {
        let mut others = self.parts.iter().filter(|part| !part.is_stand_in);
        others.all(|part| !self.text[part.read.clone()].contains(char::is_alphanumeric))
    }

    /// Returns the bytes of the line for which a word of the reading stands.
    pub(crate) fn in_line(&self, word: &Range<usize>) -> Range<usize> {
        let part = self.parts.partition_point(|part| part.read.end <= word.start);
        match self.parts.get(part) {
            None => 0..0,
            Some(part) if part.is_stand_in => part.line.clone(),
            Some(part) => {
                let place =
                    |byte: usize| (part.line.start + byte.saturating_sub(part.read.start)).min(part.line.end);
                place(word.start)..place(word.end)
            }
        }
    }
}

/// Returns the different ways to read the sentence that has the bytes `range` of `line`. First, the spans are as they
/// are. No other reading is blank. `spans` has those in the sentence, in order.
pub(crate) fn readings(line: &str, range: Range<usize>, spans: &[Span<'_>]) -> Vec<Reading> {
    let sentence = &line[range.clone()];
    let as_it_is = |span: &Span<'_>| line[span.range.clone()].to_owned();
    let in_place = |words: &[&str], roles: &[Role]| {
        let mut words = words.iter().filter(|word| !sentence.contains(**word));
        let stand_in = |span: &Span<'_>| match span.role {
            Role::Extra => None,
            role if roles.contains(&role) => Some(
                words
                    .next()
                    .map_or_else(|| as_it_is(span), |&word| word.to_owned()),
            ),
            _ => Some(as_it_is(span)),
        };
        spans.iter().map(stand_in).collect::<Vec<_>>()
    };
    let choices = [
        spans.iter().map(|span| Some(as_it_is(span))).collect(),
        in_place(&NAMES[0], &[Role::Name]),
        in_place(&NAMES[1], &[Role::Name]),
        in_place(&NUMBERS, &[Role::Name, Role::Number]),
    ];
    let mut readings: Vec<Reading> = Vec::new();
    for stand_ins in choices {
        let reading = read(line, range.clone(), spans, stand_ins);
        let is_new = readings.iter().all(|other| other.text != reading.text);
        if readings.is_empty() || is_new && !is_blank(&reading.text) {
            readings.push(reading);
        }
    }
    readings
}

/// Returns a sentence with stand-ins in place of its spans.
fn read(line: &str, range: Range<usize>, spans: &[Span<'_>], stand_ins: Vec<Option<String>>) -> Reading {
    let mut reading = Reading {
        text: String::with_capacity(range.len()),
        parts: Vec::new(),
        stand_ins: Vec::new(),
    };
    let mut end = range.start;
    for (span, stand_in) in spans.iter().zip(&stand_ins) {
        reading.add(&line[end..span.range.start], end..span.range.start, false);
        end = span.range.end;
        let rest = &line[end..range.end];
        match stand_in {
            // Of the spaces around what is left out, one stays if a word follows.
            None => {
                if reading.text.is_empty() || reading.text.ends_with(char::is_whitespace) {
                    end += rest.len() - rest.trim_start().len();
                }
                if !line[end..range.end].starts_with(char::is_alphanumeric) {
                    reading.trim_end();
                }
            }
            Some(stand_in) if *stand_in == line[span.range.clone()] => {
                reading.add(stand_in, span.range.clone(), true);
            }
            Some(stand_in) => {
                if reading.text.ends_with(char::is_alphanumeric) {
                    reading.text.push(' ');
                }
                reading.add(stand_in, span.range.clone(), true);
                if rest.starts_with(char::is_alphanumeric) {
                    reading.text.push(' ');
                }
            }
        }
    }
    reading.add(&line[end..range.end], end..range.end, false);
    Reading { stand_ins, ..reading }
}

/// Returns the places in `text` where a stand-in is a word of its own.
pub(super) fn occurrences<'t>(text: &'t str, stand_in: &'t str) -> impl Iterator<Item = Range<usize>> + 't {
    let joins = |outside: Option<char>, inside: Option<char>| {
        outside.is_some_and(joins_words) && inside.is_some_and(joins_words)
    };
    let found = text
        .match_indices(stand_in)
        .map(|(start, found)| start..start + found.len());
    found.filter(move |range| {
        let (before, behind) = (&text[..range.start], &text[range.end..]);
        !joins(before.chars().next_back(), stand_in.chars().next())
            && !joins(behind.chars().next(), stand_in.chars().next_back())
    })
}

/// Returns whether a text has a word or phrase that is not blank.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    !is_blank(word) && occurrences(text, word).next().is_some()
}

/// Returns whether white space, or nothing, is before a span and behind it.
pub(super) fn is_spaced(line: &str, span: &Range<usize>) -> (bool, bool) {
    let is_space = |c: Option<char>| c.is_none_or(char::is_whitespace);
    let (before, behind) = (&line[..span.start], &line[span.end..]);
    (
        is_space(before.chars().next_back()),
        is_space(behind.chars().next()),
    )
}

//! Subtitles of SubRip: a number, a line of times, lines of text, and a blank line.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::text_file::Slot;
use crate::{DocumentError, Passage, PassageFormat, has_letters};

/// The tags that SubRip takes from HTML.
const TAGS: [&str; 5] = ["b", "font", "i", "s", "u"];

/// The number of characters of a wrong line that an error shows.
const SHOWN: usize = 40;

/// How the text of a subtitle stands in lines.
#[derive(Clone, Debug)]
pub(crate) struct Cue {
    /// The number of lines.
    count: usize,
    /// What ends them.
    line_end: &'static str,
    format: PassageFormat,
}

/// A line of a file, without its end.
struct Line<'a> {
    number: usize,
    start: usize,
    text: &'a str,
    end: &'static str,
}

impl Line<'_> {
    fn range(&self) -> Range<usize> {
        self.start..self.start + self.text.len()
    }

    fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    fn error(&self, expected: &'static str) -> DocumentError {
        DocumentError::Subtitle {
            line: self.number,
            expected,
            found: self.text.chars().take(SHOWN).collect(),
        }
    }
}

/// Returns the passages of a file of subtitles, whose text begins at the byte `start`.
///
/// # Errors
///
/// Returns [`DocumentError::Subtitle`] for a line that is not the number or the times that must stand there.
pub(crate) fn passages(text: &str, start: usize) -> Result<(Vec<Slot>, Vec<Passage>), DocumentError> {
    let mut found = Vec::new();
    let mut lines = lines(text, start).peekable();
    loop {
        while lines.next_if(Line::is_blank).is_some() {}
        let Some(number) = lines.next() else {
            return Ok(found.into_iter().unzip());
        };
        if !number.text.trim().bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(number.error("the number of a subtitle"));
        }
        let expected = "times such as 00:00:01,000 --> 00:00:02,500";
        let times = lines
            .next()
            .ok_or_else(|| number.error("a number and, in the next line, times"))?;
        if !are_times(times.text) {
            return Err(times.error(expected));
        }
        let mut cue = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.is_blank()) {
            cue.push(line);
        }
        let are_of_several_speakers = cue.len() > 1
            && cue
                .iter()
                .all(|line| line.text.trim_start().starts_with(['-', '–', '—']));
        if are_of_several_speakers {
            found.extend(
                cue.iter()
                    .filter_map(|line| passage(text, std::slice::from_ref(line))),
            );
        } else {
            found.extend(passage(text, &cue));
        }
    }
}

fn lines(text: &str, start: usize) -> impl Iterator<Item = Line<'_>> {
    let mut begin = start;
    text[start..]
        .split_inclusive('\n')
        .zip(1..)
        .map(move |(line, number)| {
            let (text, end) = match (line.strip_suffix("\r\n"), line.strip_suffix('\n')) {
                (Some(text), _) => (text, "\r\n"),
                (None, Some(text)) => (text, "\n"),
                (None, None) => (line, ""),
            };
            let start = begin;
            begin += line.len();
            Line {
                number,
                start,
                text,
                end,
            }
        })
}

/// Returns whether a line has two times, and perhaps the place of the subtitle on the screen behind them.
fn are_times(line: &str) -> bool {
    let Some((from, rest)) = line.trim().split_once("-->") else {
        return false;
    };
    let to = rest.split_whitespace().next().unwrap_or_default();
    is_time(from.trim()) && is_time(to)
}

/// Returns whether a text is a time in hours, minutes, seconds and milliseconds.
fn is_time(text: &str) -> bool {
    let Some((seconds, milliseconds)) = text.split_once([',', '.']) else {
        return false;
    };
    let is_number = |text: &str, lengths: Range<usize>| {
        lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut parts = seconds.split(':');
    let mut part = || parts.next().unwrap_or_default();
    let (hours, minutes, seconds) = (part(), part(), part());
    let is_sixtieth = |text: &str| is_number(text, 2..3) && text < "60";
    is_number(milliseconds, 1..4)
        && is_number(hours, 1..4)
        && is_sixtieth(minutes)
        && is_sixtieth(seconds)
        && parts.next().is_none()
}

/// Returns the passage of lines that follow each other, if they have one.
fn passage(text: &str, lines: &[Line<'_>]) -> Option<(Slot, Passage)> {
    let (first, last) = (lines.first()?, lines.last()?);
    let all = &text[first.start..last.range().end];
    // What stands in braces first, such as {\an8}, is the place of the text on the screen.
    let place = all.starts_with("{\\").then(|| all.find('}')).flatten();
    let begin = place.map_or(0, |end| end + 1);
    let begin = begin + all[begin..].len() - all[begin..].trim_start().len();
    let range = first.start + begin..first.start + begin + all[begin..].trim_end().len();
    let joined = text
        .get(range.clone())?
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ");
    let format = if has_tags(&joined) {
        PassageFormat::Html
    } else {
        PassageFormat::Text
    };
    let passage = Passage {
        // SubRip has no entities.
        text: match format {
            PassageFormat::Html => joined.replace('&', "&amp;"),
            _ => joined,
        },
        format,
    };
    let slot = Slot {
        range,
        cue: Some(Cue {
            count: lines.len(),
            line_end: first.end,
            format,
        }),
    };
    has_letters(&passage.text).then_some((slot, passage))
}

/// Returns whether a text has one of SubRip's tags.
fn has_tags(text: &str) -> bool {
    text.match_indices('<').any(|(place, _)| {
        let tag = text[place + 1..].trim_start_matches('/');
        let name = &tag[..tag.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tag.len())];
        TAGS.contains(&name.to_ascii_lowercase().as_str())
    })
}

impl Cue {
    /// Returns a translation as the lines of the subtitle, of which there are as many as in the source, and which are of
    /// similar lengths.
    pub(crate) fn lines(&self, translation: &str) -> String {
        let translation = match self.format {
            PassageFormat::Html => translation
                .replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&amp;", "&"),
            _ => translation.to_owned(),
        };
        divided(&translation, self.count).join(self.line_end)
    }
}

/// Divides a text into at most `count` lines of similar lengths: at blanks, or between words if it has no blanks, but not
/// within a tag.
fn divided(text: &str, count: usize) -> Vec<&str> {
    let text = text.trim();
    let mut tag = false;
    let places = text.split_word_bound_indices().filter_map(|(place, word)| {
        let was_tag = tag;
        match word {
            "<" => tag = true,
            ">" => tag = false,
            _ => {}
        }
        let is_blank = word.trim().is_empty();
        (!was_tag && place > 0).then_some((place, is_blank, word))
    });
    let places: Vec<(usize, bool, &str)> = places.collect();
    let has_blanks = places.iter().any(|(_, is_blank, _)| *is_blank);
    // A line does not begin with punctuation.
    let may_divide = |(_, is_blank, word): &&(usize, bool, &str)| {
        if has_blanks {
            *is_blank
        } else {
            word.starts_with(char::is_alphanumeric)
        }
    };
    // Each place in bytes, and in characters.
    let (mut end, mut characters) = (0, 0);
    let places = places.iter().filter(may_divide).map(|(place, ..)| {
        characters += text[end..*place].chars().count();
        end = *place;
        (end, characters)
    });
    let places: Vec<(usize, usize)> = places.collect();
    let whole = text.chars().count();
    let mut lines = Vec::with_capacity(count.min(places.len() + 1));
    let (mut start, mut rest) = (0, places.as_slice());
    for line in 1..count {
        let aim = whole * line / count;
        let behind = rest.partition_point(|(_, place)| *place < aim);
        let distance = |place: usize| rest.get(place).map(|(_, place)| place.abs_diff(aim));
        let nearest = match behind.checked_sub(1) {
            Some(before) if distance(behind).is_none_or(|behind| distance(before) <= Some(behind)) => before,
            _ => behind,
        };
        let Some((end, _)) = rest.get(nearest) else { break };
        lines.push(text[start..*end].trim());
        start = *end;
        rest = &rest[nearest + 1..];
    }
    lines.push(text[start..].trim());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_of_similar_lengths() {
        for (text, count, expected) in [
            ("one two three four", 2, &["one two", "three four"][..]),
            ("one two three four", 1, &["one two three four"]),
            ("one two three four", 3, &["one two", "three", "four"]),
            ("one", 2, &["one"]),
            ("", 2, &[""]),
            ("我喜欢苹果，他也喜欢梨。", 2, &["我喜欢苹果，", "他也喜欢梨。"]),
            (
                "<font color=\"red\">Ja</font> nein",
                2,
                &["<font color=\"red\">Ja</font>", "nein"],
            ),
        ] {
            assert_eq!(divided(text, count), expected, "{text}");
        }
    }

    #[test]
    fn times_are_those_of_subrip() {
        for line in [
            "00:00:01,000 --> 00:00:02,500",
            "1:00:01.5-->100:59:59.999 X1:10 X2:20 Y1:30 Y2:40",
            "  00:00:01,000  -->  00:00:02,500  ",
        ] {
            assert!(are_times(line), "{line}");
        }
        for line in [
            "",
            "00:00:01,000 -> 00:00:02,500",
            "00:00:01,000 --> ",
            "00:60:01,000 --> 00:00:02,500",
            "00:00:01 --> 00:00:02",
            "00:01,000 --> 00:02,500",
            "00:00:01,000 --> 00:00:0é,500",
            "-1:00:01,000 --> 00:00:02,500",
        ] {
            assert!(!are_times(line), "{line}");
        }
    }
}

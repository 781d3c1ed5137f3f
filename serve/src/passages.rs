//! Texts of several lines, which keep their line ends and the white space around each line.

use quick_xml::Reader;
use quick_xml::events::Event;

/// A text as the parts that are translated and those that stay. Together, its parts are the text.
#[derive(Debug)]
pub(crate) struct Passages<'a> {
    parts: Vec<Part<'a>>,
}

#[derive(Debug)]
enum Part<'a> {
    /// White space, or a line without a letter or a digit.
    Kept(&'a str),
    /// A line without the white space around it.
    Translated(&'a str),
}

impl<'a> Passages<'a> {
    /// Divides a text at its line ends.
    pub(crate) fn of_lines(text: &'a str) -> Self {
        Self {
            parts: text.split_inclusive('\n').flat_map(parts).collect(),
        }
    }

    /// Divides XML at its line ends if each tag has its element in its own line, or else takes it as a whole.
    pub(crate) fn of_xml(text: &'a str) -> Self {
        if text.lines().all(is_balanced) {
            Self::of_lines(text)
        } else {
            Self::whole(text)
        }
    }

    /// Takes a text of any lines as one passage.
    pub(crate) fn one(text: &'a str) -> Self {
        Self { parts: parts(text) }
    }

    /// Takes a text as a whole, with the white space around it.
    pub(crate) fn whole(text: &'a str) -> Self {
        Self {
            parts: vec![Part::Translated(text)],
        }
    }

    /// Returns the parts to translate.
    pub(crate) fn to_translate(&self) -> impl Iterator<Item = &'a str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Kept(_) => None,
            Part::Translated(text) => Some(*text),
        })
    }

    /// Returns what stays before each of the parts to translate, and behind the last one.
    pub(crate) fn kept(&self) -> Vec<String> {
        let mut kept = vec![String::new()];
        for part in &self.parts {
            match part {
                Part::Kept(text) => *kept.last_mut().expect("there is one from the start") += text,
                Part::Translated(_) => kept.push(String::new()),
            }
        }
        kept
    }

    /// Returns the text with translations in place of the parts to translate, of which there is one each.
    pub(crate) fn with<T: AsRef<str>>(&self, mut translations: impl Iterator<Item = T>) -> String {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Kept(kept) => text += kept,
                Part::Translated(_) => {
                    let translation = translations.next().expect("each part has a translation");
                    text += translation.as_ref();
                }
            }
        }
        text
    }
}

/// Returns whether a piece of XML has the end of each element that begins in it, and nothing that is no XML.
fn is_balanced(xml: &str) -> bool {
    let mut reader = Reader::from_str(xml);
    let mut depth = 0;
    loop {
        match reader.read_event() {
            Ok(Event::Start(_)) => depth += 1,
            Ok(Event::End(_)) => depth -= 1,
            Ok(Event::Eof) => return depth == 0,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}

/// Returns the parts of a text of which no other white space stays than that around it.
fn parts(text: &str) -> Vec<Part<'_>> {
    let trimmed = text.trim();
    if !trimmed.contains(char::is_alphanumeric) {
        return vec![Part::Kept(text)];
    }
    let start = text.len() - text.trim_start().len();
    let (before, rest) = text.split_at(start);
    let (inner, behind) = rest.split_at(trimmed.len());
    vec![Part::Kept(before), Part::Translated(inner), Part::Kept(behind)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_white_space_and_symbols_stay() {
        let text = "  One.\t\r\n\n---\nTwo and three.\n";
        let passages = Passages::of_lines(text);
        assert_eq!(
            passages.to_translate().collect::<Vec<_>>(),
            ["One.", "Two and three."]
        );
        assert_eq!(
            passages.with(["Eins.", "Zwei."].into_iter()),
            "  Eins.\t\r\n\n---\nZwei.\n"
        );
        assert_eq!(passages.with(passages.to_translate()), text);
        assert_eq!(passages.kept(), ["  ", "\t\r\n\n---\n", "\n"]);
        for kept in ["", " \n ", "!?", "\u{3000}…\u{3000}"] {
            let passages = Passages::of_lines(kept);
            assert_eq!(passages.to_translate().count(), 0);
            assert_eq!(passages.with(std::iter::empty::<&str>()), kept);
            assert_eq!(passages.kept(), [kept]);
        }
        for (xml, expected) in [
            (
                "<b>One</b>.\n<x/>Two &amp; &lt;.",
                vec!["<b>One</b>.", "<x/>Two &amp; &lt;."],
            ),
            ("<b>One\nTwo</b>", vec!["<b>One\nTwo</b>"]),
            ("<b>One</i>\nTwo", vec!["<b>One</i>\nTwo"]),
            ("<b a='\n'>One</b>", vec!["<b a='\n'>One</b>"]),
        ] {
            let passages = Passages::of_xml(xml);
            assert_eq!(passages.to_translate().collect::<Vec<_>>(), expected);
            assert_eq!(passages.with(passages.to_translate()), xml);
        }
        let passages = Passages::one(" One.\nTwo.\n");
        assert_eq!(passages.to_translate().collect::<Vec<_>>(), ["One.\nTwo."]);
        assert_eq!(passages.with(["Eins."].into_iter()), " Eins.\n");
    }
}

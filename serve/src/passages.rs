//! Texts of several lines, which keep their line ends and the white space around each line.

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
        let mut parts = Vec::new();
        for line in text.split_inclusive('\n') {
            let trimmed = line.trim();
            if trimmed.contains(char::is_alphanumeric) {
                let start = line.len() - line.trim_start().len();
                let (before, rest) = line.split_at(start);
                let (line, behind) = rest.split_at(trimmed.len());
                parts.extend([Part::Kept(before), Part::Translated(line), Part::Kept(behind)]);
            } else {
                parts.push(Part::Kept(line));
            }
        }
        Self { parts }
    }

    /// Takes a text as a whole.
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
    }
}

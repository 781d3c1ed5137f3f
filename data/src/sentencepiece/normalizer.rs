//! How SentencePiece normalises a text before it is cut: rules replace characters, runs of spaces become one, and `▁`
//! stands for a space.

use std::ops::Range;

use super::model_file::NormalizerSpec;
use super::trie::Trie;

/// The character that stands for a space.
pub(super) const SPACE: char = '▁';

/// The maximum number of bytes in a replacement. The longest one in SentencePiece's own rules has 33.
const LONGEST: usize = 1 << 10;

/// The steps of normalisation that a model asks for.
#[derive(Clone, Debug)]
pub(super) struct Normalizer {
    rules: Option<Rules>,
    /// The pieces that a user has defined. They stay as they are in any text.
    user_defined: Option<Trie>,
    removes_extra_spaces: bool,
}

/// The rules that replace characters, for example `ﬁ` by `fi`.
#[derive(Clone, Debug)]
struct Rules {
    /// The strings to replace. The number of a string is the index in `replacements` at which its replacement begins.
    replaced: Trie,
    /// The replacements. Each ends in NUL.
    replacements: String,
}

/// A normalised text.
#[derive(Debug, Default)]
pub(super) struct Normalized {
    pub(super) text: String,
    /// For each byte of `text`, the bytes of the original text that it was made of. Those of a `▁` before the text are
    /// an empty range.
    pub(super) sources: Vec<Range<usize>>,
}

impl Normalizer {
    /// # Errors
    /// Returns a message if the rules are damaged.
    pub(super) fn new(spec: &NormalizerSpec, user_defined: Option<Trie>) -> Result<Self, String> {
        let rules = match spec.precompiled_charsmap() {
            [] => None,
            charsmap => Some(
                Rules::read(charsmap)
                    .map_err(|reason| format!("its normalisation rules are damaged: {reason}"))?,
            ),
        };
        Ok(Self {
            rules,
            user_defined,
            removes_extra_spaces: spec.remove_extra_whitespaces(),
        })
    }

    /// Returns whether there are rules, or spaces are removed.
    pub(super) fn changes_text(&self) -> bool {
        self.rules.is_some() || self.removes_extra_spaces
    }

    /// Normalises a text, and puts a `▁` before it if `space_before`. A text without other characters than spaces that
    /// are removed becomes empty.
    pub(super) fn normalize(&self, text: &str, space_before: bool) -> Normalized {
        let mut rest = text;
        if self.removes_extra_spaces {
            while let (" ", length) = self.first(rest) {
                rest = &rest[length..];
            }
        }
        let mut normalized = Normalized::default();
        if rest.is_empty() {
            return normalized;
        }
        if space_before {
            let start = text.len() - rest.len();
            normalized.push(SPACE, start..start);
        }
        let mut is_after_space = self.removes_extra_spaces;
        while !rest.is_empty() {
            let (mut replacement, length) = self.first(rest);
            if is_after_space {
                replacement = replacement.trim_start_matches(' ');
            }
            let start = text.len() - rest.len();
            for character in replacement.chars() {
                let escaped = if character == ' ' { SPACE } else { character };
                normalized.push(escaped, start..start + length);
            }
            if !replacement.is_empty() {
                is_after_space = self.removes_extra_spaces && replacement.ends_with(' ');
            }
            rest = &rest[length..];
        }
        if self.removes_extra_spaces {
            let length = normalized.text.trim_end_matches(SPACE).len();
            normalized.text.truncate(length);
            normalized.sources.truncate(length);
        }
        normalized
    }

    /// Returns the length in bytes of the longest piece that a user has defined at the start of `text`.
    pub(super) fn user_defined(&self, text: &str) -> Option<usize> {
        let (_, length) = self.user_defined.as_ref()?.longest_prefix(text)?;
        Some(length)
    }

    /// Returns what the first characters of `text` become, and how many bytes they have. The longest rule counts. Both
    /// are empty at the end of a text.
    fn first<'a>(&'a self, text: &'a str) -> (&'a str, usize) {
        if let Some(length) = self.user_defined(text) {
            return (&text[..length], length);
        }
        if let Some(replaced) = self.rules.as_ref().and_then(|rules| rules.first(text)) {
            return replaced;
        }
        let length = text.chars().next().map_or(0, char::len_utf8);
        (&text[..length], length)
    }
}

impl Rules {
    /// Reads the rules of a model: the size of a double array in bytes as four bytes, little-endian; the double array;
    /// the replacements.
    fn read(charsmap: &[u8]) -> Result<Self, String> {
        let (size, rest) = charsmap.split_first_chunk().ok_or("they are truncated")?;
        let size = u32::from_le_bytes(*size) as usize;
        let (array, replacements) = rest.split_at_checked(size).ok_or("they are truncated")?;
        let replaced = Trie::read(array.to_vec())?;
        let replacements = String::from_utf8(replacements.to_vec()).map_err(|error| error.to_string())?;
        let rules = Self {
            replaced,
            replacements,
        };
        if rules
            .replaced
            .numbers()
            .any(|place| rules.replacement(place).is_none())
        {
            return Err(format!(
                "a rule has no replacement, or one of more than {LONGEST} bytes"
            ));
        }
        Ok(rules)
    }

    fn first(&self, text: &str) -> Option<(&str, usize)> {
        let (place, length) = self.replaced.longest_prefix(text)?;
        Some((self.replacement(place)?, length))
    }

    fn replacement(&self, place: u32) -> Option<&str> {
        let start = place as usize;
        let rest = self.replacements.as_bytes().get(start..)?;
        let length = rest.iter().take(LONGEST + 1).position(|&byte| byte == 0)?;
        self.replacements.get(start..start + length)
    }
}

impl Normalized {
    fn push(&mut self, character: char, source: Range<usize>) {
        self.text.push(character);
        self.sources.resize(self.text.len(), source);
    }
}

//! The rules by which BLEU cuts a line into words.

mod intl;
#[cfg(feature = "ja-mecab")]
mod ja_mecab;
mod mteval13a;
mod western;
mod zh;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};

use super::MetricError;

pub(super) use western::{replace_in_turn, separate_marks, separate_periods_and_hyphens};

/// The rule by which a line is cut into the words that BLEU counts. Only scores of one rule can be compared. The names
/// are sacreBLEU's.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, Display, EnumString, VariantNames,
)]
pub enum BleuTokenizer {
    /// `13a`: the rule of the script `mteval-v13a.pl`, which computes the scores of WMT. Every ASCII punctuation mark
    /// is a word, except for apostrophes, for hyphens that do not follow a digit, and for periods and commas within a
    /// number. For example, `It's 1,000 (well-known).` is cut into `It's 1,000 ( well-known ) .`
    #[default]
    #[serde(rename = "13a")]
    #[strum(serialize = "13a")]
    Mteval13a,
    /// `none`: only white space separates words. This rule is for text that is already tokenized.
    #[serde(rename = "none")]
    #[strum(serialize = "none")]
    None,
    /// `intl`: the international rule of the script `mteval-v14.pl`. Every punctuation mark and every symbol of Unicode
    /// is a word, except for punctuation next to a digit.
    #[serde(rename = "intl")]
    #[strum(serialize = "intl")]
    International,
    /// `char`: every character is a word.
    #[serde(rename = "char")]
    #[strum(serialize = "char")]
    Character,
    /// `zh`: every Chinese character is a word, and the rest of the line is cut as by `13a`.
    #[serde(rename = "zh")]
    #[strum(serialize = "zh")]
    Chinese,
    /// `ja-mecab`: the words that the program MeCab finds in Japanese by the dictionary IPADIC, for example
    /// `今日は学校へ行きます。` is cut into `今日 は 学校 へ 行き ます 。` It takes the feature `ja-mecab` of this crate, and
    /// the dictionary's source files, as Debian's package `mecab-ipadic` has them, in `/usr/share/mecab/dic/ipadic` or
    /// in the folder that the environment variable `ATTEND_MECAB_DICTIONARY` names. They are read once, in 2 seconds.
    #[serde(rename = "ja-mecab")]
    #[strum(serialize = "ja-mecab")]
    JapaneseMecab,
}

impl BleuTokenizer {
    /// Returns whether this build has the tokenizer: `ja-mecab` takes a feature, and the others are always there.
    #[must_use]
    pub fn is_built_in(self) -> bool {
        self != Self::JapaneseMecab || cfg!(feature = "ja-mecab")
    }

    /// Checks that the tokenizer can be used, before hours are spent on what it shall score. For `ja-mecab` that reads
    /// the dictionary.
    ///
    /// # Errors
    ///
    /// Returns [`MetricError::NotBuiltIn`] if this build is without the tokenizer, and [`MetricError::Dictionary`] if
    /// its dictionary cannot be read.
    pub fn check(self) -> Result<(), MetricError> {
        self.separate("").map(|_| ())
    }

    /// Returns the line with white space between its words, which [`words`] then returns one by one.
    pub(super) fn separate(self, line: &str) -> Result<String, MetricError> {
        let line = line.trim_end_matches(is_python_whitespace);
        Ok(match self {
            Self::Mteval13a => mteval13a::separate(line),
            Self::None => line.to_owned(),
            Self::International => intl::separate(line),
            Self::Character => line.chars().flat_map(|c| [c, ' ']).collect(),
            Self::Chinese => zh::separate(line.trim_start_matches(is_python_whitespace)),
            #[cfg(feature = "ja-mecab")]
            Self::JapaneseMecab => ja_mecab::separate(line)?,
            #[cfg(not(feature = "ja-mecab"))]
            Self::JapaneseMecab => return Err(MetricError::NotBuiltIn { tokenizer: self }),
        })
    }

    /// Returns the name of the tokenizer in sacreBLEU's signatures. That of `ja-mecab` has the version of MeCab and the
    /// dictionary.
    pub(super) fn signature(self) -> String {
        match self {
            Self::JapaneseMecab => format!("{self}-0.996-IPA"),
            _ => self.to_string(),
        }
    }
}

/// Returns the parts of a line between white space. The line is split where Python, and so sacreBLEU, splits it: at
/// Unicode's `White_Space` and at the four separators U+001C to U+001F.
pub(super) fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(is_python_whitespace).filter(|word| !word.is_empty())
}

pub(super) fn is_python_whitespace(c: char) -> bool {
    c.is_whitespace() || ('\u{1c}'..='\u{1f}').contains(&c)
}

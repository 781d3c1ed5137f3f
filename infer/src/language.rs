//! The languages of texts and of models.

use std::fmt;
use std::str::FromStr;

use rust_iso639::{from_code_1, from_code_2b, from_code_3};
use serde::{Deserialize, Serialize};

/// Two-letter codes that ISO 639 has withdrawn but programs still write, Java among them, and the codes that replace
/// them.
const WITHDRAWN: [(&str, &str); 4] = [("in", "id"), ("iw", "he"), ("ji", "yi"), ("mo", "ro")];

/// A language, by its code. The language of a text decides where its sentences end: it has its own abbreviations and
/// quotation marks.
///
/// ```
/// use attend_infer::Language;
///
/// let german: Language = "de".parse()?;
/// assert_eq!(german.to_string(), "de");
/// assert_eq!(german, "deu".parse()?);
/// assert_eq!("de_AT.UTF-8".parse::<Language>()?.to_string(), "de-at");
/// assert_eq!(Language::default(), "en".parse()?);
/// assert!("German".parse::<Language>().is_err());
/// # Ok::<(), attend_infer::InvalidLanguage>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Language {
    /// The shortest code of ISO 639, and its subtags after hyphens, in lower case.
    code: String,
}

impl Default for Language {
    /// English.
    fn default() -> Self {
        Self {
            code: "en".to_owned(),
        }
    }
}

impl FromStr for Language {
    type Err = InvalidLanguage;

    /// Returns the language of a code, which may be written as
    ///
    /// - a tag of BCP 47, such as `de`, `de-AT` or `zh-Hant`, or a locale of POSIX, such as `de_AT.UTF-8`;
    /// - with a code of any part of ISO 639 in place of the first two letters. A code of three letters becomes that of
    ///   two letters if there is one: `deu` and `ger` become `de`. The codes from `qaa` to `qtz` are for languages that
    ///   have none.
    ///
    /// Subtags, such as the second part of `de-AT` or `zh-Hant`, do not change where sentences end. A language for
    /// which the crate `sentencex` has no rules gets the rules of a related language, or of English.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidLanguage`] if ISO 639 has no such code, or if a subtag has characters other than letters and
    /// digits.
    fn from_str(code: &str) -> Result<Self, Self::Err> {
        let tag = code.split(['.', '@']).next().unwrap_or_default();
        let tag = tag.to_ascii_lowercase().replace('_', "-");
        let (language, subtags) = match tag.split_once('-') {
            Some((language, subtags)) => (language, Some(subtags)),
            None => (tag.as_str(), None),
        };
        let mut code = shortest_code(language).ok_or(InvalidLanguage)?.to_owned();
        for subtag in subtags.into_iter().flat_map(|subtags| subtags.split('-')) {
            if subtag.is_empty() || !subtag.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                return Err(InvalidLanguage);
            }
            code.extend(["-", subtag]);
        }
        Ok(Self { code })
    }
}

/// Returns the shortest code of ISO 639 for the language that has the code `code` in small letters; `None` if no
/// language has it.
fn shortest_code(code: &str) -> Option<&str> {
    if let Some((_, replacement)) = WITHDRAWN.iter().find(|(withdrawn, _)| *withdrawn == code) {
        return Some(replacement);
    }
    let is_for_local_use = code.len() == 3 && ("qaa"..="qtz").contains(&code);
    if is_for_local_use && code.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Some(code);
    }
    let language = from_code_1(code)
        .or_else(|| from_code_2b(code))
        .or_else(|| from_code_3(code))?;
    Some(if language.code.is_empty() {
        code
    } else {
        language.code
    })
}

impl TryFrom<String> for Language {
    type Error = InvalidLanguage;

    fn try_from(code: String) -> Result<Self, Self::Error> {
        code.parse()
    }
}

impl From<Language> for String {
    fn from(language: Language) -> Self {
        language.code
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code)
    }
}

impl Language {
    /// Divides `text` into sentences by the rules of the crate `sentencex`. Together they are the text, white space
    /// included.
    #[cfg(feature = "sentences")]
    pub(crate) fn segments<'a>(&self, text: &'a str) -> Vec<&'a str> {
        // Without the subtags, with which `sentencex` finds no related language for most codes.
        let language = self.code.split('-').next().unwrap_or_default();
        sentencex::segment(language, text)
    }

    /// Returns `text` as one sentence. [`TranslateOptions::validate`](crate::TranslateOptions::validate) refuses a text
    /// of several sentences, because finding them takes the feature `sentences`.
    #[cfg(not(feature = "sentences"))]
    pub(crate) fn segments<'a>(&self, text: &'a str) -> Vec<&'a str> {
        vec![text]
    }
}

/// Returns the token that names a target language in the vocabulary of a model of several: `>>deu<<` for `deu`.
pub(crate) fn token(code: &str) -> String {
    format!(">>{code}<<")
}

/// The error for a string that is not the code of a language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is no code of a language, such as en, deu, zh-Hant or pt_BR")]
pub struct InvalidLanguage;

/// The languages that a model translates between, as far as its folder names them.
///
/// `languages.json` holds them, for example `{"source": "de", "target": "en"}`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Languages {
    /// The language of the text that the model reads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Language>,
    /// The language of the text that the model writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Language>,
}

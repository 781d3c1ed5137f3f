//! The languages of texts and of models.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A language, by its code. The language of a text decides where its sentences end: it has its own abbreviations and
/// quotation marks.
///
/// ```
/// use attend_infer::Language;
///
/// let german: Language = "de".parse()?;
/// assert_eq!(german.to_string(), "de");
/// assert_eq!(Language::default(), "en".parse()?);
/// assert!("German".parse::<Language>().is_err());
/// # Ok::<(), attend_infer::InvalidLanguage>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Language {
    /// The code in lower case, with its subtags.
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

    /// Returns the language of an ISO 639 code, such as `de`. Subtags, such as the second part of `de-AT` or `zh-hant`,
    /// do not change where sentences end. A language for which the crate `sentencex` has no rules gets the rules of a
    /// related language, or of English.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidLanguage`] if the string does not have the form of a code: two or three letters, and subtags of
    /// letters and digits after hyphens.
    fn from_str(code: &str) -> Result<Self, Self::Err> {
        let code = code.to_ascii_lowercase();
        let mut tags = code.split('-');
        let is_language =
            |tag: &str| (2..=3).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_lowercase());
        let is_subtag = |tag: &str| !tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !tags.next().is_some_and(is_language) || !tags.all(is_subtag) {
            return Err(InvalidLanguage);
        }
        Ok(Self { code })
    }
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

/// The error for a string that is not the code of a language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no code of a language, such as en or de")]
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

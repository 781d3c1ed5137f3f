//! The language of a text, which decides where its sentences end.

#[cfg(feature = "sentences")]
use std::str::FromStr;

/// The language of a text. Its abbreviations and quotation marks decide where sentences end.
///
/// ```
/// use attend_infer::Language;
///
/// let german: Language = "de".parse()?;
/// assert_eq!(Language::default(), "en".parse()?);
/// assert!("German".parse::<Language>().is_err());
/// # Ok::<(), attend_infer::InvalidLanguage>(())
/// ```
#[cfg(feature = "sentences")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Language {
    code: String,
}

#[cfg(feature = "sentences")]
impl Default for Language {
    /// English.
    fn default() -> Self {
        Self {
            code: "en".to_owned(),
        }
    }
}

#[cfg(feature = "sentences")]
impl FromStr for Language {
    type Err = InvalidLanguage;

    /// Returns the language of an ISO 639 code, such as `de`. Subtags, such as the second part of `de-AT` or `zh-hant`,
    /// are ignored. A language for which the crate `sentencex` has no rules gets the rules of a related language, or of
    /// English.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidLanguage`] if the string does not have the form of a code: two or three letters, and subtags of
    /// letters and digits after hyphens.
    fn from_str(code: &str) -> Result<Self, Self::Err> {
        let code = code.to_ascii_lowercase();
        let mut tags = code.split('-');
        let is_language =
            |tag: &&str| (2..=3).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_lowercase());
        let is_subtag = |tag: &str| !tag.is_empty() && tag.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let language = tags.next().filter(is_language).ok_or(InvalidLanguage)?;
        if !tags.all(is_subtag) {
            return Err(InvalidLanguage);
        }
        // Without the subtags, with which `sentencex` finds no related language for most codes.
        Ok(Self {
            code: language.to_owned(),
        })
    }
}

#[cfg(feature = "sentences")]
impl Language {
    /// Divides `text` into sentences. Together they are the text, white space included.
    pub(crate) fn segments<'a>(&self, text: &'a str) -> Vec<&'a str> {
        sentencex::segment(&self.code, text)
    }
}

/// The language of a text. There is none without the feature `sentences`, so that every line is one sentence.
#[cfg(not(feature = "sentences"))]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Language {}

#[cfg(not(feature = "sentences"))]
impl Language {
    pub(crate) fn segments<'a>(&self, _: &'a str) -> Vec<&'a str> {
        match *self {}
    }
}

/// The error for a string that is not the code of a language.
#[cfg(feature = "sentences")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no code of a language, such as en or de")]
pub struct InvalidLanguage;

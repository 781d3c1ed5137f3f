//! The target language of lines, for models that translate into several languages.

use std::borrow::Cow;

use attend_data::Tokenizer;

use crate::language;
use crate::options::TranslateOptions;

/// The token that names the target language of a line, such as `>>deu<<`, as far as it has to be put before the
/// sentences of the line.
#[derive(Clone, Debug, Default)]
pub(super) struct TargetLanguage {
    token: Option<String>,
    /// The byte of the line at which its sentences begin: behind the token, if the line begins with it.
    pub(super) start: usize,
}

impl TargetLanguage {
    /// Returns the target language of a line as its options have it read: as a text or as one sentence.
    pub(super) fn of_line(tokenizer: &Tokenizer, line: &str, options: &TranslateOptions) -> Self {
        if options.language.is_some() {
            Self::of_text(tokenizer, line, options)
        } else {
            Self::of_sentence(tokenizer, line, options)
        }
    }

    /// Returns the target language of a text that is divided into sentences: the language that it begins with, or else
    /// the one of the options.
    fn of_text(tokenizer: &Tokenizer, text: &str, options: &TranslateOptions) -> Self {
        let trimmed = text.trim_start();
        match tokenizer.language_token(trimmed) {
            None => Self::of_options(options),
            Some((token, _)) => Self {
                start: text.len() - trimmed.len() + token.end,
                token: Some(trimmed[token].to_owned()),
            },
        }
    }

    /// Returns the target language of a line that is one sentence: none if it begins with a language, which the
    /// tokenizer reads there, or else the one of the options.
    pub(super) fn of_sentence(tokenizer: &Tokenizer, sentence: &str, options: &TranslateOptions) -> Self {
        match tokenizer.language_token(sentence) {
            None => Self::of_options(options),
            Some(_) => Self::default(),
        }
    }

    /// Returns the target language of a line that names none.
    pub(super) fn of_options(options: &TranslateOptions) -> Self {
        Self {
            token: options.target_language.as_deref().map(language::token),
            start: 0,
        }
    }

    /// Returns a sentence of the line as the model reads it, for example `>>deu<< We are hungry.`
    pub(super) fn before<'a>(&self, sentence: &'a str) -> Cow<'a, str> {
        match &self.token {
            None => Cow::Borrowed(sentence),
            Some(token) => Cow::Owned(format!("{token} {sentence}")),
        }
    }
}

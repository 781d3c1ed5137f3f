//! Translations.

use serde::Serialize;

use crate::alignment::Alignment;
use crate::links::Link;

/// One translation of a line.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Translation {
    /// The translation's text.
    pub text: String,
    /// The log-probability divided by the length divisor, plus the coverage penalty; see
    /// [`SearchOptions::score`](crate::search::SearchOptions::score). Higher is better. The score of a text is the sum
    /// over its sentences.
    pub score: f32,
    /// Natural logarithm of the translation's probability, `</s>` included if the translation ends in one. It includes
    /// the [repetition penalty](crate::search::SearchOptions::repetition_penalty), but not the temperature, top-k and
    /// top-p of sampling. The log-probability of a text is the sum over its sentences.
    pub log_probability: f32,
    /// The translation's token ids, without `<s>` and `</s>`.
    #[serde(skip)]
    pub tokens: Vec<u32>,
    /// The source word of each word of the translation, if the option
    /// [`alignment`](crate::TranslateOptions::alignment) is set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alignment: Option<Alignment>,
}

/// A translation of a sentence, with the links of its words to those of its line if the line has markup or spans to
/// keep. [`EncodedLines::translations`](crate::EncodedLines::translations) joins the sentences of a line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LinkedTranslation {
    pub(crate) translation: Translation,
    pub(crate) links: Vec<Link>,
}

impl From<Translation> for LinkedTranslation {
    fn from(translation: Translation) -> Self {
        Self {
            translation,
            links: Vec::new(),
        }
    }
}

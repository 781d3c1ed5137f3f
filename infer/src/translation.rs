//! Translations.

use serde::Serialize;

use crate::alignment::Alignment;

/// One translation of a line.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Translation {
    /// The translation's text.
    pub text: String,
    /// The number by which translations are ranked: see [`Hypothesis::score`](crate::search::Hypothesis::score).
    pub score: f32,
    /// Natural logarithm of the translation's probability, `</s>` included if the translation ends in one: see
    /// [`Hypothesis::log_probability`](crate::search::Hypothesis::log_probability).
    pub log_probability: f32,
    /// The translation's token ids, without `<s>` and `</s>`.
    #[serde(skip)]
    pub tokens: Vec<u32>,
    /// The source words of the translation's words, if the options [ask](crate::TranslateOptions::alignment) for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alignment: Option<Alignment>,
}

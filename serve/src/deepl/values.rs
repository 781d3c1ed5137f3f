//! Values of parameters: forms have them as text, and clients that send JSON write some of them in several ways.

use serde::Deserialize;

use crate::error::ApiError;

/// A word, a number or a truth value.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "it is neither a string nor a number nor true or false")]
pub(super) enum Word {
    Text(String),
    Number(u64),
    Truth(bool),
}

/// One string, or several.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "it is neither a string nor an array of strings")]
pub(super) enum List {
    One(String),
    Several(Vec<String>),
}

impl Word {
    /// Returns the value as a form has it. A form has 1 for true.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
            Self::Truth(truth) => u8::from(*truth).to_string(),
        }
    }
}

/// Returns the truth value of a parameter, which is false if it is missing.
///
/// # Errors
///
/// If the value is none.
pub(super) fn truth(parameter: &str, value: Option<&Word>) -> Result<bool, ApiError> {
    match value.map(Word::text).as_deref() {
        None | Some("0" | "false") => Ok(false),
        Some("1" | "true") => Ok(true),
        Some(other) => Err(ApiError::bad_request(format!(
            "{parameter} is {other:?}, but it can be true or false"
        ))),
    }
}

impl List {
    pub(super) fn as_slice(&self) -> &[String] {
        match self {
            Self::One(text) => std::slice::from_ref(text),
            Self::Several(texts) => texts,
        }
    }

    /// Returns names, each of which may stand in an entry of its own or between commas.
    pub(super) fn names(list: Option<&Self>) -> Vec<String> {
        let entries = list.map_or(&[][..], Self::as_slice).iter();
        let names = entries.flat_map(|entry| entry.split(',')).map(str::trim);
        names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }
}

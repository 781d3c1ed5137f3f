//! Texts.

use std::sync::Arc;

use attend_infer::{Format, Language, TagNames};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Refusal;
use super::languages::base_code;
use super::request::{Common, CommonAsked};
use super::values::{List, Word, truth};
use crate::access::Caller;
use crate::error::ApiError;
use crate::parameters::{Parameters, missing};
use crate::service::{Division, Service, SourceText, TextOptions};

/// What `/v2/translate` is asked for. Further parameters change nothing here: the `context` of a text, since a model
/// reads a sentence by itself; `preserve_formatting`, since nothing is corrected; and `outline_detection`.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = DeeplAsked)]
pub(super) struct Asked {
    text: Option<List>,
    #[serde(flatten)]
    common: CommonAsked,
    split_sentences: Option<Word>,
    preserve_formatting: Option<Word>,
    outline_detection: Option<Word>,
    tag_handling: Option<String>,
    ignore_tags: Option<List>,
    splitting_tags: Option<List>,
    non_splitting_tags: Option<List>,
    show_billed_characters: Option<Word>,
    model_type: Option<String>,
}

/// The most names of elements in a list.
const MOST_TAG_NAMES: usize = 100;

/// What `/v2/translate` answers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Translations {
    translations: Vec<Translation>,
}

/// A translation in the answer.
#[derive(Debug, Serialize, ToSchema)]
struct Translation {
    detected_source_language: String,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    billed_characters: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    model_type_used: Option<&'static str>,
}

/// Translates texts.
#[utoipa::path(
    post,
    path = "/v2/translate",
    operation_id = "deepl_translate",
    tag = "DeepL",
    request_body(content((Asked = "application/json"), (Asked = "application/x-www-form-urlencoded"))),
    responses((status = 200, description = "The translation of each text.", body = Translations), Refusal)
)]
pub(super) async fn translate(
    State(service): State<Arc<Service>>,
    caller: Caller,
    Parameters(asked): Parameters<Asked>,
) -> Result<Json<Translations>, ApiError> {
    let texts = asked.text.as_ref().ok_or_else(|| missing("text"))?.as_slice();
    let characters = caller.check(texts.iter().map(String::as_str))?;
    let common = asked.common.checked(&service, &caller)?;
    let options = asked.options(&common)?;
    let shows_characters = truth("show_billed_characters", asked.show_billed_characters.as_ref())?;
    let model_type = asked.model_type()?;
    let Common { source, target, .. } = &common;
    let languages: Vec<Language> = match source {
        Some(source) => vec![source.clone(); texts.len()],
        None => {
            let detector = service.detector_for(target);
            texts.iter().map(|text| detector.detect(text).language).collect()
        }
    };
    let sources = texts.iter().zip(&languages);
    let sources: Vec<SourceText<'_>> = sources
        .map(|(text, language)| SourceText { text, language })
        .collect();
    let translating = service.translate(&sources, target, &options);
    let found = caller.spend_for(characters, translating).await?;
    let translations = sources
        .iter()
        .zip(found)
        .map(|(source, mut best_first)| Translation {
            detected_source_language: base_code(source.language),
            text: best_first.swap_remove(0),
            billed_characters: shows_characters.then(|| source.text.chars().count()),
            model_type_used: model_type,
        });
    Ok(Json(Translations {
        translations: translations.collect(),
    }))
}

impl Asked {
    fn options(&self, common: &Common) -> Result<TextOptions<'static>, ApiError> {
        truth("preserve_formatting", self.preserve_formatting.as_ref())?;
        truth("outline_detection", self.outline_detection.as_ref())?;
        let format = match self.tag_handling.as_deref() {
            None | Some("") => Format::Text,
            Some("xml") => Format::Xml,
            Some("html") => Format::Html,
            Some(other) => {
                let message = format!("tag_handling is {other:?}, but it can be xml or html");
                return Err(ApiError::bad_request(message));
            }
        };
        let division = match self.split_sentences.as_ref().map(Word::text).as_deref() {
            None | Some("1") => Division::Lines,
            Some("nonewlines") => Division::Sentences,
            Some("0") => Division::Nowhere,
            Some(other) => {
                let message = format!("split_sentences is {other:?}, but it can be 0, 1 or nonewlines");
                return Err(ApiError::bad_request(message));
            }
        };
        Ok(TextOptions {
            division,
            tags: TagNames {
                kept: tag_names("ignore_tags", self.ignore_tags.as_ref())?,
                breaks: tag_names("splitting_tags", self.splitting_tags.as_ref())?,
                inline: tag_names("non_splitting_tags", self.non_splitting_tags.as_ref())?,
            },
            glossary: Arc::clone(&common.glossary),
            ..TextOptions::soon(format, 0)
        })
    }

    /// Returns what is answered for the type of the model. There is one model between two languages, which is the best
    /// and the fastest.
    fn model_type(&self) -> Result<Option<&'static str>, ApiError> {
        match self.model_type.as_deref() {
            None => Ok(None),
            Some("latency_optimized") => Ok(Some("latency_optimized")),
            Some("quality_optimized" | "prefer_quality_optimized") => Ok(Some("quality_optimized")),
            Some(other) => Err(ApiError::bad_request(format!(
                "model_type is {other:?}, but it can be latency_optimized, quality_optimized or \
                 prefer_quality_optimized"
            ))),
        }
    }
}

/// Returns the names of elements. Each tag of a text is compared with all of them.
fn tag_names(parameter: &str, list: Option<&List>) -> Result<Vec<String>, ApiError> {
    let names = List::names(list);
    if names.len() > MOST_TAG_NAMES {
        let count = names.len();
        let message = format!("{parameter} has {count} names, but it can have {MOST_TAG_NAMES}");
        return Err(ApiError::bad_request(message));
    }
    Ok(names)
}

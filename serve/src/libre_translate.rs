//! The interface of LibreTranslate, as its clients call it.

use std::slice;
use std::sync::Arc;

use attend_infer::Format;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use crate::detection::Detection;
use crate::error::ApiError;
use crate::languages::{code, name};
use crate::parameters::{Parameters, language, missing};
use crate::service::{ServedLanguage, Service, SourceText, TextOptions};

/// The most alternatives of a translation.
const MOST_ALTERNATIVES: usize = 10;

/// What clients write in place of the language of a text that they do not know.
const AUTO: &str = "auto";

/// Returns the routes of the interface.
pub(crate) fn routes() -> Router<Arc<Service>> {
    Router::new()
        .route("/translate", post(translate))
        .route("/detect", post(detect))
        .route("/languages", get(languages))
        .route("/frontend/settings", get(settings))
        .route("/health", get(health))
}

/// What `/translate` and `/detect` are asked for.
#[derive(Debug, Deserialize)]
struct Asked {
    q: Option<Texts>,
    source: Option<String>,
    target: Option<String>,
    format: Option<String>,
    #[serde(default, deserialize_with = "number")]
    alternatives: usize,
}

/// One text, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "q is neither a string nor an array of strings")]
enum Texts {
    One(String),
    Several(Vec<String>),
}

/// What `/translate` answers. For one text each field has its value, and for several texts an array of their values.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    translated_text: Value,
    /// The languages that were found out, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    detected_language: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alternatives: Option<Value>,
}

async fn health() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

async fn languages(State(service): State<Arc<Service>>) -> Json<Value> {
    let language = |served: &ServedLanguage| {
        json!({
            "code": code(&served.language),
            "name": name(&served.language),
            "targets": served.targets.iter().map(code).collect::<Vec<_>>(),
        })
    };
    Json(service.languages().iter().map(language).collect())
}

/// Answers what LibreTranslate's page asks before it shows itself.
async fn settings(State(service): State<Arc<Service>>) -> Json<Value> {
    let languages = service.languages();
    let is_target = |served: &&ServedLanguage| {
        languages
            .iter()
            .any(|other| other.targets.contains(&served.language))
    };
    let target = languages.iter().find(is_target).map(|served| &served.language);
    Json(json!({
        "apiKeys": false,
        "charLimit": -1,
        "filesTranslation": false,
        "frontendTimeout": 500,
        "keyRequired": false,
        "language": {
            "source": {"code": AUTO, "name": "Auto Detect"},
            "target": target.map(|target| json!({"code": code(target), "name": name(target)})),
        },
        "suggestions": false,
        "supportedFilesFormat": [],
    }))
}

async fn detect(
    State(service): State<Arc<Service>>,
    Parameters(asked): Parameters<Asked>,
) -> Result<Json<Value>, ApiError> {
    match asked.q {
        None => Err(missing("q")),
        Some(Texts::One(text)) => Ok(Json(json!([found(&service.detector().detect(&text))]))),
        Some(Texts::Several(_)) => Err(ApiError::bad_request("q is not a string")),
    }
}

async fn translate(
    State(service): State<Arc<Service>>,
    Parameters(asked): Parameters<Asked>,
) -> Result<Json<Answer>, ApiError> {
    let texts = asked.q.as_ref().ok_or_else(|| missing("q"))?.as_slice();
    let options = asked.options()?;
    let target = language("target", asked.target.as_deref())?;
    let is_auto = asked.source.as_deref() == Some(AUTO);
    let detections: Vec<Detection> = if is_auto {
        let detector = service.detector_for(&target);
        texts.iter().map(|text| detector.detect(text)).collect()
    } else {
        let source = language("source", asked.source.as_deref())?;
        vec![Detection::certain(source); texts.len()]
    };
    let texts = texts.iter().zip(&detections);
    let texts: Vec<SourceText<'_>> = texts
        .map(|(text, Detection { language, .. })| SourceText { text, language })
        .collect();
    let translations = service.translate(&texts, &target, options).await?;
    let values = |values: Vec<Value>| asked.answered(values);
    Ok(Json(Answer {
        translated_text: values(translations.iter().map(|texts| json!(texts[0])).collect()),
        detected_language: is_auto.then(|| values(detections.iter().map(found).collect())),
        alternatives: (options.alternatives > 0)
            .then(|| values(translations.iter().map(|texts| json!(texts[1..])).collect())),
    }))
}

/// Returns a language that was found out, as clients read it.
fn found(detection: &Detection) -> Value {
    json!({"confidence": detection.confidence, "language": code(&detection.language)})
}

impl Texts {
    fn as_slice(&self) -> &[String] {
        match self {
            Self::One(text) => slice::from_ref(text),
            Self::Several(texts) => texts,
        }
    }
}

impl Asked {
    fn options(&self) -> Result<TextOptions, ApiError> {
        let format = match self.format.as_deref() {
            None | Some("text") => Format::Text,
            Some("html") => Format::Html,
            Some(other) => {
                let message = format!("format is {other:?}, but it can be text or html");
                return Err(ApiError::bad_request(message));
            }
        };
        let alternatives = self.alternatives;
        if alternatives > MOST_ALTERNATIVES {
            let message =
                format!("alternatives is {alternatives}, but it can be at most {MOST_ALTERNATIVES}");
            return Err(ApiError::bad_request(message));
        }
        Ok(TextOptions { format, alternatives })
    }

    /// Returns what is answered, given the value for each text.
    fn answered(&self, mut values: Vec<Value>) -> Value {
        match self.q {
            Some(Texts::One(_)) => values.swap_remove(0),
            _ => Value::Array(values),
        }
    }
}

/// Reads a number, which forms have as text.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "alternatives is not a number from 0")]
    enum Number {
        Number(usize),
        Text(String),
    }
    match Number::deserialize(deserializer)? {
        Number::Number(number) => Ok(number),
        Number::Text(text) => text
            .parse()
            .map_err(|_| serde::de::Error::custom("alternatives is not a number from 0")),
    }
}

//! The interface of LibreTranslate, as its clients call it.

use std::slice;
use std::sync::Arc;

use attend_documents::DocumentKind;
use attend_infer::{Format, Glossary};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Path as UrlPath, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HOST, X_CONTENT_TYPE_OPTIONS};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Value, json};

use crate::access::{Access, Visitor};
use crate::detection::Detection;
use crate::documents::{document_kind, read_document, translated_name};
use crate::error::ApiError;
use crate::files::Files;
use crate::languages::{code, name};
use crate::parameters::{Parameters, language, missing, of_fields};
use crate::service::{ServedLanguage, Service, SourceText, TextOptions};

/// The most alternatives of a translation.
const MOST_ALTERNATIVES: usize = 10;

/// The most bytes of a request with a file.
pub(crate) const MOST_FILE_BYTES: usize = 20 << 20;

/// What clients write in place of the language of a text that they do not know.
const AUTO: &str = "auto";

/// Returns the routes of the interface.
pub(crate) fn routes() -> Router<Arc<Service>> {
    Router::new()
        .route("/translate", post(translate))
        .route(
            "/translate_file",
            post(translate_file).layer(DefaultBodyLimit::max(MOST_FILE_BYTES)),
        )
        .route("/download_file/{id}", get(download_file))
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
    api_key: Option<String>,
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
async fn settings(
    State(service): State<Arc<Service>>,
    Extension(access): Extension<Arc<Access>>,
) -> Json<Value> {
    let languages = service.languages();
    let is_target = |served: &&ServedLanguage| {
        languages
            .iter()
            .any(|other| other.targets.contains(&served.language))
    };
    let target = languages.iter().find(is_target).map(|served| &served.language);
    Json(json!({
        "apiKeys": access.needs_keys(),
        "charLimit": access.limits().characters.map_or(json!(-1), |characters| json!(characters)),
        "filesTranslation": true,
        "frontendTimeout": 500,
        "keyRequired": access.needs_keys(),
        "language": {
            "source": {"code": AUTO, "name": "Auto Detect"},
            "target": target.map(|target| json!({"code": code(target), "name": name(target)})),
        },
        "suggestions": false,
        "supportedFilesFormat": DocumentKind::ALL.map(|kind| format!(".{kind}")),
    }))
}

async fn detect(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    Parameters(asked): Parameters<Asked>,
) -> Result<Json<Value>, ApiError> {
    visitor.with_key(asked.api_key.as_deref())?;
    match asked.q {
        None => Err(missing("q")),
        Some(Texts::One(text)) => Ok(Json(json!([found(&service.detector().detect(&text))]))),
        Some(Texts::Several(_)) => Err(ApiError::bad_request("q is not a string")),
    }
}

async fn translate(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    Parameters(asked): Parameters<Asked>,
) -> Result<Json<Answer>, ApiError> {
    let caller = visitor.with_key(asked.api_key.as_deref())?;
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
    caller.spend_texts(texts.iter().map(|source| source.text))?;
    let translations = service.translate(&texts, &target, &options).await?;
    let values = |values: Vec<Value>| asked.answered(values);
    Ok(Json(Answer {
        translated_text: values(translations.iter().map(|texts| json!(texts[0])).collect()),
        detected_language: is_auto.then(|| values(detections.iter().map(found).collect())),
        alternatives: (options.alternatives > 0)
            .then(|| values(translations.iter().map(|texts| json!(texts[1..])).collect())),
    }))
}

/// Translates a file. The answer says where the translation is fetched.
async fn translate_file(
    State(service): State<Arc<Service>>,
    Extension(files): Extension<Arc<Files>>,
    visitor: Visitor,
    request: Request,
) -> Result<Json<Value>, ApiError> {
    let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let host = host.unwrap_or_default().to_owned();
    let fields = Multipart::from_request(request, &()).await?;
    let (asked, file) = of_fields::<FileAsked>(fields).await?;
    let caller = visitor.with_key(asked.api_key.as_deref())?;
    let (name, bytes) = file.ok_or_else(|| missing("file"))?;
    let kind = document_kind(&name)?;
    let target = language("target", asked.target.as_deref())?;
    let source = match asked.source.as_deref() {
        Some(AUTO) => None,
        source => Some(language("source", source)?),
    };
    let (document, _) = read_document(&caller, &bytes, kind)?;
    let no_terms = Arc::<Glossary>::default();
    let translated = service
        .translate_document(&document, source, &target, &no_terms)
        .await?;
    let kept = files.keep(translated_name(&name, &target, kind), &translated);
    let id = kept.map_err(|error| ApiError::internal(format!("cannot keep the file: {error}")))?;
    Ok(Json(
        json!({ "translatedFileUrl": format!("http://{host}/download_file/{id}") }),
    ))
}

/// What `/translate_file` is asked for, beside the file.
#[derive(Debug, Deserialize)]
struct FileAsked {
    source: Option<String>,
    target: Option<String>,
    api_key: Option<String>,
}

/// Answers with a translated file, which a browser saves and does not show.
async fn download_file(
    Extension(files): Extension<Arc<Files>>,
    UrlPath(id): UrlPath<String>,
) -> Result<impl IntoResponse, ApiError> {
    let message = "there is no such file; files are kept for ten minutes";
    let (name, bytes) = files
        .fetch(&id)
        .ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, message))?;
    let name = utf8_percent_encode(&name, NON_ALPHANUMERIC);
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename*=UTF-8''{name}"),
        ),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    Ok((headers, bytes))
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
        Ok(TextOptions::soon(format, alternatives))
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

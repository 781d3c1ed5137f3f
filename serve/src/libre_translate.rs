//! The interface of LibreTranslate, as its clients call it.

use std::sync::Arc;

use attend_documents::DocumentKind;
use attend_infer::{Format, Glossary};
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Path as UrlPath, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, HOST};
use axum::response::IntoResponse;
use axum::{Extension, Json};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use crate::access::{Access, Visitor};
use crate::admission::{Admission, MOST_FILE_BYTES};
use crate::detection::Detection;
use crate::documents::{document_kind, read_document, translated_name};
use crate::error::ApiError;
use crate::files::Files;
use crate::languages::{code, name};
use crate::parameters::{AUTO, Parameters, Texts, language, missing, of_fields};
use crate::service::{ServedLanguage, Service, SourceText, TextOptions};

/// The most alternatives of a translation.
const MOST_ALTERNATIVES: usize = 10;

/// Returns the routes of the interface.
pub(crate) fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::default()
        .routes(routes!(translate))
        .routes(routes!(translate_file).layer(DefaultBodyLimit::max(MOST_FILE_BYTES)))
        .routes(routes!(download_file))
        .routes(routes!(detect))
        .routes(routes!(languages))
        .routes(routes!(settings))
        .routes(routes!(health))
}

/// What `/translate` is asked for.
#[derive(Debug, Deserialize, ToSchema)]
struct Asked {
    /// The text, or in JSON an array of texts.
    #[schema(required)]
    q: Option<Texts>,
    /// The code of the text's language, or `auto`.
    #[schema(required, example = "en")]
    source: Option<String>,
    /// The code of the language of the translation.
    #[schema(required, example = "de")]
    target: Option<String>,
    /// `text`, the default, or `html`.
    format: Option<String>,
    /// The number of translations beside the best.
    #[serde(default, deserialize_with = "number")]
    #[schema(maximum = 10)]
    alternatives: usize,
    /// A key, if the server needs one and it is in no header.
    api_key: Option<String>,
}

/// What `/detect` is asked for.
#[derive(Debug, Deserialize, ToSchema)]
struct DetectAsked {
    #[schema(required)]
    q: Option<String>,
    /// A key, if the server needs one and it is in no header.
    api_key: Option<String>,
}

/// What `/translate` answers. For one text each field has its value, and for several texts an array of their values.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct Answer {
    translated_text: OneOrSeveral<String>,
    /// The languages that were found out, if they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    detected_language: Option<OneOrSeveral<DetectionAnswer>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alternatives: Option<OneOrSeveral<Vec<String>>>,
}

/// A value, or an array of several.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
enum OneOrSeveral<T> {
    One(T),
    Several(Vec<T>),
}

/// A language that a text probably has.
#[derive(Debug, Serialize, ToSchema)]
struct DetectionAnswer {
    /// How sure that is, in percent.
    confidence: u8,
    /// The code of the language.
    language: String,
}

/// A language of the server's models.
#[derive(Debug, Serialize, ToSchema)]
struct LanguageAnswer {
    code: String,
    name: String,
    /// The codes of the languages that it is translated into.
    targets: Vec<String>,
}

/// What LibreTranslate's page asks before it shows itself.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct SettingsAnswer {
    api_keys: bool,
    /// The most characters of a request, or -1.
    char_limit: i64,
    files_translation: bool,
    frontend_timeout: u32,
    key_required: bool,
    language: ChosenLanguages,
    suggestions: bool,
    supported_files_format: Vec<String>,
}

/// The languages that a page chooses first.
#[derive(Debug, Serialize, ToSchema)]
struct ChosenLanguages {
    source: NamedLanguage,
    target: Option<NamedLanguage>,
}

/// A language with its name.
#[derive(Debug, Serialize, ToSchema)]
struct NamedLanguage {
    code: String,
    name: String,
}

/// Where a translated file is fetched.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct FileAnswer {
    translated_file_url: String,
}

/// Whether the server is well.
#[derive(Debug, Serialize, ToSchema)]
struct HealthAnswer {
    /// `ok`.
    status: &'static str,
}

/// Tell that the server runs.
#[utoipa::path(
    get,
    path = "/health",
    tag = "LibreTranslate",
    responses((status = 200, description = "It does.", body = HealthAnswer))
)]
async fn health() -> Json<HealthAnswer> {
    Json(HealthAnswer { status: "ok" })
}

/// List the languages.
#[utoipa::path(
    get,
    path = "/languages",
    tag = "LibreTranslate",
    responses((status = 200, description = "The languages of all models.", body = Vec<LanguageAnswer>))
)]
async fn languages(State(service): State<Arc<Service>>) -> Json<Vec<LanguageAnswer>> {
    let language = |served: &ServedLanguage| LanguageAnswer {
        code: code(&served.language),
        name: name(&served.language),
        targets: served.targets.iter().map(code).collect(),
    };
    Json(service.languages().iter().map(language).collect())
}

/// Answer what LibreTranslate's page asks before it shows itself.
#[utoipa::path(
    get,
    path = "/frontend/settings",
    tag = "LibreTranslate",
    responses((status = 200, description = "The settings.", body = SettingsAnswer))
)]
async fn settings(
    State(service): State<Arc<Service>>,
    Extension(access): Extension<Arc<Access>>,
) -> Json<SettingsAnswer> {
    let languages = service.languages();
    let is_target = |served: &&ServedLanguage| {
        languages
            .iter()
            .any(|other| other.targets.contains(&served.language))
    };
    let target = languages.iter().find(is_target).map(|served| &served.language);
    let characters = access.limits().characters;
    Json(SettingsAnswer {
        api_keys: access.needs_keys(),
        char_limit: characters.map_or(-1, |characters| characters as i64),
        files_translation: true,
        frontend_timeout: 500,
        key_required: access.needs_keys(),
        language: ChosenLanguages {
            source: NamedLanguage {
                code: AUTO.to_owned(),
                name: "Auto Detect".to_owned(),
            },
            target: target.map(|target| NamedLanguage {
                code: code(target),
                name: name(target),
            }),
        },
        suggestions: false,
        supported_files_format: DocumentKind::ALL.map(|kind| format!(".{kind}")).into(),
    })
}

/// Find out the language of a text.
#[utoipa::path(
    post,
    path = "/detect",
    tag = "LibreTranslate",
    request_body(content((DetectAsked = "application/json"), (DetectAsked = "application/x-www-form-urlencoded"),
        (DetectAsked = "multipart/form-data"))),
    responses((status = 200, description = "The language that the text probably has.",
        body = Vec<DetectionAnswer>), ApiError)
)]
async fn detect(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    Parameters(asked): Parameters<DetectAsked>,
) -> Result<Json<[DetectionAnswer; 1]>, ApiError> {
    let caller = visitor.with_key(asked.api_key.as_deref())?;
    let text = asked.q.ok_or_else(|| missing("q"))?;
    caller.check([text.as_str()])?;
    Ok(Json([service.detector().detect(&text).into()]))
}

/// Translate texts.
#[utoipa::path(
    post,
    path = "/translate",
    tag = "LibreTranslate",
    request_body(content((Asked = "application/json"), (Asked = "application/x-www-form-urlencoded"),
        (Asked = "multipart/form-data"))),
    responses((status = 200, description = "The translation, or for an array the translations.",
        body = Answer), ApiError)
)]
async fn translate(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    Parameters(asked): Parameters<Asked>,
) -> Result<Json<Answer>, ApiError> {
    let caller = visitor.with_key(asked.api_key.as_deref())?;
    let texts = asked.q.as_ref().ok_or_else(|| missing("q"))?.as_slice();
    let characters = caller.check(texts.iter().map(String::as_str))?;
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
    let translating = service.translate(&texts, &target, &options);
    let translations = caller.spend_for(characters, translating).await?;
    let (best, others) = translations
        .into_iter()
        .map(|mut best_first| {
            let others = best_first.split_off(1);
            (best_first.swap_remove(0), others)
        })
        .unzip();
    Ok(Json(Answer {
        translated_text: asked.answered(best),
        detected_language: is_auto.then(|| asked.answered(detections.into_iter().map(Into::into).collect())),
        alternatives: (options.alternatives > 0).then(|| asked.answered(others)),
    }))
}

/// Translate a file. The answer says where the translation is fetched.
#[utoipa::path(
    post,
    path = "/translate_file",
    tag = "LibreTranslate",
    request_body(content = FileFields, content_type = "multipart/form-data"),
    responses((status = 200, description = "Where the translation is.", body = FileAnswer), ApiError)
)]
async fn translate_file(
    State(service): State<Arc<Service>>,
    Extension(files): Extension<Arc<Files>>,
    visitor: Visitor,
    request: Request,
) -> Result<Json<FileAnswer>, ApiError> {
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
    let _place = service.place_of_document()?;
    let (document, characters) = read_document(&bytes, kind)?;
    let no_terms = Arc::<Glossary>::default();
    let translating = service.translate_document(&document, source, &target, &no_terms);
    let translated = caller.spend_for(characters, translating).await?;
    let kept = files.keep(translated_name(&name, &target, kind), &translated);
    let id = kept.map_err(|error| ApiError::internal(format!("cannot keep the file: {error}")))?;
    Ok(Json(FileAnswer {
        translated_file_url: format!("http://{host}/download_file/{id}"),
    }))
}

/// The fields of a form with a file.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what a form is read for")]
struct FileFields {
    /// A document in .txt, .srt, .html, .docx or .odt.
    #[schema(content_media_type = "application/octet-stream")]
    file: Vec<u8>,
    /// The code of the document's language, or `auto`.
    source: String,
    /// The code of the language of the translation.
    target: String,
    /// A key, if the server needs one and it is in no header.
    api_key: Option<String>,
}

/// What `/translate_file` is asked for, beside the file.
#[derive(Debug, Deserialize)]
struct FileAsked {
    source: Option<String>,
    target: Option<String>,
    api_key: Option<String>,
}

/// Fetch a translated file, which a browser saves and does not show.
#[utoipa::path(
    get,
    path = "/download_file/{id}",
    tag = "LibreTranslate",
    params(("id" = String, Path, description = "The end of the address that `/translate_file` answered.")),
    responses((status = 200, description = "The file.", content_type = "application/octet-stream"), ApiError)
)]
async fn download_file(
    Extension(files): Extension<Arc<Files>>,
    Extension(admission): Extension<Admission>,
    UrlPath(id): UrlPath<String>,
) -> Result<impl IntoResponse, ApiError> {
    let message = "there is no such file; files are kept for ten minutes";
    let (name, bytes) = files
        .fetch(&id)
        .ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, message))?;
    let name = utf8_percent_encode(&name, NON_ALPHANUMERIC);
    let headers = [
        (CONTENT_TYPE, "application/octet-stream".to_owned()),
        (CONTENT_LENGTH, bytes.len().to_string()),
        (
            CONTENT_DISPOSITION,
            format!("attachment; filename*=UTF-8''{name}"),
        ),
    ];
    Ok((headers, admission.answer(bytes)?))
}

impl From<Detection> for DetectionAnswer {
    fn from(detection: Detection) -> Self {
        Self {
            confidence: detection.confidence,
            language: code(&detection.language),
        }
    }
}

impl Asked {
    fn options(&self) -> Result<TextOptions<'static>, ApiError> {
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
    fn answered<T>(&self, mut values: Vec<T>) -> OneOrSeveral<T> {
        match self.q {
            Some(Texts::One(_)) => OneOrSeveral::One(values.swap_remove(0)),
            _ => OneOrSeveral::Several(values),
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

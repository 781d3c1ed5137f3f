//! Documents: a client uploads one, asks how far its translation is, and fetches the result.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use attend_documents::{Document, DocumentKind};
use axum::extract::{FromRequest, Multipart, Path, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;
use utoipa::ToSchema;

use super::Refusal;
use super::request::{Common, CommonAsked};
use crate::access::Caller;
use crate::admission::Admission;
use crate::documents::{DEADLINE, document_kind, read_document, translated_name};
use crate::error::ApiError;
use crate::files::{Files, unguessable};
use crate::parameters::{Parameters, missing, of_fields};
use crate::service::Service;

/// The time for which it is known what became of a document, as long as files are kept.
const LIFETIME: Duration = Duration::from_mins(10);

/// The time after which a document is tried again for whose sentences there was no room.
const RETRY: Duration = Duration::from_secs(1);

/// The documents that were uploaded, by the names that clients have for them.
#[derive(Debug, Default)]
pub(super) struct Documents(Mutex<HashMap<String, Upload>>);

/// A document that was uploaded.
#[derive(Clone, Debug)]
struct Upload {
    /// What a client shows to get at the document.
    key: String,
    /// When the document was taken, or when it was done or failed.
    since: Instant,
    characters: usize,
    progress: Progress,
}

/// How far a document is.
#[derive(Clone, Debug)]
enum Progress {
    Translating,
    /// It is translated, and this is the name of its translation among the files.
    Done(String),
    /// It is not translated, for this reason.
    Failed(String),
}

/// What an upload is asked for, beside the file.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct UploadAsked {
    #[serde(flatten)]
    common: CommonAsked,
    /// The name of the document, if it is not that of the file.
    filename: Option<String>,
    /// The ending of the translation's name, which is that of the document.
    output_format: Option<String>,
}

/// What a client shows to get at a document.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct KeyAsked {
    document_key: Option<String>,
}

/// What an upload is answered.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct UploadAnswer {
    document_id: String,
    document_key: String,
}

/// How far a document is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatusAnswer {
    document_id: String,
    /// `translating`, `done` or `error`.
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    billed_characters: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_message: Option<String>,
}

/// Takes a document, and answers while it is being translated.
#[utoipa::path(
    post,
    path = "/v2/document",
    operation_id = "deepl_upload",
    tag = "DeepL",
    request_body(content = UploadAsked, content_type = "multipart/form-data",
        description = "These fields, and the document as `file`."),
    responses((status = 200, description = "The id and the key of the document.", body = UploadAnswer), Refusal)
)]
pub(super) async fn upload(
    State(service): State<Arc<Service>>,
    Extension(files): Extension<Arc<Files>>,
    Extension(documents): Extension<Arc<Documents>>,
    caller: Caller,
    request: Request,
) -> Result<Json<UploadAnswer>, ApiError> {
    let fields = Multipart::from_request(request, &()).await?;
    let (asked, file) = of_fields::<UploadAsked>(fields).await?;
    let (name, bytes) = file.ok_or_else(|| missing("file"))?;
    let name = asked.filename.unwrap_or(name);
    let kind = document_kind(&name)?;
    if let Some(format) = asked.output_format
        && format.parse::<DocumentKind>().ok() != Some(kind)
    {
        let message = format!("output_format is {format:?}, but the document is translated into {kind}");
        return Err(ApiError::bad_request(message));
    }
    let common = asked.common.checked(&service, &caller)?;
    let place = service.place_of_document()?;
    let (document, characters) = read_document(&bytes, kind)?;
    caller.spend(characters)?;
    let (id, key) = documents.begin(characters)?;
    let answer = UploadAnswer {
        document_id: id.clone(),
        document_key: key,
    };
    tokio::spawn(async move {
        let translated = translate(&service, &document, &common).await;
        let kept = translated.and_then(|bytes| keep(&files, &name, kind, &common, &bytes));
        if kept.is_err() {
            caller.give_back(characters);
        }
        drop(place);
        documents.end(&id, kept);
    });
    Ok(Json(answer))
}

/// Translates a document, which waits until there is room for its sentences.
async fn translate(
    service: &Service,
    document: &Document,
    Common {
        source,
        target,
        glossary,
    }: &Common,
) -> Result<Vec<u8>, ApiError> {
    let last_try = Instant::now() + DEADLINE;
    loop {
        let translated = service
            .translate_document(document, source.clone(), target, glossary)
            .await;
        match translated {
            Err(error) if error.is_busy() && Instant::now() < last_try => sleep(RETRY).await,
            result => return result,
        }
    }
}

/// Keeps a translation among the files. Returns the name that it has there.
fn keep(
    files: &Files,
    name: &str,
    kind: DocumentKind,
    common: &Common,
    bytes: &[u8],
) -> Result<String, ApiError> {
    let kept = files.keep(translated_name(name, &common.target, kind), bytes);
    kept.map_err(|error| ApiError::internal(format!("cannot keep the file: {error}")))
}

/// Answers how far a document is.
#[utoipa::path(
    post,
    path = "/v2/document/{id}",
    operation_id = "deepl_document",
    tag = "DeepL",
    params(("id" = String, Path)),
    request_body(content((KeyAsked = "application/json"), (KeyAsked = "application/x-www-form-urlencoded"))),
    responses((status = 200, description = "How far it is.", body = StatusAnswer), Refusal)
)]
pub(super) async fn status(
    Extension(documents): Extension<Arc<Documents>>,
    _: Caller,
    Path(id): Path<String>,
    Parameters(asked): Parameters<KeyAsked>,
) -> Result<Json<StatusAnswer>, ApiError> {
    let upload = documents.get(&id, asked)?;
    let (status, billed_characters, error_message) = match upload.progress {
        Progress::Translating => ("translating", None, None),
        Progress::Done(_) => ("done", Some(upload.characters), None),
        Progress::Failed(reason) => ("error", None, Some(reason)),
    };
    Ok(Json(StatusAnswer {
        document_id: id,
        status,
        billed_characters,
        error_message,
    }))
}

/// Answers with the translation of a document.
#[utoipa::path(
    post,
    path = "/v2/document/{id}/result",
    operation_id = "deepl_document_result",
    tag = "DeepL",
    params(("id" = String, Path)),
    request_body(content((KeyAsked = "application/json"), (KeyAsked = "application/x-www-form-urlencoded"))),
    responses((status = 200, description = "The translation."), Refusal)
)]
pub(super) async fn result(
    Extension(documents): Extension<Arc<Documents>>,
    Extension(files): Extension<Arc<Files>>,
    Extension(admission): Extension<Admission>,
    _: Caller,
    Path(id): Path<String>,
    Parameters(asked): Parameters<KeyAsked>,
) -> Result<impl IntoResponse, ApiError> {
    match documents.get(&id, asked)?.progress {
        Progress::Translating => Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the document is not translated yet",
        )),
        Progress::Failed(reason) => Err(ApiError::bad_request(reason)),
        Progress::Done(file) => {
            let (_, bytes) = files.fetch(&file).ok_or_else(no_document)?;
            let body = admission.answer(bytes)?;
            Ok(([(CONTENT_TYPE, "application/octet-stream")], body))
        }
    }
}

fn no_document() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "there is no document of this id and key; documents are kept for ten minutes",
    )
}

impl Documents {
    /// Takes a document that is being translated. Returns its id and its key.
    fn begin(&self, characters: usize) -> Result<(String, String), ApiError> {
        let random = |_| ApiError::internal("the system gives no random numbers");
        let (id, key) = (unguessable().map_err(random)?, unguessable().map_err(random)?);
        let upload = Upload {
            key: key.clone(),
            since: Instant::now(),
            characters,
            progress: Progress::Translating,
        };
        let mut uploads = self.uploads();
        uploads.retain(|_, upload| {
            matches!(upload.progress, Progress::Translating) || upload.since.elapsed() < LIFETIME
        });
        uploads.insert(id.clone(), upload);
        drop(uploads);
        Ok((id, key))
    }

    /// Sets what became of a document: the name of the file, or what was wrong.
    fn end(&self, id: &str, kept: Result<String, ApiError>) {
        if let Some(upload) = self.uploads().get_mut(id) {
            upload.since = Instant::now();
            upload.progress = match kept {
                Ok(file) => Progress::Done(file),
                Err(error) => Progress::Failed(error.message().to_owned()),
            };
        }
    }

    /// Returns a document, if its key is shown.
    fn get(&self, id: &str, asked: KeyAsked) -> Result<Upload, ApiError> {
        let key = asked.document_key.ok_or_else(|| missing("document_key"))?;
        let uploads = self.uploads();
        let upload = uploads.get(id).filter(|upload| upload.key == key);
        upload.cloned().ok_or_else(no_document)
    }

    fn uploads(&self) -> MutexGuard<'_, HashMap<String, Upload>> {
        self.0
            .lock()
            .expect("no thread panics while it holds the documents")
    }
}

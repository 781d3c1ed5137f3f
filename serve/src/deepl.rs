//! The interface of DeepL, versions 2 and 3, as its clients call it.
//!
//! | file | content |
//! |---|---|
//! | `translate` | texts |
//! | `documents` | documents: upload, status, result |
//! | `glossaries` | glossaries of one pair of languages, and of several |
//! | `languages` | the languages, by the codes of DeepL |
//! | `usage` | the characters that a client has translated |
//! | `request` | what is asked of texts and documents alike |
//! | `values` | values, in whichever way clients write them |

mod documents;
mod glossaries;
mod languages;
mod request;
mod translate;
mod usage;
mod values;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::RETRY_AFTER;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use axum::{Extension, Json, Router};
use serde_json::json;

use crate::admission::MOST_FILE_BYTES;
use crate::error::ErrorMessage;
use crate::service::Service;
use documents::Documents;

/// Returns the routes of the interface.
pub(crate) fn routes() -> Router<Arc<Service>> {
    let upload = post(documents::upload).layer(DefaultBodyLimit::max(MOST_FILE_BYTES));
    let dictionaries = delete(glossaries::delete_dictionary).put(glossaries::replace_dictionary);
    Router::new()
        .route("/v2/translate", post(translate::translate))
        .route("/v2/languages", get(languages::languages))
        .route("/v2/usage", get(usage::usage))
        .route("/v2/document", upload)
        .route("/v2/document/{id}", post(documents::status))
        .route("/v2/document/{id}/result", post(documents::result))
        .route("/v2/glossary-language-pairs", get(glossaries::pairs))
        .route(
            "/v2/glossaries",
            get(glossaries::list_of_one_pair).post(glossaries::create_of_one_pair),
        )
        .route(
            "/v2/glossaries/{id}",
            get(glossaries::show_of_one_pair).delete(glossaries::delete),
        )
        .route(
            "/v2/glossaries/{id}/entries",
            get(glossaries::entries_of_one_pair),
        )
        .route("/v3/glossaries", get(glossaries::list).post(glossaries::create))
        .route(
            "/v3/glossaries/{id}",
            get(glossaries::show)
                .patch(glossaries::change)
                .delete(glossaries::delete),
        )
        .route("/v3/glossaries/{id}/entries", get(glossaries::entries))
        .route("/v3/glossaries/{id}/dictionaries", dictionaries)
        .layer(Extension(Arc::new(Documents::default())))
}

/// Has errors answered as DeepL's clients read them, `{"message": "…"}`, at the addresses of DeepL.
pub(crate) async fn say_errors(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_deepls = ["/v2/", "/v3/"].iter().any(|start| path.starts_with(start));
    let mut response = next.run(request).await;
    let Some(ErrorMessage(message)) = response.extensions_mut().remove().filter(|_| is_deepls) else {
        return response;
    };
    let mut answer = (response.status(), Json(json!({ "message": message }))).into_response();
    if let Some(wait) = response.headers_mut().remove(RETRY_AFTER) {
        answer.headers_mut().insert(RETRY_AFTER, wait);
    }
    answer
}

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

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request};
use axum::http::header::RETRY_AFTER;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::openapi::{RefOr, Response as OpenApiResponse};
use utoipa::{IntoResponses, ToSchema};
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use crate::admission::MOST_FILE_BYTES;
use crate::error::{ErrorMessage, described};
use crate::service::Service;
use documents::Documents;

/// Returns the routes of the interface.
pub(crate) fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::default()
        .routes(routes!(translate::translate))
        .routes(routes!(languages::languages))
        .routes(routes!(usage::usage))
        .routes(routes!(documents::upload).layer(DefaultBodyLimit::max(MOST_FILE_BYTES)))
        .routes(routes!(documents::status))
        .routes(routes!(documents::result))
        .routes(routes!(glossaries::pairs))
        .routes(routes!(
            glossaries::list_of_one_pair,
            glossaries::create_of_one_pair
        ))
        .routes(routes!(
            glossaries::show_of_one_pair,
            glossaries::delete_of_one_pair
        ))
        .routes(routes!(glossaries::entries_of_one_pair))
        .routes(routes!(glossaries::list, glossaries::create))
        .routes(routes!(glossaries::show, glossaries::change, glossaries::delete))
        .routes(routes!(glossaries::entries))
        .routes(routes!(
            glossaries::replace_dictionary,
            glossaries::delete_dictionary
        ))
        .layer(Extension(Arc::new(Documents::default())))
}

/// What is wrong, as DeepL's clients read it.
#[derive(Serialize, ToSchema)]
struct Refusal {
    message: String,
}

impl IntoResponses for Refusal {
    fn responses() -> BTreeMap<String, RefOr<OpenApiResponse>> {
        described::<Self>()
    }
}

/// Has errors answered as a [`Refusal`] at the addresses of DeepL.
pub(crate) async fn say_errors(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let is_deepls = ["/v2/", "/v3/"].iter().any(|start| path.starts_with(start));
    let mut response = next.run(request).await;
    let Some(ErrorMessage(message)) = response.extensions_mut().remove().filter(|_| is_deepls) else {
        return response;
    };
    let mut answer = (response.status(), Json(Refusal { message })).into_response();
    if let Some(wait) = response.headers_mut().remove(RETRY_AFTER) {
        answer.headers_mut().insert(RETRY_AFTER, wait);
    }
    answer
}

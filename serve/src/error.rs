//! The errors that a server answers.

use std::collections::BTreeMap;
use std::error::Error;
use std::num::NonZeroU32;
use std::time::Duration;

use axum::Json;
use axum::extract::multipart::{MultipartError, MultipartRejection};
use axum::extract::rejection::{FormRejection, JsonRejection, QueryRejection};
use axum::http::StatusCode;
use axum::http::header::RETRY_AFTER;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::openapi::content::Content;
use utoipa::openapi::{RefOr, Response as OpenApiResponse, ResponseBuilder};
use utoipa::{IntoResponses, PartialSchema, ToSchema};

use crate::scheduler::ScheduleError;

/// What an answer says is wrong, for interfaces that say it in a form of their own.
#[derive(Clone, Debug)]
pub(crate) struct ErrorMessage(pub(crate) String);

/// An answer that says what is wrong: a status, and an [`ErrorAnswer`].
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    message: String,
    /// The time after which the client may ask again.
    retry_after: Option<Duration>,
}

impl ApiError {
    pub(crate) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        let is_busy = status == StatusCode::SERVICE_UNAVAILABLE;
        Self {
            status,
            message: message.into(),
            retry_after: is_busy.then_some(Duration::from_secs(1)),
        }
    }

    /// Returns the status of the answer.
    #[cfg(test)]
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The client asked for something that is not valid, or that the server does not have.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// Something went wrong that the client has no part in.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// The client asks more often than `most` times a minute, and may ask again after a while. The text begins as
    /// LibreTranslate's clients expect it.
    pub(crate) fn too_fast(most: NonZeroU32, retry_after: Duration) -> Self {
        let message = format!("Slowdown: at most {most} requests a minute are taken");
        Self {
            retry_after: Some(retry_after),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, message)
        }
    }

    /// The client has no characters left. The status is that of DeepL.
    pub(crate) fn quota_exceeded(message: impl Into<String>) -> Self {
        let status = StatusCode::from_u16(456).expect("it has three digits");
        Self::new(status, message)
    }

    /// Returns what is wrong.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Returns whether the server cannot do what is asked for now, but perhaps later.
    pub(crate) fn is_busy(&self) -> bool {
        self.status == StatusCode::SERVICE_UNAVAILABLE
    }

    /// A body or a query is not what it should be. Clients know 400 for it, and 413 for a body that is too long.
    fn unreadable(status: StatusCode, message: String) -> Self {
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            Self::new(status, message)
        } else {
            Self::bad_request(message)
        }
    }
}

/// What is wrong, as LibreTranslate's clients read it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ErrorAnswer {
    error: String,
}

impl From<ApiError> for ErrorAnswer {
    fn from(error: ApiError) -> Self {
        Self { error: error.message }
    }
}

impl IntoResponses for ApiError {
    fn responses() -> BTreeMap<String, RefOr<OpenApiResponse>> {
        let content = Content::builder().schema(Some(ErrorAnswer::schema())).build();
        let response = ResponseBuilder::new()
            .description("What is wrong, in a sentence.")
            .content("application/json", content);
        BTreeMap::from([("default".to_owned(), response.build().into())])
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, retry_after) = (self.status, self.retry_after);
        let message = ErrorMessage(self.message.clone());
        let mut response = (status, Json(ErrorAnswer::from(self))).into_response();
        response.extensions_mut().insert(message);
        if let Some(wait) = retry_after {
            let seconds = wait.as_secs_f64().ceil().max(1.0) as u64;
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<ScheduleError> for ApiError {
    fn from(error: ScheduleError) -> Self {
        let status = match error {
            ScheduleError::Full | ScheduleError::Stopping | ScheduleError::Deadline => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            ScheduleError::Failed => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Self::new(status, error.to_string())
    }
}

impl From<JsonRejection> for ApiError {
    fn from(rejection: JsonRejection) -> Self {
        let text = rejection.body_text();
        let reason = match &rejection {
            // Its own text names a type of Rust.
            JsonRejection::JsonDataError(error) => error.source(),
            _ => None,
        };
        let text = reason.map_or(text, |reason| format!("the body is not valid: {reason}"));
        Self::unreadable(rejection.status(), text)
    }
}

impl From<FormRejection> for ApiError {
    fn from(rejection: FormRejection) -> Self {
        Self::unreadable(rejection.status(), rejection.body_text())
    }
}

impl From<QueryRejection> for ApiError {
    fn from(rejection: QueryRejection) -> Self {
        Self::unreadable(rejection.status(), rejection.body_text())
    }
}

impl From<MultipartRejection> for ApiError {
    fn from(rejection: MultipartRejection) -> Self {
        Self::unreadable(rejection.status(), rejection.body_text())
    }
}

impl From<MultipartError> for ApiError {
    fn from(error: MultipartError) -> Self {
        Self::unreadable(error.status(), error.body_text())
    }
}

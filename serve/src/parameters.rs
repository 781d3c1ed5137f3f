//! What a request asks for, in whichever way a client sends it.

use std::slice;

use attend_infer::{InvalidLanguage, Language};
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Form, FromRequest, Multipart, Query, Request};
use axum::http::Method;
use axum::http::header::CONTENT_TYPE;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::error::ApiError;
use crate::languages::parse;

/// The parameters of a request: from a body of JSON or of a form, or else from the query. A parameter that a form has
/// several times is an array.
#[derive(Debug)]
pub(crate) struct Parameters<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequest<S> for Parameters<T> {
    type Rejection = ApiError;

    async fn from_request(mut request: Request, _: &S) -> Result<Self, ApiError> {
        let kind = request.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        Ok(Self(if kind.starts_with("application/json") {
            Json::<T>::from_request(request, &()).await?.0
        } else if kind.starts_with("application/x-www-form-urlencoded") {
            // The form of a GET would be read from its query, but clients send it as a body, too.
            *request.method_mut() = Method::POST;
            of_pairs(Form::from_request(request, &()).await?.0)?
        } else if kind.starts_with("multipart/form-data") {
            let fields = Multipart::from_request(request, &()).await?;
            of_fields(fields).await?.0
        } else {
            Query::<T>::try_from_uri(request.uri())?.0
        }))
    }
}

/// A file that a form has: its name, and its content.
pub(crate) type SentFile = (String, Bytes);

/// Reads parameters from the fields of a form, as browsers send it, and the field `file`.
pub(crate) async fn of_fields<T: DeserializeOwned>(
    mut fields: Multipart,
) -> Result<(T, Option<SentFile>), ApiError> {
    let (mut pairs, mut file) = (Vec::new(), None);
    while let Some(field) = fields.next_field().await? {
        match field.name().map(str::to_owned) {
            Some(name) if name == "file" => {
                let name = field.file_name().unwrap_or_default().to_owned();
                file = Some((name, field.bytes().await?));
            }
            Some(name) => pairs.push((name, field.text().await?)),
            None => {}
        }
    }
    Ok((of_pairs(pairs)?, file))
}

/// Reads parameters from their names and values.
fn of_pairs<T: DeserializeOwned>(pairs: Vec<(String, String)>) -> Result<T, ApiError> {
    let mut values = Map::new();
    for (name, value) in pairs {
        match values.get_mut(&name) {
            None => {
                values.insert(name, value.into());
            }
            Some(Value::Array(several)) => several.push(value.into()),
            Some(first) => *first = vec![first.take(), value.into()].into(),
        }
    }
    let parameters = serde_json::from_value(Value::Object(values));
    parameters.map_err(|error| ApiError::bad_request(error.to_string()))
}

/// What clients write in place of the language of a text that they do not know.
pub(crate) const AUTO: &str = "auto";

/// One text, or several.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(untagged, expecting = "it is neither a string nor an array of strings")]
pub(crate) enum Texts {
    One(String),
    Several(Vec<String>),
}

impl Texts {
    pub(crate) fn as_slice(&self) -> &[String] {
        match self {
            Self::One(text) => slice::from_ref(text),
            Self::Several(texts) => texts,
        }
    }
}

pub(crate) fn missing(parameter: &str) -> ApiError {
    ApiError::bad_request(format!("the parameter {parameter} is missing"))
}

/// Returns the language of a parameter.
pub(crate) fn language(parameter: &str, code: Option<&str>) -> Result<Language, ApiError> {
    let code = code.ok_or_else(|| missing(parameter))?;
    let invalid =
        |error: InvalidLanguage| ApiError::bad_request(format!("{parameter} is {code:?}, but {error}"));
    parse(code).map_err(invalid)
}

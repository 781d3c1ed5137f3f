//! What a model attends to in a line and its translation.

use std::sync::Arc;

use attend_infer::{Attention, SentenceAttention};
use attend_view::{AttentionLayers, page};
use axum::Json;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::{Html, IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::access::Visitor;
use crate::error::ApiError;
use crate::parameters::{Parameters, language, missing};
use crate::service::Service;

/// The page of attention has its script and its style in it. It is shown in a frame of the server's own page, without
/// the rights of that page.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                           frame-ancestors 'self'; sandbox allow-scripts";

/// What `/v1/attention` is asked for.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct AttentionAsked {
    /// The code of the text's language.
    #[schema(required, example = "en")]
    source: Option<String>,
    /// The code of the language of the translation.
    #[schema(required, example = "de")]
    target: Option<String>,
    /// One line.
    #[schema(required, example = "We are hungry.")]
    text: Option<String>,
    /// The translation of the text; without it, the server translates.
    translation: Option<String>,
    #[serde(default)]
    view: View,
    /// A key, if the server needs one and it is in no header.
    api_key: Option<String>,
}

/// How attention is answered.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum View {
    /// The weights as JSON.
    #[default]
    Json,
    /// A page that draws them.
    Page,
}

/// What `/v1/attention` answers: the fields that `attend attention --words --json` prints.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AttentionAnswer {
    source: String,
    translation: String,
    attention: Vec<KindAnswer>,
}

/// One kind of attention: how much words look at words.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KindAnswer {
    /// `cross` from the translation to the text, `encoder` within the text, `decoder` within the translation.
    kind: String,
    /// What the kind is called in pictures.
    name: String,
    /// The words that look.
    queries: Vec<String>,
    /// The words that are looked at.
    keys: Vec<String>,
    /// The weights by layer, head, query and key. Those of a query sum to 1.
    layers: Vec<Vec<Vec<Vec<f32>>>>,
}

/// Answer with what a model attends to.
#[utoipa::path(
    post,
    path = "/v1/attention",
    tag = "Attend",
    request_body(content((AttentionAsked = "application/json"),
        (AttentionAsked = "application/x-www-form-urlencoded"))),
    responses((status = 200, description = "The weights, or a page that draws them.",
        content((AttentionAnswer = "application/json"), (String = "text/html"))), ApiError)
)]
pub(super) async fn attention(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    Parameters(asked): Parameters<AttentionAsked>,
) -> Result<Response, ApiError> {
    let caller = visitor.with_key(asked.api_key.as_deref())?;
    let source = language("source", asked.source.as_deref())?;
    let target = language("target", asked.target.as_deref())?;
    let text = asked.text.ok_or_else(|| missing("text"))?;
    let characters = caller.check([text.as_str()])?;
    let attending = service.attention(&source, &target, &text, asked.translation.as_deref());
    let found = caller.spend_for(characters, attending).await?;
    Ok(match asked.view {
        View::Json => Json(AttentionAnswer {
            translation: found.translation.clone(),
            attention: kinds(found).map(KindAnswer::from).into(),
            source: text,
        })
        .into_response(),
        View::Page => {
            let policy = HeaderValue::from_static(PAGE_POLICY);
            let title = format!("{text} → {}", found.translation);
            let page = page(&title, &kinds(found).map(layers));
            ([(CONTENT_SECURITY_POLICY, policy)], Html(page)).into_response()
        }
    })
}

/// Returns what words look at, first those of the translation at those of the text.
pub(super) fn kinds(found: SentenceAttention) -> [Attention; 3] {
    [found.cross, found.encoder, found.decoder].map(|kind| kind.of_words())
}

impl From<Attention> for KindAnswer {
    fn from(attention: Attention) -> Self {
        Self {
            kind: attention.kind.to_string(),
            name: attention.kind.title().to_owned(),
            queries: attention.queries,
            keys: attention.keys,
            layers: attention.layers,
        }
    }
}

/// Returns the weights as the page takes them.
fn layers(attention: Attention) -> AttentionLayers {
    AttentionLayers {
        name: attention.kind.title().to_owned(),
        queries: attention.queries,
        keys: attention.keys,
        layers: attention.layers,
    }
}

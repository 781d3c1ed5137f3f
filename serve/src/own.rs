//! Attend's own interface: what other servers have no address for.

use std::sync::Arc;

use attend_infer::{Attention, SentenceAttention};
use attend_view::{AttentionLayers, page};
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::header::CONTENT_SECURITY_POLICY;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use crate::access::Visitor;
use crate::error::ApiError;
use crate::parameters::{Parameters, language, missing};
use crate::service::Service;

/// The page of attention has its script and its style in it. It is shown in a frame of the server's own page, without
/// the rights of that page.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                           frame-ancestors 'self'; sandbox allow-scripts";

/// Returns the routes of the interface.
pub(crate) fn routes() -> Router<Arc<Service>> {
    Router::new().route("/v1/attention", post(attention))
}

/// What `/v1/attention` is asked for.
#[derive(Debug, Deserialize)]
struct AttentionAsked {
    source: Option<String>,
    target: Option<String>,
    /// One line.
    text: Option<String>,
    /// The translation of the text; without it, the server translates.
    translation: Option<String>,
    #[serde(default)]
    view: View,
    api_key: Option<String>,
}

/// How attention is answered.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum View {
    /// The weights as JSON.
    #[default]
    Json,
    /// A page that draws them.
    Page,
}

/// What `/v1/attention` answers: the fields that `attend attention --words --json` prints.
#[derive(Debug, Serialize)]
struct AttentionAnswer {
    source: String,
    translation: String,
    attention: Vec<KindAnswer>,
}

/// One kind of attention in an answer.
#[derive(Debug, Serialize)]
struct KindAnswer {
    kind: String,
    #[serde(flatten)]
    layers: AttentionLayers,
}

async fn attention(
    State(service): State<Arc<Service>>,
    visitor: Visitor,
    Parameters(asked): Parameters<AttentionAsked>,
) -> Result<Response, ApiError> {
    let caller = visitor.with_key(asked.api_key.as_deref())?;
    let source = language("source", asked.source.as_deref())?;
    let target = language("target", asked.target.as_deref())?;
    let text = asked.text.ok_or_else(|| missing("text"))?;
    caller.spend_texts([text.as_str()])?;
    let SentenceAttention {
        translation,
        encoder,
        decoder,
        cross,
    } = service
        .attention(&source, &target, &text, asked.translation.as_deref())
        .await?;
    let kinds = [cross, encoder, decoder].map(|kind| kind.of_words());
    Ok(match asked.view {
        View::Json => Json(AttentionAnswer {
            attention: kinds
                .map(|kind| KindAnswer {
                    kind: kind.kind.to_string(),
                    layers: layers(kind),
                })
                .into(),
            source: text,
            translation,
        })
        .into_response(),
        View::Page => {
            let policy = HeaderValue::from_static(PAGE_POLICY);
            let page = page(&format!("{text} → {translation}"), &kinds.map(layers));
            ([(CONTENT_SECURITY_POLICY, policy)], Html(page)).into_response()
        }
    })
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

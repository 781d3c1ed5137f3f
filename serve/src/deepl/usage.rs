//! How much a client has translated, and may translate.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use super::Refusal;
use crate::access::Caller;

/// What DeepL answers for the limit of a key that has none.
const NO_LIMIT: u64 = 1_000_000_000_000;

/// The characters that were translated with a key, and those that may be.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Usage {
    character_count: u64,
    character_limit: u64,
}

/// Answers the characters that were translated with the client's key.
#[utoipa::path(
    get,
    path = "/v2/usage",
    operation_id = "deepl_usage",
    tag = "DeepL",
    responses((status = 200, description = "The characters.", body = Usage), Refusal)
)]
pub(super) async fn usage(caller: Caller) -> Json<Usage> {
    Json(Usage {
        character_count: caller.used(),
        character_limit: caller.limit().unwrap_or(NO_LIMIT),
    })
}

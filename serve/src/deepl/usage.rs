//! How much a client has translated, and may translate.

use axum::Json;
use serde_json::{Value, json};

use crate::access::Caller;

/// What DeepL answers for the limit of a key that has none.
const NO_LIMIT: u64 = 1_000_000_000_000;

/// Answers the characters that were translated with the client's key.
pub(super) async fn usage(caller: Caller) -> Json<Value> {
    Json(json!({
        "character_count": caller.used(),
        "character_limit": caller.limit().unwrap_or(NO_LIMIT),
    }))
}

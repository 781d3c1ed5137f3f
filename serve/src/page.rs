//! The page on which people translate: the files that a browser asks for.

use std::sync::Arc;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::service::Service;

/// The page loads nothing from elsewhere, and no other page shows it in a frame.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; \
                      frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Returns the routes of the page.
pub(crate) fn routes() -> Router<Arc<Service>> {
    let html = file("text/html; charset=utf-8", include_str!("page/page.html"));
    let style = file("text/css; charset=utf-8", include_str!("page/page.css"));
    let script = file("text/javascript; charset=utf-8", include_str!("page/page.js"));
    Router::new()
        .route("/", get(html))
        .route("/page.css", get(style))
        .route("/page.js", get(script))
}

/// Returns a file of the page. The browser asks again each time, since a new version has the same address.
fn file(kind: &'static str, content: &'static str) -> impl IntoResponse + Clone + Send + Sync + 'static {
    let headers = [
        (CONTENT_TYPE, kind),
        (CONTENT_SECURITY_POLICY, POLICY),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-cache"),
    ];
    (headers, content)
}

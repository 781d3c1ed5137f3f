//! The description of all interfaces by OpenAPI, and the page that shows it and tries requests.

use std::sync::Arc;

use axum::http::HeaderValue;
use axum::http::header::{CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::map_response;
use axum::response::Response;
use axum::{Extension, Json, Router};
use utoipa::openapi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::{Config, SwaggerUi};

use crate::service::Service;

/// The page loads nothing from elsewhere. Its script writes styles.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
                      img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// What the description says of the server as a whole.
#[derive(OpenApi)]
#[openapi(
    info(title = "Attend", description = "Translates texts and documents."),
    modifiers(&Key),
    security((), ("key" = [])),
    tags(
        (name = "Attend", description = "Translations with all that the search has to offer."),
        (name = "LibreTranslate", description = "What clients of LibreTranslate call."),
        (name = "server", description = "What is told about the server.")
    )
)]
struct Attend;

/// The key that a server may need.
struct Key;

impl Modify for Key {
    fn modify(&self, description: &mut openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("key", scheme);
    }
}

/// Returns the routes of interfaces together with their description, and with the page that shows it.
pub(crate) fn described(interfaces: OpenApiRouter<Arc<Service>>) -> Router<Arc<Service>> {
    let (routes, description) = OpenApiRouter::with_openapi(Attend::openapi())
        .merge(interfaces)
        .routes(routes!(specification))
        .split_for_parts();
    let config = Config::new(["/spec"]).use_base_layout().validator_url("none");
    let page = Router::from(SwaggerUi::new("/docs").config(config)).layer(map_response(with_policy));
    routes.layer(Extension(Arc::new(description))).merge(page)
}

/// Describe all interfaces by OpenAPI.
#[utoipa::path(
    get,
    path = "/spec",
    tag = "server",
    responses((status = 200, description = "This description.", content_type = "application/json"))
)]
async fn specification(
    Extension(description): Extension<Arc<openapi::OpenApi>>,
) -> Json<Arc<openapi::OpenApi>> {
    Json(description)
}

async fn with_policy(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

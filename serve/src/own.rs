//! Attend's own interface: translations with all that the search has to offer, and what a model attends to.

mod asked;
mod attention;
mod stream;
mod translate;

use std::sync::Arc;

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::service::Service;

/// Returns the routes of the interface.
pub(crate) fn routes() -> OpenApiRouter<Arc<Service>> {
    OpenApiRouter::default()
        .routes(routes!(translate::translate))
        .routes(routes!(stream::stream))
        .routes(routes!(attention::attention))
}

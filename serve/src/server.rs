//! The server: it takes connections until it is asked to stop.

use std::io;
use std::net::TcpListener;
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use axum_server::Handle;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::signal;
use tokio::time::sleep;
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa_axum::routes;

use crate::access::{Access, TextLimits, Visitor};
use crate::admission::{Admission, admit};
use crate::connections::{Listener, Peer};
use crate::error::ApiError;
use crate::files::Files;
use crate::keys::Keys;
use crate::metrics::{measure, record};
use crate::service::{DEADLINE, Service};
use crate::specification::described;
use crate::{deepl, libre_translate, own, page};

/// The time that a client may take to send the head of its first request.
const FIRST_HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// The time until the head of a further request has come, as long as a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The most bytes of the head of a request.
const MOST_HEAD_BYTES: usize = 64 << 10;

/// The time between two moments at which the figures of metrics are added up, without which they take memory, and old
/// files are removed.
const UPKEEP: Duration = Duration::from_secs(5);

/// Who may ask a server, and how much.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// The keys of those who may ask; without, everybody may who reaches the address.
    pub keys: Option<Keys>,
    /// The most requests in a minute of a key that has no limit of its own, or without a key of an address.
    pub requests_per_minute: Option<NonZeroU32>,
    /// The most characters of a request's texts.
    pub characters: Option<NonZeroUsize>,
    /// The most texts of a request.
    pub texts: Option<NonZeroUsize>,
    /// The most requests that are answered at a time; those that only ask for what the server has are not counted.
    pub queue: usize,
    /// The pages that may ask by a browser beside the server's own, by their origins such as `https://example.org`; `*`
    /// stands for all.
    pub origins: Vec<String>,
}

impl Default for ServerOptions {
    /// Everybody may ask, 96 at a time.
    fn default() -> Self {
        Self {
            keys: None,
            requests_per_minute: None,
            characters: None,
            texts: None,
            queue: 96,
            origins: Vec::new(),
        }
    }
}

/// Serves the interfaces, the page and metrics on `listener`, until the process gets Ctrl-C or SIGTERM. Then no more
/// connections are taken, and requests that have begun are answered.
///
/// # Errors
///
/// If the system does not start threads, makes no folder for translated files, does not report signals, or takes the
/// listener away; and if another server runs in this process, whose metrics are recorded.
pub fn serve(service: Service, options: &ServerOptions, listener: TcpListener) -> io::Result<()> {
    let metrics = record()?;
    let admission = Admission::new(options.queue);
    let access = Arc::new(options.access());
    let files = Arc::new(Files::new()?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let handle = Handle::<Peer>::new();
        let stopping = handle.clone();
        let asked_to_stop = asked_to_stop()?;
        tokio::spawn(async move {
            asked_to_stop.await;
            stopping.graceful_shutdown(Some(DEADLINE));
        });
        listener.set_nonblocking(true)?;
        let listener = Listener::new(tokio::net::TcpListener::from_std(listener)?);
        let mut server = axum_server::Server::<Peer>::from_listener(listener)
            .handle(handle)
            .http1_only()
            .first_request_timeout(FIRST_HEAD_TIMEOUT);
        let mut http = server.http_builder().http1();
        http.header_read_timeout(HEAD_TIMEOUT)
            .max_buf_size(MOST_HEAD_BYTES);
        let service = Arc::new(service);
        let watched = Arc::clone(&service);
        let watching = tokio::spawn(async move { watched.models.watch().await });
        let (upkept, holder, entrance) = (metrics.clone(), Arc::clone(&files), Arc::clone(&access));
        tokio::spawn(async move {
            loop {
                sleep(UPKEEP).await;
                upkept.run_upkeep();
                holder.remove_old();
                entrance.follow_keys();
                entrance.forget_addresses();
            }
        });
        let routes = routes()
            .layer(from_fn_with_state(admission.clone(), admit))
            .layer(from_fn(deepl::say_errors))
            .layer(Extension(admission))
            .layer(Extension(metrics))
            .layer(Extension(files))
            .layer(Extension(access))
            .layer(cross_origin(&options.origins)?)
            .layer(map_response(forbid_guesses))
            .layer(from_fn(measure))
            .with_state(service);
        let served = server
            .serve(routes.into_make_service_with_connect_info::<Peer>())
            .await;
        watching.abort();
        served
    })
}

impl ServerOptions {
    /// Returns who may ask.
    fn access(&self) -> Access {
        let limits = TextLimits {
            characters: self.characters.map(NonZeroUsize::get),
            texts: self.texts.map(NonZeroUsize::get),
        };
        Access::new(self.keys.clone(), self.requests_per_minute, limits)
    }
}

/// Returns the routes of all interfaces and of the page.
fn routes() -> Router<Arc<Service>> {
    let interfaces = libre_translate::routes()
        .merge(deepl::routes())
        .merge(own::routes())
        .routes(routes!(show_metrics));
    described(interfaces)
        .merge(page::routes())
        .fallback(|| async { ApiError::new(StatusCode::NOT_FOUND, "there is nothing at this address") })
        .method_not_allowed_fallback(|| async {
            ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this address takes another method",
            )
        })
}

/// Answer with figures, as Prometheus reads them.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "server",
    responses((status = 200, description = "The figures.", body = String))
)]
async fn show_metrics(
    State(service): State<Arc<Service>>,
    Extension(metrics): Extension<PrometheusHandle>,
    visitor: Visitor,
) -> Result<impl IntoResponse, ApiError> {
    visitor.may_see_metrics()?;
    service.measure_state();
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render()))
}

/// Returns what lets pages of other origins ask by a browser.
///
/// # Errors
///
/// If an origin has characters that no header has.
fn cross_origin(origins: &[String]) -> io::Result<CorsLayer> {
    if origins.is_empty() {
        return Ok(CorsLayer::new());
    }
    let origins = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        let origins = origins.iter().map(|origin| HeaderValue::from_str(origin));
        let origins: Result<Vec<_>, _> = origins.collect();
        AllowOrigin::list(origins.map_err(io::Error::other)?)
    };
    Ok(CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([
            Method::GET,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
        ])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE]))
}

/// Has browsers take each answer for what it says that it is.
async fn forbid_guesses(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Returns what ends when the process gets Ctrl-C, or SIGTERM where there is such a signal.
fn asked_to_stop() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminate = signal::unix::signal(signal::unix::SignalKind::terminate())?;
    #[cfg(unix)]
    let terminated = async move {
        terminate.recv().await;
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    Ok(async move {
        tokio::select! {
            () = terminated => {}
            _ = signal::ctrl_c() => {}
        }
    })
}

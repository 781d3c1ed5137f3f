//! The server: it takes connections until it is asked to stop.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::middleware::from_fn;
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Extension, Router};
use axum_server::Handle;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::signal;
use tokio::time::sleep;

use crate::access::{Access, TextLimits};
use crate::error::ApiError;
use crate::files::Files;
use crate::keys::Keys;
use crate::metrics::{measure, record};
use crate::service::{DEADLINE, Service};
use crate::{deepl, libre_translate, own, page};

/// The time that a client may take to send the head of a request, and that a connection may be idle.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// The time between two moments at which the figures of metrics are added up, without which they take memory, and old
/// files are removed.
const UPKEEP: Duration = Duration::from_secs(5);

/// Who may ask a server, and how much.
#[derive(Clone, Debug, Default)]
pub struct ServerOptions {
    /// The keys of those who may ask; without, everybody may who reaches the address.
    pub keys: Option<Keys>,
    /// The most requests in a minute of a key that has no limit of its own, or without a key of an address.
    pub requests_per_minute: Option<NonZeroU32>,
    /// The most characters of a request's texts.
    pub characters: Option<NonZeroUsize>,
    /// The most texts of a request.
    pub texts: Option<NonZeroUsize>,
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
    let access = Arc::new(options.access());
    let files = Arc::new(Files::new()?);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let handle = Handle::<SocketAddr>::new();
        let stopping = handle.clone();
        let asked_to_stop = asked_to_stop()?;
        tokio::spawn(async move {
            asked_to_stop.await;
            stopping.graceful_shutdown(Some(DEADLINE));
        });
        let mut server = axum_server::from_tcp(listener)?
            .handle(handle)
            .http1_only()
            .first_request_timeout(HEAD_TIMEOUT);
        server.http_builder().http1().header_read_timeout(HEAD_TIMEOUT);
        let service = Arc::new(service);
        let watched = Arc::clone(&service);
        let watching = tokio::spawn(async move { watched.models.watch().await });
        let (upkept, holder, entrance) = (metrics.clone(), Arc::clone(&files), Arc::clone(&access));
        tokio::spawn(async move {
            loop {
                sleep(UPKEEP).await;
                upkept.run_upkeep();
                holder.remove_old();
                entrance.forget_addresses();
            }
        });
        let routes = routes()
            .layer(Extension(metrics))
            .layer(Extension(files))
            .layer(Extension(access))
            .layer(from_fn(measure))
            .with_state(service);
        let served = server
            .serve(routes.into_make_service_with_connect_info::<SocketAddr>())
            .await;
        watching.abort();
        served
    })
}

impl ServerOptions {
    fn access(&self) -> Access {
        let limits = TextLimits {
            characters: self.characters.map(NonZeroUsize::get),
            texts: self.texts.map(NonZeroUsize::get),
        };
        Access::new(self.keys.as_ref(), self.requests_per_minute, limits)
    }
}

/// Returns the routes of all interfaces and of the page.
fn routes() -> Router<Arc<Service>> {
    libre_translate::routes()
        .merge(deepl::routes())
        .merge(own::routes())
        .merge(page::routes())
        .route("/metrics", get(show_metrics))
        .fallback(|| async { ApiError::new(StatusCode::NOT_FOUND, "there is nothing at this address") })
        .method_not_allowed_fallback(|| async {
            ApiError::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "this address takes another method",
            )
        })
}

/// Answers the metrics, as Prometheus reads them.
async fn show_metrics(
    State(service): State<Arc<Service>>,
    Extension(metrics): Extension<PrometheusHandle>,
) -> impl IntoResponse {
    service.measure_state();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], metrics.render())
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

//! What a server counts and measures, in the format of Prometheus, and the line of its log for each request.

use std::io;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tracing::info;

/// The target of the lines of the log that have texts.
pub const TEXT_LOG: &str = "attend_serve::texts";

/// Requests, by path and status.
const REQUESTS: &str = "attend_requests_total";
/// The time that requests take, by path, their bodies included.
const REQUEST_SECONDS: &str = "attend_request_seconds";
/// The time that the translation of a request's texts by one model takes, by the model's languages.
pub(crate) const TRANSLATION_SECONDS: &str = "attend_translation_seconds";
/// The tokens of translations, by the model's languages.
pub(crate) const TARGET_TOKENS: &str = "attend_target_tokens_total";
/// The sentences of a batch.
pub(crate) const BATCH_SENTENCES: &str = "attend_batch_sentences";
/// The tokens that wait for a batch.
pub(crate) const WAITING_TOKENS: &str = "attend_waiting_tokens";
/// The models in memory.
pub(crate) const LOADED_MODELS: &str = "attend_loaded_models";

/// The bounds of the buckets of durations, in seconds.
const SECONDS: [f64; 13] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// The bounds of the buckets of batches, in sentences.
const SENTENCES: [f64; 10] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0];

/// Records all metrics of this process from now on. Returns what writes them for Prometheus.
///
/// # Errors
///
/// If something else records them already.
pub(crate) fn record() -> io::Result<PrometheusHandle> {
    let handle = recorder().map_err(io::Error::other)?;
    describe_counter!(REQUESTS, "Requests, by path and status.");
    describe_histogram!(
        REQUEST_SECONDS,
        Unit::Seconds,
        "The time that requests take, by path."
    );
    describe_histogram!(
        TRANSLATION_SECONDS,
        Unit::Seconds,
        "The time that a model takes for the texts of a request."
    );
    describe_counter!(TARGET_TOKENS, "The tokens of translations, by model.");
    describe_histogram!(BATCH_SENTENCES, "The sentences of a batch.");
    describe_gauge!(WAITING_TOKENS, "The tokens that wait for a batch.");
    describe_gauge!(LOADED_MODELS, "The models in memory.");
    Ok(handle)
}

fn recorder() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new()
        .set_buckets(&SECONDS)?
        .set_buckets_for_metric(Matcher::Full(BATCH_SENTENCES.to_owned()), &SENTENCES)?
        .install_recorder()
}

/// Counts a request, measures how long it takes, and logs it without its content.
pub(crate) async fn measure(request: Request, next: Next) -> Response {
    let start = Instant::now();
    // The paths that clients make up are one.
    let path = request.extensions().get::<MatchedPath>();
    let path = path.map_or("other", MatchedPath::as_str).to_owned();
    let method = request.method().clone();
    let response = next.run(request).await;
    let seconds = start.elapsed().as_secs_f64();
    let status = response.status().as_u16();
    counter!(REQUESTS, "path" => path.clone(), "status" => status.to_string()).increment(1);
    histogram!(REQUEST_SECONDS, "path" => path.clone()).record(seconds);
    info!(%method, path, status, seconds, "answered");
    response
}

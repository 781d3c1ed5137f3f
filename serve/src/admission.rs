//! How many requests are answered at a time, how long their bodies may take to come, and the memory for long bodies.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tokio_stream::StreamExt;

use crate::error::ApiError;

/// The most bytes of a request with a file.
pub(crate) const MOST_FILE_BYTES: usize = 20 << 20;

/// The most bytes of any body: a file, and the form around it.
const MOST_BODY_BYTES: usize = MOST_FILE_BYTES;

/// The time that a body may take to come, however short it is.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The bytes that come in each further second at least, if a body takes longer than [`BODY_TIMEOUT`].
const SLOWEST: usize = 64 << 10;

/// The bytes that each body may have without a share of the memory for longer ones.
const SHORT: usize = 64 << 10;

/// The bytes of one share of the memory for long bodies.
const SHARE: usize = 1 << 20;

/// The number of shares of all long bodies.
const SHARES: usize = 64;

/// What bounds the requests that a server answers at a time.
#[derive(Clone, Debug)]
pub(crate) struct Admission {
    /// The places of requests that may have something translated.
    places: Arc<Semaphore>,
    /// The shares of the memory for long bodies.
    shares: Arc<Semaphore>,
}

impl Admission {
    /// Lets so many requests that may have something translated be answered at a time.
    pub(crate) fn new(most_requests: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(most_requests)),
            shares: Arc::new(Semaphore::new(SHARES)),
        }
    }

    /// Reads a body. Returns it with its shares of the memory.
    ///
    /// # Errors
    ///
    /// If the body is too long, comes too slowly or not whole, or if there is no memory for it.
    async fn read(&self, body: Body) -> Result<(Bytes, OwnedSemaphorePermit), ApiError> {
        let start = Instant::now();
        let mut chunks = pin!(body.into_data_stream());
        let mut bytes = Vec::new();
        let mut shares = self.share(0)?;
        loop {
            let until = start + BODY_TIMEOUT + Duration::from_secs((bytes.len() / SLOWEST) as u64);
            let chunk = match timeout_at(until, chunks.next()).await {
                Err(_) => {
                    let message = "the body of the request comes too slowly";
                    return Err(ApiError::new(StatusCode::REQUEST_TIMEOUT, message));
                }
                Ok(None) => return Ok((bytes.into(), shares)),
                Ok(Some(chunk)) => chunk.map_err(|error| ApiError::bad_request(error.to_string()))?,
            };
            if bytes.len() + chunk.len() > MOST_BODY_BYTES {
                let message = format!("the body of the request has more than {MOST_BODY_BYTES} bytes");
                return Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, message));
            }
            bytes.extend_from_slice(&chunk);
            let missing = shares_of(bytes.len()).saturating_sub(shares.num_permits());
            shares.merge(self.share(missing)?);
        }
    }

    /// Returns the body of an answer, which has its shares of the memory until all of it is sent.
    ///
    /// # Errors
    ///
    /// If there is no memory for it.
    pub(crate) fn answer(&self, bytes: Vec<u8>) -> Result<Body, ApiError> {
        let shares = self.share(shares_of(bytes.len()))?;
        let bytes = Bytes::from(bytes);
        let pieces = (0..bytes.len()).step_by(SHORT).map(move |start| {
            let _held = &shares;
            Ok::<_, Infallible>(bytes.slice(start..bytes.len().min(start + SHORT)))
        });
        Ok(Body::from_stream(tokio_stream::iter(pieces)))
    }

    /// Takes so many shares of the memory.
    fn share(&self, count: usize) -> Result<OwnedSemaphorePermit, ApiError> {
        let shares = Arc::clone(&self.shares).try_acquire_many_owned(count as u32);
        shares.map_err(|_| busy("too many long requests are answered at this time; try again later"))
    }
}

/// Lets a request in when its body has come, if there is a place for it. Reading needs no place.
pub(crate) async fn admit(State(admission): State<Admission>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let (bytes, _shares) = match admission.read(body).await {
        Ok(read) => read,
        Err(error) => return error.into_response(),
    };
    let needs_place = parts.method == Method::POST;
    let request = Request::from_parts(parts, bytes.into());
    if !needs_place {
        return next.run(request).await;
    }
    let Ok(place) = Arc::clone(&admission.places).try_acquire_owned() else {
        return busy("too many requests are answered at this time; try again later").into_response();
    };
    let response = next.run(request).await;
    if response.body().size_hint().exact().is_some() {
        return response;
    }
    // An answer that is sent while it is found has the place until its end.
    response.map(|body| {
        Body::from_stream(body.into_data_stream().map(move |piece| {
            let _held = &place;
            piece
        }))
    })
}

/// Returns the number of shares of the memory that so many bytes take.
fn shares_of(bytes: usize) -> usize {
    bytes.saturating_sub(SHORT).div_ceil(SHARE)
}

fn busy(message: &str) -> ApiError {
    ApiError::new(StatusCode::SERVICE_UNAVAILABLE, message)
}

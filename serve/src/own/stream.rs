//! Translations that are told sentence by sentence, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;

use attend_infer::Language;
use axum::Json;
use axum::extract::State;
use axum::extract::rejection::JsonRejection;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use serde::Serialize;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_stream::{Stream, StreamExt};
use utoipa::ToSchema;

use super::asked::TranslationAsked;
use crate::access::Caller;
use crate::error::{ApiError, ErrorAnswer};
use crate::languages::code;
use crate::service::{Service, SourceText, TextOptions, TextPart};

/// What `/v1/stream` answers, one event after the other. The name of an event is that of its field here, and its data
/// is the value.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum StreamEvent {
    /// The first event.
    Start(StartAnswer),
    /// A further part of the translation.
    Part(PartAnswer),
    /// The last event: the translation is complete.
    Done {},
    /// The last event: there is no further part.
    Error(ErrorAnswer),
}

/// What is known before the text is translated.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StartAnswer {
    /// The code of the text's language.
    source: String,
}

/// A part of a translation. The texts of all parts together are the text that `/v1/translate` answers.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PartAnswer {
    /// The line of the text, counted from 0.
    line: usize,
    /// The translation of a sentence with what stands before it, such as line ends.
    text: String,
    score: f32,
    log_probability: f32,
}

/// Translate a text, and tell each sentence as soon as it is done.
#[utoipa::path(
    post,
    path = "/v1/stream",
    tag = "Attend",
    request_body(content = TranslationAsked, description = "`text` is one text, without `nbest`, `alignment` and \
        `attention`."),
    responses((status = 200, description = "Server-sent events: `start`, `part` for each sentence in order, and \
        at the end `done` or `error`.", body = StreamEvent, content_type = "text/event-stream"), ApiError)
)]
pub(super) async fn stream(
    State(service): State<Arc<Service>>,
    caller: Caller,
    asked: Result<Json<TranslationAsked>, JsonRejection>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, ApiError> {
    let Json(asked) = asked?;
    if !asked.is_for_stream() {
        let message = "a stream has one translation of one text, without an alignment and attention";
        return Err(ApiError::bad_request(message));
    }
    let texts = asked.texts()?;
    let characters = caller.check(texts.iter().map(String::as_str))?;
    let (target, mut detections) = asked.languages(&service, texts)?;
    let (text, language) = (texts[0].clone(), detections.swap_remove(0).language);
    service.route(&language, &target)?;
    caller.spend(characters)?;
    let (sender, events) = unbounded_channel();
    tokio::spawn(async move {
        tokio::select! {
            // A client that goes away wants nothing more.
            () = sender.closed() => {}
            () = tell(&service, &asked, SourceText { text: &text, language: &language }, &target, &sender) => {}
        }
    });
    let events = UnboundedReceiverStream::new(events).map(|event: StreamEvent| Ok(event.into()));
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// Translates the text, and sends all events.
async fn tell(
    service: &Service,
    asked: &TranslationAsked,
    text: SourceText<'_>,
    target: &Language,
    sender: &UnboundedSender<StreamEvent>,
) {
    let send = |event| {
        // Sending fails only if the client has gone away.
        let _ = sender.send(event);
    };
    send(StreamEvent::Start(StartAnswer {
        source: code(text.language),
    }));
    let part = |TextPart { line, translation }| {
        send(StreamEvent::Part(PartAnswer {
            line,
            text: translation.text,
            score: translation.score,
            log_probability: translation.log_probability,
        }));
    };
    let options = TextOptions {
        change: &|options| asked.change(options),
        ..TextOptions::soon(asked.format, 0)
    };
    send(
        match service.translate_in_parts(text, target, &options, part).await {
            Ok(()) => StreamEvent::Done {},
            Err(error) => StreamEvent::Error(error.into()),
        },
    );
}

impl From<StreamEvent> for Event {
    fn from(event: StreamEvent) -> Self {
        let (name, data) = match &event {
            StreamEvent::Start(data) => ("start", serde_json::to_string(data)),
            StreamEvent::Part(data) => ("part", serde_json::to_string(data)),
            StreamEvent::Done {} => ("done", Ok("{}".to_owned())),
            StreamEvent::Error(data) => ("error", serde_json::to_string(data)),
        };
        let data = data.expect("strings and numbers always serialize");
        Self::default().event(name).data(data)
    }
}

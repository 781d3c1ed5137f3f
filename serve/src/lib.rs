//! Translates the requests of many callers side by side, and serves them over HTTP.
//!
//! | file | content |
//! |---|---|
//! | `scheduler` | [`Scheduler`]: batches of the sentences of all requests |
//! | `fair_queue` | the queue of these sentences, fair to each request |
//! | `server` | [`serve`]: connections, and the end of a server |
//! | `connections` | how many connections there are at a time |
//! | `admission` | how many requests are answered at a time, how long their bodies may take, and the memory for them |
//! | `libre_translate` | the interface of LibreTranslate |
//! | `deepl` | the interface of DeepL; its parts are in `deepl/` |
//! | `own` | Attend's own interface: translations with scores, streams of sentences, attention |
//! | `specification` | the description of all interfaces but that of DeepL, by OpenAPI |
//! | `access` | who asks, whether they may, and how much |
//! | `keys` | [`Keys`]: the file of keys, by which clients show who they are |
//! | `parameters` | what a request asks for, however it is sent |
//! | `page` | the page on which people translate; its files are in `page/` |
//! | `service` | [`Service`]: the translation of texts of several lines, for all interfaces |
//! | `documents` | the translation of documents |
//! | `files` | translated documents, until they are fetched |
//! | `glossaries` | [`Glossaries`]: terms that clients have translated as they say |
//! | `passages` | line ends and white space, which stay as they are |
//! | `models` | [`Models`]: model folders, loaded when they are needed and when they change |
//! | `routes` | the models by which text gets from one language into another |
//! | `languages` | codes and names of languages |
//! | `detection` | the language of a text |
//! | `metrics` | figures for Prometheus, and the log |
//!
//! A [`Scheduler`] puts the sentences of all requests into batches that they share. It knows nothing of a network: a
//! caller awaits [`Scheduler::translate`], and drops what it awaits if nobody wants the translations any more.
//!
//! ```no_run
//! use std::time::{Duration, Instant};
//!
//! use attend_device::Workers;
//! use attend_infer::{Line, Model, Precision, Translator};
//! use attend_serve::{Scheduler, SchedulerOptions};
//!
//! # async fn translate() -> Result<(), Box<dyn std::error::Error>> {
//! let device = attend_device::auto()?.device;
//! let model = Model::load("runs/phrasebook", &device, Precision::Float32)?;
//! // The scheduler keeps its workers to itself, so the translator has others.
//! let translator = Translator::new(model, Workers::start(1, 1)?);
//! let scheduler = Scheduler::start(Workers::start(2, 1)?, SchedulerOptions::default())?;
//!
//! let options = translator.model().options();
//! let line = Line { text: "We are hungry.", number: 0, options: &options };
//! let deadline = Instant::now() + Duration::from_secs(10);
//! for translations in scheduler.translate(&translator, &[line], deadline).await? {
//!     println!("{}", translations?[0].text);
//! }
//! # Ok(())
//! # }
//! ```

mod access;
mod admission;
#[cfg(test)]
#[path = "../tests/common.rs"]
mod common;
mod connections;
mod deepl;
mod detection;
mod documents;
mod error;
mod fair_queue;
mod files;
mod glossaries;
mod keys;
mod languages;
mod libre_translate;
mod metrics;
mod models;
mod own;
mod page;
mod parameters;
mod passages;
mod routes;
mod scheduler;
mod server;
mod service;
mod specification;

pub use glossaries::Glossaries;
pub use keys::{Keys, KeysError};
pub use metrics::TEXT_LOG;
pub use models::{Models, ServedFolder};
pub use scheduler::{PartsError, ScheduleError, Scheduler, SchedulerOptions};
pub use server::{ServerOptions, serve};
pub use service::Service;

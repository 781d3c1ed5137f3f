//! Translates the requests of many callers side by side.
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

mod fair_queue;
mod scheduler;

pub use scheduler::{ScheduleError, Scheduler, SchedulerOptions};

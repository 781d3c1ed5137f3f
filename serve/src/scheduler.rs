//! The scheduler: it puts the sentences of all requests into batches, and has workers search for their translations.

use std::collections::BTreeMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::slice;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use attend_device::{DeviceError, Workers};
use attend_infer::{
    EncodedSentence, InferError, Line, LinkedTranslation, Translation, TranslationInParts, Translator,
};
use metrics::histogram;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::block_in_place;
use tokio::time::timeout_at;

use crate::fair_queue::{FairQueue, Sentence};
use crate::metrics::BATCH_SENTENCES;

/// What a search found for a sentence.
type Found = Result<Vec<LinkedTranslation>, InferError>;

/// The reason why no line of a request was translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// A request that would make more tokens wait than [`SchedulerOptions::waiting_tokens`]. It may be accepted later.
    #[error("too many sentences wait to be translated; try again later")]
    Full,
    /// A request that comes after [`Scheduler::stop`].
    #[error("no more requests are taken, since the program is about to end")]
    Stopping,
    /// A request whose translations were not found before its deadline.
    #[error("the translation took longer than it may take")]
    Deadline,
    /// A request with a sentence whose search panicked, as it does if the device fails.
    #[error("the search for a translation failed")]
    Failed,
}

/// The reason why the translations of a request are not told to the end.
#[derive(Debug, thiserror::Error)]
pub enum PartsError {
    /// No line was translated, or no further one.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    /// A line cannot be translated.
    #[error(transparent)]
    Line(#[from] InferError),
}

/// The options of a [`Scheduler`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedulerOptions {
    /// The maximum number of tokens that wait, 300,000 by default, which are about 3,000 sentences of usual length. The
    /// tokens of a sentence are those of its source and those that its translation is expected to have at most, as in
    /// [`Translator::with_batch_tokens`]. A single request may have more if no other request waits.
    pub waiting_tokens: usize,
}

impl Default for SchedulerOptions {
    fn default() -> Self {
        Self {
            waiting_tokens: 300_000,
        }
    }
}

/// Translates the requests of many callers side by side. Sentences of all requests share batches. Each request gets the
/// texts, scores and errors that it would get from [`Translator::translate_each`] alone.
///
/// - A worker that is free takes the next batch of the sentences that wait at that time. No sentence waits for others
///   to fill a batch.
/// - The queue is fair by request: a document does not hold up a request of one sentence, and many requests of one
///   sentence do not hold up a document.
/// - A caller that no longer wants its translations drops the future of [`translate`](Self::translate). Its sentences
///   then leave the queue. Those of a batch that is being searched are searched to the end.
/// - Requests may be for several models. A model stays in memory until the last of its requests is done.
///
/// When a scheduler is dropped, it waits until all sentences that callers still await are translated.
#[derive(Debug)]
pub struct Scheduler {
    shared: Arc<Shared>,
    options: SchedulerOptions,
    thread: Option<JoinHandle<()>>,
}

/// What callers and workers share.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: FairQueue<Job>,
    /// The number of workers that wait for a batch.
    idle: usize,
    is_stopping: bool,
}

/// A sentence that waits, and where its translations go.
#[derive(Debug)]
struct Job {
    translator: Translator,
    sentence: EncodedSentence,
    /// The index of the sentence in its request.
    place: usize,
    answers: UnboundedSender<(usize, Found)>,
}

/// A request that waits for its answers. When it is dropped, its sentences leave the queue.
struct Ticket<'a> {
    shared: &'a Shared,
    number: u64,
    sentences: usize,
    answers: UnboundedReceiver<(usize, Found)>,
    /// What was found for sentences before it was found for the next one.
    early: BTreeMap<usize, Found>,
    /// The index of the next sentence in the request.
    next: usize,
}

impl Scheduler {
    /// Starts a scheduler that searches on `workers`. They do nothing else until the scheduler is dropped: a caller that
    /// gives them other work would wait that long, so the translators of its requests need workers of their own.
    ///
    /// # Errors
    ///
    /// Returns [`DeviceError::Threads`] if the system does not start the thread that waits for the workers.
    pub fn start(workers: Workers, options: SchedulerOptions) -> Result<Self, DeviceError> {
        let shared = Arc::new(Shared::default());
        let of_workers = Arc::clone(&shared);
        let work = move || {
            workers.map(0..workers.count(), |_| of_workers.work());
        };
        let thread = thread::Builder::new()
            .name("scheduler".to_owned())
            .spawn(work)
            .map_err(|error: io::Error| DeviceError::Threads(error))?;
        Ok(Self {
            shared,
            options,
            thread: Some(thread),
        })
    }

    /// Translates the lines of a request with `translator`, as [`Translator::translate_each`] does. Returns the result
    /// of each line, in order. The calling thread encodes the lines into tokens, which takes most of a second for a
    /// megabyte, and meanwhile leaves its other tasks to another thread.
    ///
    /// # Errors
    ///
    /// Returns [`ScheduleError::Full`] and [`ScheduleError::Stopping`] if the request is not taken,
    /// [`ScheduleError::Deadline`] if the translations were not found before the `deadline`, and
    /// [`ScheduleError::Failed`] if a search panicked. The errors of lines are those of
    /// [`Translator::translate_each`].
    ///
    /// # Panics
    ///
    /// If it is not polled in a Tokio runtime of several threads with timers.
    pub async fn translate(
        &self,
        translator: &Translator,
        lines: &[Line<'_>],
        deadline: Instant,
    ) -> Result<Vec<Result<Vec<Translation>, InferError>>, ScheduleError> {
        let mut encoded = block_in_place(|| translator.encode(lines));
        let ticket = self.submit(translator, encoded.take_sentences())?;
        let found = timeout_at(deadline.into(), ticket.found()).await;
        let found = found.map_err(|_| ScheduleError::Deadline)??;
        Ok(block_in_place(|| encoded.translations(found)))
    }

    /// Translates the lines of a request as [`translate`](Self::translate) does, and calls `tell` with the index of a
    /// line and the next [part](TranslationInParts) of its best translation, in order, as soon as the part is found.
    /// Parts without text are left out.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`translate`](Self::translate), or that of the first line that cannot be translated. If
    /// the model does not take a line, nothing is told.
    ///
    /// # Panics
    ///
    /// If it is not polled in a Tokio runtime of several threads with timers.
    pub async fn translate_in_parts(
        &self,
        translator: &Translator,
        lines: &[Line<'_>],
        deadline: Instant,
        mut tell: impl FnMut(usize, Translation),
    ) -> Result<(), PartsError> {
        let mut sentences = Vec::new();
        let encoded = block_in_place(|| {
            let encoded = lines.iter().map(|line| {
                let mut encoded = translator.encode(slice::from_ref(line));
                let of_line = encoded.take_sentences();
                let count = of_line.len();
                sentences.extend(of_line);
                Ok((TranslationInParts::new(encoded)?, count))
            });
            encoded.collect::<Result<Vec<_>, InferError>>()
        })?;
        let mut ticket = self.submit(translator, sentences)?;
        for (number, (mut line, count)) in encoded.into_iter().enumerate() {
            let mut tell = |part: Translation| {
                if !part.text.is_empty() {
                    tell(number, part);
                }
            };
            for _ in 0..count {
                let found = timeout_at(deadline.into(), ticket.next()).await;
                tell(line.part(found.map_err(|_| ScheduleError::Deadline)??)?);
            }
            tell(block_in_place(|| line.rest())?);
        }
        Ok(())
    }

    /// Returns the number of tokens that wait; see [`SchedulerOptions::waiting_tokens`].
    #[must_use]
    pub fn waiting_tokens(&self) -> usize {
        self.shared.state().queue.tokens()
    }

    /// Refuses all requests from now on. Those that were taken are still translated.
    pub fn stop(&self) {
        self.shared.state().is_stopping = true;
        self.shared.changed.notify_all();
    }

    /// Puts the sentences of a request into the queue.
    fn submit(
        &self,
        translator: &Translator,
        sentences: Vec<EncodedSentence>,
    ) -> Result<Ticket<'_>, ScheduleError> {
        let (sender, answers) = unbounded_channel();
        let count = sentences.len();
        let jobs = sentences.into_iter().enumerate().map(|(place, sentence)| Job {
            translator: translator.clone(),
            sentence,
            place,
            answers: sender.clone(),
        });
        let jobs: Vec<Job> = jobs.collect();
        let tokens = jobs.iter().map(Job::tokens).sum::<usize>();
        let mut state = self.shared.state();
        if state.is_stopping {
            return Err(ScheduleError::Stopping);
        }
        if !state.queue.is_empty() && state.queue.tokens() + tokens > self.options.waiting_tokens {
            return Err(ScheduleError::Full);
        }
        let number = state.queue.push(jobs);
        drop(state);
        self.shared.changed.notify_all();
        Ok(Ticket {
            shared: &self.shared,
            number,
            sentences: count,
            answers,
            early: BTreeMap::new(),
            next: 0,
        })
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            // It fails only if the thread panicked, and then it has ended.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no thread panics while it holds the queue")
    }

    /// Searches for batch after batch on the calling worker, until the scheduler stops and no sentence waits.
    fn work(&self) {
        while let Some(batch) = self.next_batch() {
            let translator = &batch[0].translator;
            let sentences: Vec<&EncodedSentence> = batch.iter().map(|job| &job.sentence).collect();
            histogram!(BATCH_SENTENCES).record(sentences.len() as f64);
            // A panic ends neither the worker nor other requests. The callers learn of it when their jobs are dropped.
            let found = catch_unwind(AssertUnwindSafe(|| translator.search_batch(&sentences)));
            for (job, found) in batch.iter().zip(found.unwrap_or_default()) {
                // Sending fails only if the caller no longer waits.
                let _ = job.answers.send((job.place, found));
            }
        }
    }

    /// Waits for the next batch and takes it; `None` if the scheduler stops and no sentence waits.
    fn next_batch(&self) -> Option<Vec<Job>> {
        let mut state = self.state();
        state.idle += 1;
        let mut state = self
            .changed
            .wait_while(state, |state| state.queue.is_empty() && !state.is_stopping)
            .expect("no thread panics while it holds the queue");
        let idle = state.idle;
        let batch = state.queue.take(idle);
        state.idle -= 1;
        (!batch.is_empty()).then_some(batch)
    }
}

impl Sentence for Job {
    fn length(&self) -> usize {
        self.sentence.source_tokens()
    }

    fn tokens(&self) -> usize {
        // The source has a </s>, and the target a <s>.
        self.sentence.source_tokens() + 1 + self.sentence.target_tokens() + 1
    }

    fn batch_size(&self) -> usize {
        self.translator.batch_size(&self.sentence)
    }

    fn shares_batches_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(self.translator.model(), other.translator.model())
            && self.sentence.shares_batches_with(&other.sentence)
    }
}

impl Ticket<'_> {
    /// Returns what was found for the next sentence.
    async fn next(&mut self) -> Result<Found, ScheduleError> {
        loop {
            if let Some(found) = self.early.remove(&self.next) {
                self.next += 1;
                return Ok(found);
            }
            let (place, found) = self.answers.recv().await.ok_or(ScheduleError::Failed)?;
            self.early.insert(place, found);
        }
    }

    /// Returns what was found for each sentence, in order.
    async fn found(mut self) -> Result<Vec<Found>, ScheduleError> {
        let mut found = Vec::with_capacity(self.sentences);
        while found.len() < self.sentences {
            found.push(self.next().await?);
        }
        Ok(found)
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.shared.state().queue.remove(self.number);
    }
}

//! Streams of lines: lines are read, translated and written side by side.

use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use attend_device::DeviceError;

use crate::error::InferError;
use crate::options::TranslateOptions;
use crate::translation::Translation;
use crate::translator::{Line, Translator};

/// The maximum number of lines that are taken together. It is enough for batches of sentences of similar lengths.
const LINES_TOGETHER: usize = 1_000;

/// The number of bytes at which no more lines are read ahead. A single line may have more.
const BYTES_AHEAD: usize = 1 << 20;

/// A line of a stream, and the options of its translations.
#[derive(Clone, Debug)]
pub struct StreamLine {
    /// The text of the line.
    pub text: String,
    /// The options of the translations of this line.
    pub options: Arc<TranslateOptions>,
}

impl AsRef<str> for StreamLine {
    fn as_ref(&self) -> &str {
        &self.text
    }
}

/// Reads a stream of lines on a thread, which reads ahead until it has 1,000 lines or 1 MiB. Calls `take` with up to so
/// many lines at a time, in order. Memory grows with the longest line, not with the number of lines.
///
/// If `eager` is set, `take` is not called with 1,000 lines, but with all lines that have been read. This is for input
/// that a person types.
///
/// The stream ends early, without an error, if `take` returns [`ControlFlow::Break`]. The thread then ends after the next
/// line that it reads.
///
/// # Errors
///
/// Returns the first error of `take`; the error of the first line that cannot be read, after `take` was called with the
/// lines before it; or [`DeviceError::Threads`] if the system does not start the thread.
///
/// # Panics
///
/// If `lines` panics.
pub fn read_ahead<L, E>(
    lines: impl Iterator<Item = Result<L, E>> + Send + 'static,
    eager: bool,
    mut take: impl FnMut(Vec<L>) -> Result<ControlFlow<()>, E>,
) -> Result<(), E>
where
    L: AsRef<str> + Send + 'static,
    E: From<InferError> + Send + 'static,
{
    let queue = Arc::new(Queue::default());
    let reading = Reading(Arc::clone(&queue));
    let reader = thread::Builder::new()
        .name("lines".to_owned())
        .spawn(move || reading.read(lines))
        .map_err(|error| InferError::from(DeviceError::Threads(error)))?;
    let _stop = Stop(&queue);
    while let Some((lines, error)) = queue.take(eager) {
        if take(lines)?.is_break() {
            return Ok(());
        }
        if let Some(error) = error {
            return Err(error);
        }
    }
    // The queue is complete, so the thread ends.
    match reader.join() {
        Ok(()) => Ok(()),
        Err(panic) => resume_unwind(panic),
    }
}

/// Translates a stream of `lines`, which are numbered from 0. `translate` returns the result of each of several lines,
/// as [`Translator::translate_each`] does. Calls `write` with up to 1,000 lines at a time and their translations, in
/// order. A thread [reads ahead](read_ahead), and if `eager` is set, `translate` is not called with 1,000 lines, but
/// with all lines that have been read.
///
/// The stream ends early, without an error, if `write` returns [`ControlFlow::Break`].
///
/// # Errors
///
/// Returns the error of the first line that cannot be read or translated, after the lines before it were written; the
/// first error of `write`; or [`DeviceError::Threads`] if the system does not start the thread.
///
/// # Panics
///
/// If `lines` panics.
pub fn translate_stream<E: From<InferError> + Send + 'static>(
    translate: impl Fn(&[Line<'_>]) -> Vec<Result<Vec<Translation>, InferError>>,
    lines: impl Iterator<Item = Result<StreamLine, E>> + Send + 'static,
    eager: bool,
    mut write: impl FnMut(&[(String, Vec<Translation>)]) -> Result<ControlFlow<()>, E>,
) -> Result<(), E> {
    let mut first = 0;
    read_ahead(lines, eager, |lines| {
        let numbered = lines.iter().zip(first..);
        let numbered = numbered.map(|(StreamLine { text, options }, number)| Line {
            text,
            number,
            options,
        });
        let results = translate(&numbered.collect::<Vec<_>>());
        first += lines.len();
        let (mut translated, mut failure) = (Vec::new(), None);
        for (line, result) in lines.into_iter().zip(results) {
            match result {
                Ok(translations) => translated.push((line.text, translations)),
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        let flow = write(&translated)?;
        match failure {
            Some(error) if flow.is_continue() => Err(error.into()),
            _ => Ok(flow),
        }
    })
}

impl Translator {
    /// Translates a stream of lines by [`translate_stream`].
    ///
    /// # Errors
    ///
    /// Those of [`translate_stream`].
    ///
    /// # Panics
    ///
    /// If `lines` panics, or if the device fails. [`attend_device::notice_device_failure`] around the call turns the
    /// panic of a device into an error.
    pub fn translate_stream<E: From<InferError> + Send + 'static>(
        &self,
        lines: impl Iterator<Item = Result<StreamLine, E>> + Send + 'static,
        eager: bool,
        write: impl FnMut(&[(String, Vec<Translation>)]) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        translate_stream(|lines| self.translate_each(lines), lines, eager, write)
    }
}

/// The queue of lines between the thread that reads and the thread that takes them.
struct Queue<L, E> {
    state: Mutex<State<L, E>>,
    changed: Condvar,
}

struct State<L, E> {
    lines: Vec<L>,
    /// The number of bytes of all lines in the queue.
    bytes: usize,
    /// The error of reading the line after these lines.
    error: Option<E>,
    /// Whether all lines have been read.
    is_complete: bool,
    /// Whether no more lines will be taken.
    is_abandoned: bool,
}

impl<L, E> Default for Queue<L, E> {
    fn default() -> Self {
        Self {
            state: Mutex::new(State {
                lines: Vec::new(),
                bytes: 0,
                error: None,
                is_complete: false,
                is_abandoned: false,
            }),
            changed: Condvar::new(),
        }
    }
}

impl<L, E> State<L, E> {
    fn is_full(&self) -> bool {
        self.lines.len() >= LINES_TOGETHER || self.bytes >= BYTES_AHEAD
    }
}

impl<L, E> Queue<L, E> {
    fn state(&self) -> MutexGuard<'_, State<L, E>> {
        self.state
            .lock()
            .expect("no thread panics while it holds the lines")
    }

    fn wait_while(&self, condition: impl Fn(&State<L, E>) -> bool) -> MutexGuard<'_, State<L, E>> {
        self.changed
            .wait_while(self.state(), |state| condition(state))
            .expect("no thread panics while it holds the lines")
    }

    fn change(&self, change: impl FnOnce(&mut State<L, E>)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// Takes all lines of the queue, and the error after them. Waits until the queue has a line if `eager` is set, or
    /// else until it is full; the end of the stream ends either wait. Returns `None` at the end of the stream.
    fn take(&self, eager: bool) -> Option<(Vec<L>, Option<E>)> {
        let is_wanting = |state: &State<L, E>| {
            if eager {
                state.lines.is_empty()
            } else {
                !state.is_full()
            }
        };
        let mut state = self.wait_while(|state| is_wanting(state) && !state.is_complete);
        let (lines, error) = (std::mem::take(&mut state.lines), state.error.take());
        state.bytes = 0;
        drop(state);
        self.changed.notify_all();
        (!lines.is_empty() || error.is_some()).then_some((lines, error))
    }
}

/// The reading end of a queue. When it is dropped, even by a panic, it marks the queue as complete.
struct Reading<L, E>(Arc<Queue<L, E>>);

impl<L: AsRef<str>, E> Reading<L, E> {
    fn read(self, lines: impl Iterator<Item = Result<L, E>>) {
        for line in lines {
            let mut state = self.0.wait_while(|state| state.is_full() && !state.is_abandoned);
            let is_last = state.is_abandoned || line.is_err();
            match line {
                Ok(line) => {
                    state.bytes += line.as_ref().len();
                    state.lines.push(line);
                }
                Err(error) => state.error = Some(error),
            }
            drop(state);
            self.0.changed.notify_all();
            if is_last {
                return;
            }
        }
    }
}

impl<L, E> Drop for Reading<L, E> {
    fn drop(&mut self) {
        self.0.change(|state| state.is_complete = true);
    }
}

/// The taking end of a queue. When it is dropped, it marks the queue as abandoned, so that the reading thread
/// ends.
struct Stop<'a, L, E>(&'a Queue<L, E>);

impl<L, E> Drop for Stop<'_, L, E> {
    fn drop(&mut self) {
        self.0.change(|state| state.is_abandoned = true);
    }
}

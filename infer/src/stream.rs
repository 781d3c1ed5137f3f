//! Lines that come one after the other and are translated as they come.

use std::ops::ControlFlow;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use attend_data::DataError;
use attend_data::corpus::Lines;

use crate::error::InferError;
use crate::translator::{Translation, Translator};

/// The most lines that are translated together: enough for batches of sentences of similar lengths.
const LINES_TOGETHER: usize = 1_000;

/// Bytes of lines that are read ahead. One line may have more.
const BYTES_AHEAD: usize = 1 << 20;

/// How lines become sentences, and how many are translated together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamOptions {
    /// Whether a line is a [text](Translator::translate_text), or one [sentence](Translator::translate).
    pub split: bool,
    /// Whether to translate what has been read so far in place of waiting for a thousand lines: for input that comes
    /// as slowly as it is typed.
    pub eager: bool,
}

/// Reads `lines` ahead on a thread of its own, translates them, and hands them to `write` with their translations, in
/// order and many at a time. Memory grows with the longest line, not with their number. Ends early where `write`
/// breaks: the thread then ends with the next line that it reads.
///
/// # Errors
///
/// Those of reading, of [`Translator`], and of `write`. The lines before the one in error are written first.
pub fn translate_lines(
    translator: &Translator,
    lines: Lines,
    options: StreamOptions,
    mut write: impl FnMut(&[String], &[Vec<Translation>]) -> Result<ControlFlow<()>, InferError>,
) -> Result<(), InferError> {
    let queue = Arc::new(Queue::default());
    let reading = Reading(Arc::clone(&queue));
    thread::Builder::new()
        .name("lines".to_owned())
        .spawn(move || reading.read(lines))
        .map_err(InferError::Threads)?;
    let _stop = Stop(&queue);
    let mut lines_before = 0;
    while let Some((mut lines, mut error)) = queue.take(options.eager) {
        let translate = |lines: &[String]| match options.split {
            true => translator.translate_text(lines),
            false => translator.translate(lines),
        };
        let translations = match translate(&lines) {
            Err(InferError::TooLong { line, tokens, limit }) => {
                lines.truncate(line - 1);
                error = Some(InferError::TooLong {
                    line: lines_before + line,
                    tokens,
                    limit,
                });
                translate(&lines)?
            }
            translations => translations?,
        };
        if write(&lines, &translations)?.is_break() {
            return Ok(());
        }
        if let Some(error) = error {
            return Err(error);
        }
        lines_before += lines.len();
    }
    Ok(())
}

/// Lines on their way from the thread that reads to the one that translates.
#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<String>,
    /// Of the lines.
    bytes: usize,
    error: Option<DataError>,
    /// No more lines will come.
    is_complete: bool,
    /// No more lines are wanted.
    is_abandoned: bool,
}

impl State {
    fn is_full(&self) -> bool {
        self.lines.len() >= LINES_TOGETHER || self.bytes >= BYTES_AHEAD
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("no thread panics while it holds the lines")
    }

    fn wait_while(&self, condition: impl Fn(&State) -> bool) -> MutexGuard<'_, State> {
        self.changed
            .wait_while(self.state(), |state| condition(state))
            .expect("no thread panics while it holds the lines")
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    /// All lines that are there, when there are some, or enough; and the error that comes behind them.
    fn take(&self, eager: bool) -> Option<(Vec<String>, Option<InferError>)> {
        let is_wanting = |state: &State| match eager {
            true => state.lines.is_empty(),
            false => !state.is_full(),
        };
        let mut state = self.wait_while(|state| is_wanting(state) && !state.is_complete);
        let (lines, error) = (std::mem::take(&mut state.lines), state.error.take());
        state.bytes = 0;
        drop(state);
        self.changed.notify_all();
        match (lines.is_empty(), error) {
            (true, None) => None,
            (_, error) => Some((lines, error.map(InferError::from))),
        }
    }
}

/// The thread that reads. Says so when it ends, however it does.
struct Reading(Arc<Queue>);

impl Reading {
    fn read(self, lines: Lines) {
        for line in lines {
            let mut state = self.0.wait_while(|state| state.is_full() && !state.is_abandoned);
            let is_last = state.is_abandoned || line.is_err();
            match line {
                Ok(line) => {
                    state.bytes += line.len();
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

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.change(|state| state.is_complete = true);
    }
}

/// Tells the thread that reads, at last, that nobody wants more.
struct Stop<'a>(&'a Queue);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.change(|state| state.is_abandoned = true);
    }
}

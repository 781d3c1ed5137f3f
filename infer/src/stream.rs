//! Lines that come one after the other and are translated as they come.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use attend_data::{DataError, Lines};

use crate::error::InferError;
use crate::translator::{SourceLine, Translation, Translator};

/// The most lines that are translated together: enough for batches of sentences of similar lengths.
const LINES_TOGETHER: usize = 1_000;

/// Bytes of lines that are read ahead. One line may have more.
const BYTES_AHEAD: usize = 1 << 20;

/// How lines become sentences, and how many are translated together.
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamOptions<'a> {
    /// Whether a line is a [text](Translator::translate_text), or one [sentence](Translator::translate_lines).
    pub split: bool,
    /// Whether to translate what has been read so far in place of waiting for a thousand lines: for input that comes
    /// as slowly as it is typed.
    pub eager: bool,
    /// What lines that are one sentence each ask of their translations.
    pub requests: Option<&'a LineRequests>,
}

/// What lines ask of their translations; see [`SourceLine`].
#[derive(Clone, Debug)]
pub struct LineRequests {
    /// What the translation of each starts with.
    pub prefixes: Prefixes,
    /// Words that every translation has.
    pub required: Vec<String>,
}

/// What the translations of lines start with.
#[derive(Clone, Debug)]
pub enum Prefixes {
    /// All with the same.
    Same(String),
    /// Each with a line of a file.
    Lines {
        /// The file.
        path: PathBuf,
        /// Its lines, as many as the input has.
        lines: Vec<String>,
    },
}

impl Prefixes {
    /// That of a line, from 0.
    fn get(&self, line: usize) -> Result<&str, InferError> {
        match self {
            Self::Same(prefix) => Ok(prefix),
            Self::Lines { path, lines } => match lines.get(line) {
                Some(prefix) => Ok(prefix),
                None => Err(InferError::Prefixes {
                    path: path.clone(),
                    prefixes: lines.len(),
                    input: "more",
                }),
            },
        }
    }

    /// Checks that the file has no more lines than the input.
    fn check_end(&self, input: usize) -> Result<(), InferError> {
        match self {
            Self::Lines { path, lines } if lines.len() > input => Err(InferError::Prefixes {
                path: path.clone(),
                prefixes: lines.len(),
                input: "fewer",
            }),
            _ => Ok(()),
        }
    }
}

/// Translates lines of which the first has this place in the input, from 0.
///
/// # Errors
///
/// Those of [`Translator`], and [`InferError::Prefixes`] where a line has no prefix.
pub fn translate_from(
    translator: &Translator,
    options: StreamOptions<'_>,
    first: usize,
    lines: &[String],
) -> Result<Vec<Vec<Translation>>, InferError> {
    if options.split {
        return translator.translate_text_from(first, lines);
    }
    let mut sources = Vec::with_capacity(lines.len());
    for (text, number) in lines.iter().zip(first..) {
        let mut line = SourceLine {
            text,
            number,
            ..SourceLine::default()
        };
        if let Some(LineRequests { prefixes, required }) = options.requests {
            line.prefix = prefixes.get(number)?;
            line.required = required;
        }
        sources.push(line);
    }
    translator.translate_lines(&sources)
}

/// Reads `lines` ahead on a thread of its own, translates them, and hands them to `write` with their translations, in
/// order and many at a time. Memory grows with the longest line, not with their number. Ends early where `write`
/// breaks: the thread then ends with the next line that it reads.
///
/// # Errors
///
/// Those of reading, of [`translate_from`], and of `write`. The lines before the one in error are written first.
pub fn translate_lines(
    translator: &Translator,
    lines: Lines,
    options: StreamOptions<'_>,
    mut write: impl FnMut(&[String], &[Vec<Translation>]) -> Result<ControlFlow<()>, InferError>,
) -> Result<(), InferError> {
    let queue = Arc::new(Queue::default());
    let reading = Reading(Arc::clone(&queue));
    thread::Builder::new()
        .name("lines".to_owned())
        .spawn(move || reading.read(lines))
        .map_err(InferError::Threads)?;
    let _stop = Stop(&queue);
    let mut first = 0;
    while let Some((mut lines, mut error)) = queue.take(options.eager) {
        let translations = before_error(&mut lines, &mut error, first, |lines| {
            translate_from(translator, options, first, lines)
        })?;
        if write(&lines, &translations)?.is_break() {
            return Ok(());
        }
        if let Some(error) = error {
            return Err(error);
        }
        first += lines.len();
    }
    match options.requests {
        Some(requests) => requests.prefixes.check_end(first),
        None => Ok(()),
    }
}

/// The results of `compute` for the lines before the first in error. Cuts `lines`, of which the first has the number
/// `first` from 0, to these, and leaves the error in `error`, where there may be one of what comes behind the lines.
///
/// # Errors
///
/// Those that are no line's own.
pub fn before_error<Line, Results>(
    lines: &mut Vec<Line>,
    error: &mut Option<InferError>,
    first: usize,
    compute: impl Fn(&[Line]) -> Result<Results, InferError>,
) -> Result<Results, InferError> {
    loop {
        match compute(lines) {
            Ok(results) => return Ok(results),
            Err(failure) => match failure.line() {
                Some(line) => {
                    lines.truncate(line - 1 - first);
                    *error = Some(failure);
                }
                None => return Err(failure),
            },
        }
    }
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

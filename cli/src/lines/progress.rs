//! The progress through a file, on a terminal.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use attend_data::is_compressed;
use attend_infer::Translator;
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// A bar on standard error, if that is a terminal and the input a file.
pub(crate) struct Progress {
    bar: ProgressBar,
    /// The number of sentences or lines done so far.
    done: Arc<AtomicU64>,
}

impl Progress {
    /// Starts a bar that counts the bytes of `input`, and what is done of it: sentences or lines, as `unit` says.
    pub(crate) fn of(input: Option<&Path>, unit: &'static str) -> Self {
        let Some(input) = input else {
            return Self {
                bar: ProgressBar::hidden(),
                done: Arc::default(),
            };
        };
        // The length of compressed text is not known.
        let is_compressed = is_compressed(input);
        let bytes = std::fs::metadata(input)
            .ok()
            .filter(|file| file.is_file() && !is_compressed);
        Self::over(bytes.map(|file| file.len()), unit)
    }

    /// Starts a bar that counts bytes, of which there are so many if it is known, and what is done of them.
    pub(crate) fn over(bytes: Option<u64>, unit: &'static str) -> Self {
        let done = Arc::default();
        let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::stderr());
        if bar.is_hidden() {
            return Self { bar, done };
        }
        let template = match bytes {
            Some(_) => "{bar:30} {bytes} of {total_bytes}, {done}, {eta} left",
            None => "{spinner} {bytes}, {done}",
        };
        let count = Arc::clone(&done);
        let show_done = move |state: &ProgressState, text: &mut dyn Write| {
            let done = count.load(Ordering::Relaxed);
            let speed = done as f64 / state.elapsed().as_secs_f64().max(1e-3);
            // Writing to a string never fails.
            let _ = write!(text, "{} {unit}, {speed:.1} a second", HumanCount(done));
        };
        let style = ProgressStyle::with_template(template).expect("the template is valid");
        bar.set_style(style.with_key("done", show_done));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self { bar, done }
    }

    /// Has the bar count the sentences that a translator translates.
    pub(crate) fn observe(&self, translator: Translator) -> Translator {
        let count = Arc::clone(&self.done);
        translator.on_progress(move |sentences| {
            count.fetch_add(sentences as u64, Ordering::Relaxed);
        })
    }

    /// Counts sentences or lines that are done.
    pub(crate) fn count(&self, done: usize) {
        self.done.fetch_add(done as u64, Ordering::Relaxed);
    }

    /// Adds the bytes of lines that are done.
    pub(crate) fn advance<'a>(&self, lines: impl IntoIterator<Item = &'a String>) {
        let bytes: usize = lines.into_iter().map(|line| line.len() + 1).sum();
        self.bar.inc(bytes as u64);
    }

    /// Hides the bar while something else is written.
    pub(crate) fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        self.bar.suspend(write)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

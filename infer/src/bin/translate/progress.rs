//! How far a file is, on a terminal.

use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use attend_infer::Translator;
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

/// A bar on standard error, if that is a terminal and the input a file.
pub(crate) struct Progress(ProgressBar);

impl Progress {
    /// Counts the bytes of `input`, and the sentences that `translator` translates.
    pub(crate) fn of(translator: &Translator, input: Option<&Path>) -> Self {
        let Some(input) = input else {
            return Self(ProgressBar::hidden());
        };
        // Of compressed text it is not known how much there is.
        let is_compressed = attend_data::is_compressed(input);
        let bytes = std::fs::metadata(input)
            .ok()
            .filter(|file| file.is_file() && !is_compressed);
        let bytes = bytes.map(|file| file.len());
        let bar = ProgressBar::with_draw_target(bytes, ProgressDrawTarget::stderr());
        if bar.is_hidden() {
            return Self(bar);
        }
        let template = match bytes {
            Some(_) => "{bar:30} {bytes} of {total_bytes}, {sentences}, {eta} left",
            None => "{spinner} {bytes}, {sentences}",
        };
        let translator = translator.clone();
        let sentences = move |state: &ProgressState, text: &mut dyn Write| {
            let sentences = translator.sentences_translated();
            let speed = sentences as f64 / state.elapsed().as_secs_f64().max(1e-3);
            // Fails only where `text` does, and it is a string.
            let _ = write!(text, "{} sentences, {speed:.1} a second", HumanCount(sentences));
        };
        let style = ProgressStyle::with_template(template).expect("the template is valid");
        bar.set_style(style.with_key("sentences", sentences));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Takes lines for translated.
    pub(crate) fn advance(&self, lines: &[String]) {
        let bytes: usize = lines.iter().map(|line| line.len() + 1).sum();
        self.0.inc(bytes as u64);
    }

    /// Hides the bar while something else is written.
    pub(crate) fn suspend<R>(&self, write: impl FnOnce() -> R) -> R {
        self.0.suspend(write)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

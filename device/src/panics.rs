//! Collects the messages of panics until it is known whether they should be printed.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// The panics of all threads, in the order in which they occurred.
#[derive(Default)]
pub(crate) struct Panics(Vec<Panic>);

struct Panic {
    /// The panic's message; empty if the panic has no text.
    text: String,
    /// The text that the panic hook would have printed; `None` if another call of [`keep_back`] prints it.
    report: Option<String>,
}

impl Panics {
    /// Returns the messages of the panics that have one.
    pub(crate) fn texts(&self) -> impl Iterator<Item = &str> {
        let texts = self.0.iter().map(|panic| panic.text.as_str());
        texts.filter(|text| !text.is_empty())
    }

    /// Returns the cause that the first panic names. Later panics are usually consequences of the first.
    pub(crate) fn reason(&self) -> String {
        let text = self.texts().next().unwrap_or("it gives no reason");
        cause(text).to_owned()
    }

    /// Prints to standard error what the panic hook would have printed.
    pub(crate) fn print(&self) {
        for report in self.0.iter().filter_map(|panic| panic.report.as_ref()) {
            eprintln!("{report}");
        }
    }
}

/// Calls `work`. Returns its result, or the panic that ended it, together with the panics of all threads during the
/// call. Panic messages are collected while `work` runs, and not printed.
///
/// The process has only one panic hook, which this function replaces while `work` runs. If two calls run at the same
/// time, the first one collects the panics of both. The second one returns only the panic that ended its own `work`.
pub(crate) fn keep_back<R>(work: impl FnOnce() -> R) -> (thread::Result<R>, Panics) {
    static HOOK: Mutex<()> = Mutex::new(());
    let Ok(_hook) = HOOK.try_lock() else {
        let result = catch_unwind(AssertUnwindSafe(work));
        let own = result.as_ref().err().map(|panic| Panic {
            text: text(panic.as_ref()).to_owned(),
            report: None,
        });
        return (result, Panics(own.into_iter().collect()));
    };
    let panics = Arc::new(Mutex::new(Panics::default()));
    let usual_hook = take_hook();
    set_hook({
        let panics = Arc::clone(&panics);
        Box::new(move |panic| {
            let backtrace = Backtrace::capture();
            let backtrace = match backtrace.status() {
                BacktraceStatus::Captured => format!("\n{backtrace}"),
                _ => String::new(),
            };
            let thread = thread::current();
            let thread = thread.name().unwrap_or("without a name");
            let panic = Panic {
                text: panic.payload_as_str().unwrap_or_default().to_owned(),
                report: Some(format!("thread {thread} {panic}{backtrace}")),
            };
            panics
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .0
                .push(panic);
        })
    });
    let result = catch_unwind(AssertUnwindSafe(work));
    set_hook(usual_hook);
    let panics = mem::take(&mut *panics.lock().unwrap_or_else(PoisonError::into_inner));
    (result, panics)
}

/// Returns the message of a panic; empty if the panic has no text.
pub(crate) fn text(panic: &(dyn Any + Send)) -> &str {
    let formatted = panic.downcast_ref::<String>().map(String::as_str);
    let literal = || panic.downcast_ref::<&str>().copied();
    formatted.or_else(literal).unwrap_or_default()
}

/// Returns the line that names the cause in one of Burn's error messages. It is the last line that is not blank, or in
/// a message with a backtrace the last such line before the backtrace.
pub(crate) fn cause(error: &str) -> &str {
    let is_backtrace = |line: &str| line.to_lowercase().contains("backtrace");
    let lines = error.lines().map(str::trim);
    let causes = lines.take_while(|line| !is_backtrace(line));
    causes.filter(|line| !line.is_empty()).last().unwrap_or(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_calls_at_once_each_knows_its_own_panic() {
        let (outer, panics) = keep_back(|| {
            let (inner, panics) = keep_back(|| panic!("{} fault", 1));
            assert!(inner.is_err());
            assert_eq!(panics.texts().collect::<Vec<_>>(), ["1 fault"]);
            panic!("another");
        });
        assert!(outer.is_err());
        // Tests on other threads may panic at the same time.
        let texts: Vec<&str> = panics.texts().collect();
        assert!(
            texts.contains(&"1 fault") && texts.contains(&"another"),
            "{texts:?}"
        );
    }

    /// The first two messages are those of remote devices, the third is that of a GPU.
    #[test]
    fn the_cause_is_the_last_line_before_a_backtrace() {
        for (error, expected) in [
            ("the connection was closed", "the connection was closed"),
            ("cannot read\nCaused by:\n  it was closed\n", "it was closed"),
            (
                "The device is poisoned\nCaused by:\n  Lost: the GPU fell off the bus\nBacktrace:\nNo backtrace available",
                "Lost: the GPU fell off the bus",
            ),
        ] {
            assert_eq!(cause(error), expected);
        }
    }
}

//! Devices that stop answering in the middle of the work: a server that has ended, a card that was reset.
//!
//! Burn panics at whatever it does next with such a device, on any thread.

use std::any::Any;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind, set_hook, take_hook};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::device::NamedDevice;
use crate::error::InferError;

/// Does `work`. Where it panics because one of `devices` no longer answers, that is an error.
///
/// What panics print is kept back until then. If every device does answer, it is printed, and the panic, a bug's, goes
/// on. For work that is all on the processor nothing is kept back. The process has one panic hook, which this replaces
/// meanwhile, so one call may not overlap another.
///
/// # Errors
///
/// [`InferError::DeviceLost`], and those of `work`.
pub fn notice_lost_device<R, E: From<InferError>>(
    devices: &[NamedDevice],
    work: impl FnOnce() -> Result<R, E>,
) -> Result<R, E> {
    if devices.iter().all(NamedDevice::is_processor) {
        return work();
    }
    let messages = Arc::new(Mutex::new(Vec::new()));
    let usual_hook = take_hook();
    set_hook({
        let messages = Arc::clone(&messages);
        Box::new(move |panic| {
            let backtrace = Backtrace::capture();
            let backtrace = match backtrace.status() {
                BacktraceStatus::Captured => format!("\n{backtrace}"),
                _ => String::new(),
            };
            let thread = thread::current();
            let thread = thread.name().unwrap_or("without a name");
            let message = format!("thread {thread} {panic}{backtrace}");
            messages
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(message);
        })
    });
    let result = catch_unwind(AssertUnwindSafe(work));
    let lost = match &result {
        Ok(_) => Vec::new(),
        // One that is gone may take others with it, so it need not be the first.
        Err(_) => devices.iter().filter_map(silence).collect(),
    };
    set_hook(usual_hook);
    if let Some((_, reason)) = lost.first() {
        let names: Vec<&str> = lost.iter().map(|(name, _)| *name).collect();
        let names = names.join(" and ");
        let reason = reason.clone();
        return Err(InferError::DeviceLost { names, reason }.into());
    }
    for message in messages.lock().unwrap_or_else(PoisonError::into_inner).iter() {
        eprintln!("{message}");
    }
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

/// The name of a device that cannot end the work that it has, and the reason.
fn silence(device: &NamedDevice) -> Option<(&str, String)> {
    let answer = catch_unwind(AssertUnwindSafe(|| device.device.sync()));
    let reason = match answer {
        Ok(Ok(())) => return None,
        Ok(Err(error)) => error.to_string(),
        Err(panic) => text(panic.as_ref()).to_owned(),
    };
    Some((&device.name, cause(&reason).to_owned()))
}

/// The line of an error of Burn's that tells what caused it: the last one before a backtrace, which may be empty.
fn cause(error: &str) -> &str {
    let is_backtrace = |line: &str| line.to_lowercase().contains("backtrace");
    let lines = error.lines().map(str::trim);
    let causes = lines.take_while(|line| !is_backtrace(line));
    causes.filter(|line| !line.is_empty()).last().unwrap_or(error)
}

/// What a panic says.
fn text(panic: &(dyn Any + Send)) -> &str {
    let formatted = panic.downcast_ref::<String>().map(String::as_str);
    let literal = || panic.downcast_ref::<&str>().copied();
    formatted.or_else(literal).unwrap_or("it gives no reason")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts are those of a remote device and of a card.
    #[test]
    fn the_cause_is_the_last_line_before_a_backtrace() {
        for (error, expected) in [
            ("the connection was closed", "the connection was closed"),
            ("cannot read\nCaused by:\n  it was closed\n", "it was closed"),
            (
                "The device is poisoned\nCaused by:\n  Lost: the card fell off the bus\nBacktrace:\nNo backtrace available",
                "Lost: the card fell off the bus",
            ),
        ] {
            assert_eq!(cause(error), expected);
        }
    }
}

//! Devices that cannot be opened, or fail in the middle of the work: a card that another program holds for itself, was
//! reset or has no memory left, a server that has ended.
//!
//! Burn panics at whatever it does next with such a device, on any thread.

use std::panic::resume_unwind;

use crate::device::NamedDevice;
use crate::error::InferError;
use crate::panics::{Panics, keep_back, text};

/// What Burn's panics begin with where it reads what a device could not compute.
const READ_FAILURES: [&str; 2] = ["Failed to read tensor data: ", "Error while reading data: "];

/// Does `work`. Where it panics because one of `devices` no longer answers, or could not compute what is read from it,
/// that is an error.
///
/// What panics print is kept back until then. If the devices are not the cause, it is printed, and the panic, a bug's,
/// goes on. For work that is all on the processor nothing is kept back. The process has one panic hook, which this
/// replaces meanwhile: of two calls at once, the first keeps back the panics of both.
///
/// # Errors
///
/// [`InferError::DeviceLost`], [`InferError::DeviceFailed`], and those of `work`.
pub fn notice_device_failure<R, E: From<InferError>>(
    devices: &[NamedDevice],
    work: impl FnOnce() -> Result<R, E>,
) -> Result<R, E> {
    if devices.iter().all(NamedDevice::is_processor) {
        return work();
    }
    let (result, panics) = keep_back(work);
    let panic = match result {
        Ok(result) => {
            panics.print();
            return result;
        }
        Err(panic) => panic,
    };
    // One that is gone may take others with it, so it need not be the first.
    let lost: Vec<_> = devices
        .iter()
        .filter_map(|device| Some((device, silence(device)?)))
        .collect();
    if let Some((_, reason)) = lost.first() {
        return Err(E::from(InferError::DeviceLost {
            names: names(lost.iter().map(|(device, _)| *device), " and "),
            reason: reason.clone(),
        }));
    }
    let text = text(panic.as_ref());
    if READ_FAILURES.iter().any(|start| text.starts_with(start)) {
        let devices = devices.iter().filter(|device| !device.is_processor());
        return Err(E::from(InferError::DeviceFailed {
            names: names(devices, " or "),
            reason: cause(text).to_owned(),
        }));
    }
    panics.print();
    resume_unwind(panic)
}

/// What `ask` gets from a device that may not have been opened yet.
///
/// # Errors
///
/// [`InferError::CannotOpen`].
pub(crate) fn open<R>(name: &str, ask: impl FnOnce() -> R) -> Result<R, InferError> {
    let (answer, panics) = keep_back(ask);
    match answer {
        Ok(answer) => {
            panics.print();
            Ok(answer)
        }
        Err(_) => Err(InferError::CannotOpen {
            name: name.to_owned(),
            reason: reason(&panics),
        }),
    }
}

/// Why a device cannot end the work that it has; `None` if it can.
fn silence(device: &NamedDevice) -> Option<String> {
    match keep_back(|| device.device.sync()) {
        (Ok(Ok(())), _) => None,
        (Ok(Err(error)), _) => Some(cause(&error.to_string()).to_owned()),
        (Err(_), panics) => Some(reason(&panics)),
    }
}

/// What the first panic says, whose consequences the others are.
fn reason(panics: &Panics) -> String {
    let text = panics.texts().next().unwrap_or("it gives no reason");
    cause(text).to_owned()
}

fn names<'a>(devices: impl Iterator<Item = &'a NamedDevice>, separator: &str) -> String {
    let names: Vec<&str> = devices.map(|device| device.name.as_str()).collect();
    names.join(separator)
}

/// The line of an error of Burn's that tells what caused it: the last one before a backtrace, which may be empty.
fn cause(error: &str) -> &str {
    let is_backtrace = |line: &str| line.to_lowercase().contains("backtrace");
    let lines = error.lines().map(str::trim);
    let causes = lines.take_while(|line| !is_backtrace(line));
    causes.filter(|line| !line.is_empty()).last().unwrap_or(error)
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

//! Devices that cannot be opened or that fail while they compute: a GPU that another program holds for itself, that was
//! reset or has no memory left; a remote server that has ended.
//!
//! Burn panics at whatever it does next with such a device, on any thread. This module turns these panics into errors.

use std::panic::resume_unwind;

use crate::device::{NamedDevice, is_processor};
use crate::error::DeviceError;
use crate::panics::{Panics, keep_back, text};

/// What Burn's panics begin with where it reads what a device could not compute.
const READ_FAILURES: [&str; 2] = ["Failed to read tensor data: ", "Error while reading data: "];

/// Does `work`, and turns a panic into an error if one of `devices` no longer answers, or could not compute what `work` read
/// from it. Any other panic is a bug's, and goes on.
///
/// The messages of panics are not printed before it is known which of both they are. The process has one panic hook,
/// which this function replaces meanwhile: of two calls at once, the first also holds back the messages of the second.
/// For work on the processor alone, nothing is held back.
///
/// # Errors
///
/// [`DeviceError::Lost`] if a device no longer answers, [`DeviceError::Failed`] if it answers, but could not compute, and
/// the errors of `work`.
pub fn notice_device_failure<R, E: From<DeviceError>>(
    devices: &[NamedDevice],
    work: impl FnOnce() -> Result<R, E>,
) -> Result<R, E> {
    if devices.iter().all(|device| is_processor(&device.device)) {
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
        return Err(E::from(DeviceError::Lost {
            names: names(lost.iter().map(|(device, _)| *device), " and "),
            reason: reason.clone(),
        }));
    }
    let text = text(panic.as_ref());
    if READ_FAILURES.iter().any(|start| text.starts_with(start)) {
        let devices = devices.iter().filter(|device| !is_processor(&device.device));
        return Err(E::from(DeviceError::Failed {
            names: names(devices, " or "),
            reason: cause(text).to_owned(),
        }));
    }
    panics.print();
    resume_unwind(panic)
}

/// Does `ask`, which opens the device of that name.
///
/// # Errors
///
/// [`DeviceError::CannotOpen`] if `ask` panics.
pub(crate) fn open<R>(name: &str, ask: impl FnOnce() -> R) -> Result<R, DeviceError> {
    let (answer, panics) = keep_back(ask);
    match answer {
        Ok(answer) => {
            panics.print();
            Ok(answer)
        }
        Err(_) => Err(DeviceError::CannotOpen {
            name: name.to_owned(),
            reason: reason(&panics),
        }),
    }
}

/// Returns why a device cannot finish the work that it was given; `None` if it can.
fn silence(device: &NamedDevice) -> Option<String> {
    match keep_back(|| device.device.sync()) {
        (Ok(Ok(())), _) => None,
        (Ok(Err(error)), _) => Some(cause(&error.to_string()).to_owned()),
        (Err(_), panics) => Some(reason(&panics)),
    }
}

/// Returns the message of the first panic, which the others follow from.
fn reason(panics: &Panics) -> String {
    let text = panics.texts().next().unwrap_or("it gives no reason");
    cause(text).to_owned()
}

fn names<'a>(devices: impl Iterator<Item = &'a NamedDevice>, separator: &str) -> String {
    let names: Vec<&str> = devices.map(|device| device.name.as_str()).collect();
    names.join(separator)
}

/// Returns the line of an error of Burn's that names the cause: the last one before a backtrace, which may be empty.
fn cause(error: &str) -> &str {
    let is_backtrace = |line: &str| line.to_lowercase().contains("backtrace");
    let lines = error.lines().map(str::trim);
    let causes = lines.take_while(|line| !is_backtrace(line));
    causes.filter(|line| !line.is_empty()).last().unwrap_or(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The texts are those of a remote device and of a GPU.
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

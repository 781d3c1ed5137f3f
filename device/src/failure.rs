//! Devices that fail. A GPU may be in use by another program, may be reset, or may run out of memory. A remote server
//! may end.
//!
//! After a failure, Burn panics the next time that it uses the device, on any thread. This module turns these panics
//! into errors.

use std::panic::resume_unwind;

use crate::device::{NamedDevice, is_processor};
use crate::error::DeviceError;
use crate::panics::{cause, keep_back, text};

/// How Burn's panic messages begin when it reads a result that the device could not compute.
const READ_FAILURES: [&str; 2] = ["Failed to read tensor data: ", "Error while reading data: "];

/// Calls `work`, and turns a panic of `work` into an error if a device is the cause: if one of `devices` no longer
/// answers, or could not compute a result that `work` read. Any other panic is a bug, and goes on as a panic.
///
/// Panic messages are collected while `work` runs. They are printed afterwards, unless the function returns an error
/// that names their cause. The process has only one panic hook, which this function replaces while `work` runs. If two
/// calls run at the same time, the first one collects the messages of both. If all `devices` are processors, no
/// messages are collected.
///
/// # Errors
///
/// Returns [`DeviceError::Lost`] if a device no longer answers, [`DeviceError::Failed`] if it answers, but could not
/// compute a result, and the errors of `work`.
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
    // A lost device may make others fail, so all devices are asked.
    let lost: Vec<_> = devices
        .iter()
        .filter_map(|device| Some((device, failure_reason(device)?)))
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

/// Waits until a device has finished its work. Returns the reason if it cannot finish, else `None`.
fn failure_reason(device: &NamedDevice) -> Option<String> {
    match keep_back(|| device.device.sync()) {
        (Ok(Ok(())), _) => None,
        (Ok(Err(error)), _) => Some(cause(&error.to_string()).to_owned()),
        (Err(_), panics) => Some(panics.reason()),
    }
}

fn names<'a>(devices: impl Iterator<Item = &'a NamedDevice>, separator: &str) -> String {
    let names: Vec<&str> = devices.map(|device| device.name.as_str()).collect();
    names.join(separator)
}

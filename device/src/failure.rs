//! Devices that cannot be opened or that fail while they compute: a GPU that another program holds for itself, that was
//! reset or has no memory left; a remote server that has ended.
//!
//! Burn panics at whatever it does next with such a device, on any thread. This module turns these panics into errors.

use std::panic::resume_unwind;

use crate::device::{NamedDevice, is_processor};
use crate::error::DeviceError;
use crate::panics::{cause, keep_back, text};

/// The beginnings of the messages with which Burn panics when it reads a result that the device could not compute.
const READ_FAILURES: [&str; 2] = ["Failed to read tensor data: ", "Error while reading data: "];

/// Calls `work`, and turns a panic in it into an error if one of `devices` no longer answers, or could not compute a
/// result that `work` read. Any other panic is a bug and is passed on.
///
/// The messages of panics are held back while `work` runs. Afterwards they are printed, unless the function returns an
/// error for their cause. The process has one panic hook, which this function replaces meanwhile: of two calls at once,
/// the first also holds back the messages of the second. If all `devices` are processors, nothing is held back.
///
/// # Errors
///
/// [`DeviceError::Lost`] if a device no longer answers, [`DeviceError::Failed`] if it answers, but could not compute a
/// result, and the errors of `work`.
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
    // A device that is gone may take others with it, so all are asked.
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

/// Waits until a device has finished the work that it was given. Returns the reason if it cannot finish, else `None`.
fn silence(device: &NamedDevice) -> Option<String> {
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

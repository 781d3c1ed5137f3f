//! What can go wrong with a device.

use std::io;

/// An error of a device, or of the threads that compute on it. The message is one sentence that names the device.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// No device has this name.
    #[error("no device is named {name:?}")]
    Unknown {
        /// The name asked for.
        name: String,
        /// The known name that is most like it.
        nearest: &'static str,
    },
    /// The backend is known, but this program was built without it.
    #[error("this program was built without {feature}{}", but(.compiled_in))]
    NotCompiledIn {
        /// The feature that compiles the backend in.
        feature: String,
        /// The features that this program was built with.
        compiled_in: Vec<&'static str>,
    },
    /// This machine has no such device.
    #[error("this machine has no {name}{}", but(.present))]
    Absent {
        /// The name asked for.
        name: String,
        /// The names of the devices of this backend that the machine has.
        present: Vec<String>,
    },
    /// No device of any backend was found.
    #[error("the backends that this program was built with find no device in this machine")]
    NoDevice,
    /// A device of another machine does not answer.
    #[error("cannot connect to {name}: {reason}")]
    Unreachable {
        /// The name asked for.
        name: String,
        /// Why the connection failed.
        reason: String,
    },
    /// The device is there, but cannot be used.
    #[error("cannot open {name}: {reason}")]
    CannotOpen {
        /// The device's name.
        name: String,
        /// The driver's message.
        reason: String,
    },
    /// The device still answers, but could not do the work, for example because its memory is full.
    #[error("{names} could not compute this: {reason}")]
    Failed {
        /// The names of the devices in use, one of which failed, with "or" between them.
        names: String,
        /// The device's message.
        reason: String,
    },
    /// The device was there and is gone.
    #[error("lost {names}: {reason}")]
    Lost {
        /// The names of the devices that are gone, with "and" between them.
        names: String,
        /// The message of the first device that is gone.
        reason: String,
    },
    /// The system refuses to start a thread.
    #[error("cannot start a thread: {0}")]
    Threads(#[source] io::Error),
    /// Devices cannot be served at an address.
    #[cfg(feature = "remote")]
    #[error("cannot serve on {address}: {reason}")]
    Server {
        /// The address to listen at.
        address: std::net::SocketAddr,
        /// Why the devices cannot be served there.
        reason: String,
    },
}

/// Returns the end of a sentence that says what is missing: `, but ` and the names of what is present. Returns an empty
/// string if there are no names.
fn but<Name: AsRef<str>>(names: &[Name]) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    if names.is_empty() {
        String::new()
    } else {
        format!(", but {}", names.join(", "))
    }
}

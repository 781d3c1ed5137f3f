//! A server of this machine's devices for programs on other machines.

use std::net::{SocketAddr, TcpListener};

use burn::server::{RemoteServer, WebSocketTransport};

use crate::device::NamedDevice;
use crate::error::DeviceError;

/// Listens at `address`, calls `started` with the actual address and the devices, and serves these devices. Returns
/// only on an error. If the port is 0, the system chooses a free port. Other programs reach the first device by the name
/// `remote:ws://HOST:PORT`, the second by `remote:ws://HOST:PORT#1`, and so on.
///
/// There is no encryption and no authentication: every program that reaches the address can use the devices.
///
/// # Errors
///
/// Returns [`DeviceError::Server`] if the server cannot listen at the address, or if the devices belong to several
/// backends. Returns the error of `started` if there is one.
pub fn serve<E: From<DeviceError>>(
    devices: Vec<NamedDevice>,
    address: SocketAddr,
    started: impl FnOnce(SocketAddr, &[NamedDevice]) -> Result<(), E>,
) -> Result<(), E> {
    let refused = |reason: String| DeviceError::Server { address, reason };
    let listener = TcpListener::bind(address).map_err(|error| refused(error.to_string()))?;
    let bound = listener
        .local_addr()
        .map_err(|error| refused(error.to_string()))?;
    started(bound, &devices)?;
    RemoteServer::new(devices.into_iter().map(|device| device.device))
        .serve(WebSocketTransport::from_listener(listener))
        .map_err(|error| refused(error.to_string()).into())
}

//! A server of this machine's devices for programs on other machines.

use std::net::{SocketAddr, TcpListener};

use burn::server::{RemoteServer, WebSocketTransport};

use crate::device::NamedDevice;
use crate::error::DeviceError;

/// Listens at `address`, calls `started` with the address that is listened at, and serves the devices until the process
/// ends. If the port is 0, the system chooses a free one. Other programs reach the first device by the name
/// `remote:ws://HOST:PORT`, the second by `remote:ws://HOST:PORT#1`, and so on.
///
/// Nothing on the way is encrypted, and every program that reaches the address may compute.
///
/// # Errors
///
/// [`DeviceError::Server`] if the address cannot be listened at, or the devices belong to several backends, and the
/// error of `started`.
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

//! `attend remote-server`: this machine's devices for programs on other machines.

use std::io;
use std::net::SocketAddr;

use attend_device::{NamedDevice, serve};
use clap::Args;
use tracing_subscriber::EnvFilter;

use crate::error::CliError;
use crate::flags::DevicesOption;

/// Serve devices to programs that compute on them by --device remote:ws://HOST:PORT, and on the second one served by
/// remote:ws://HOST:PORT#1, until Ctrl-C.
///
/// Nothing on the way is encrypted, and whoever reaches the address may compute: beyond a network that you trust, leave
/// it at 127.0.0.1 and come through an SSH tunnel. Several servers in one run also reach each other, at the addresses
/// that --device gives there.
#[derive(Args)]
pub(crate) struct Options {
    /// Where to listen; 0.0.0.0:3000 for all who reach this machine, port 0 for a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    #[command(flatten)]
    devices: DevicesOption,
}

pub(crate) fn run(options: &Options) -> Result<(), CliError> {
    // Burn's own log has a line for every tensor that another server asks for.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .init();
    let devices = options.devices.select()?;
    serve(devices, options.listen, show)
}

/// Prints the names by which other programs reach the devices.
fn show(address: SocketAddr, devices: &[NamedDevice]) -> Result<(), CliError> {
    let host = if address.ip().is_unspecified() {
        format!("HOST:{}", address.port())
    } else {
        address.to_string()
    };
    for (index, device) in devices.iter().enumerate() {
        let place = if index == 0 {
            String::new()
        } else {
            format!("#{index}")
        };
        let description = device.description()?;
        eprintln!("remote:ws://{host}{place} is {} ({description})", device.name);
    }
    Ok(())
}

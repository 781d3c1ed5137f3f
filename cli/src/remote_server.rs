//! The subcommand `attend remote-server` serves this machine's devices to programs on other machines.

use std::net::SocketAddr;

use attend_device::{NamedDevice, serve};
use clap::Args;

use crate::error::CliError;
use crate::flags::DevicesOption;
use crate::log::print_log;

/// Serve this machine's devices to programs on other machines, until Ctrl-C.
///
/// Those programs compute on the first device by --device remote:ws://HOST:PORT, on the second by --device
/// remote:ws://HOST:PORT#1, and so on.
///
/// Nothing on the way is encrypted, and every program that reaches the address may compute. Beyond a network that you
/// trust, keep the address 127.0.0.1 and connect through an SSH tunnel. If a training run computes on several servers,
/// they also connect to each other, at the addresses that its --device names.
#[derive(Args)]
pub(crate) struct Options {
    /// The address to listen at. 0.0.0.0:3000 serves every program that reaches this machine, and port 0 takes a free
    /// port.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    #[command(flatten)]
    devices: DevicesOption,
}

pub(crate) fn run(options: &Options) -> Result<(), CliError> {
    // Warnings alone: Burn logs a line for every tensor that another server asks for.
    print_log("warn", None);
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

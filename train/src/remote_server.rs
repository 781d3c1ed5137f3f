//! `remote-server`: this machine's devices for programs on other machines.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use attend_data::cli::report;
use attend_infer::cli::DevicesOption;
use attend_train::TrainError;
use burn::server::{RemoteServer, WebSocketTransport};
use clap::Parser;
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Serve devices to programs that compute on them by --device remote:ws://HOST:PORT, and on the second one served by
/// remote:ws://HOST:PORT#1, until Ctrl-C.
///
/// Nothing on the way is encrypted, and whoever reaches the address may compute: beyond a network that you trust, leave
/// it at 127.0.0.1 and come through an SSH tunnel. Several servers in one run also reach each other, at the addresses
/// that --device gives there.
#[derive(Parser)]
#[command(name = "remote-server", version)]
struct Options {
    /// Where to listen; 0.0.0.0:3000 for all who reach this machine, port 0 for a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,
    #[command(flatten)]
    devices: DevicesOption,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error, error.hint()),
    }
}

fn run(options: &Options) -> Result<(), TrainError> {
    // Burn's own log has a line for every tensor that another server asks for.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .init();
    let devices = options.devices.select()?;
    let refused = |reason: String| TrainError::Server {
        address: options.listen,
        reason,
    };
    let listener = TcpListener::bind(options.listen).map_err(|error| refused(error.to_string()))?;
    let address = listener
        .local_addr()
        .map_err(|error| refused(error.to_string()))?;
    let host = match address.ip().is_unspecified() {
        true => format!("HOST:{}", address.port()),
        false => address.to_string(),
    };
    for (index, device) in devices.iter().enumerate() {
        let place = if index == 0 {
            String::new()
        } else {
            format!("#{index}")
        };
        eprintln!(
            "remote:ws://{host}{place} is {} ({})",
            device.name,
            device.description()?
        );
    }
    RemoteServer::new(devices.into_iter().map(|device| device.device))
        .serve(WebSocketTransport::from_listener(listener))
        .map_err(|error| refused(error.to_string()))
}

//! The log of the servers, on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// Prints what a server logs from now on. Unless the variable `RUST_LOG` asks for something else, it is what `filter`
/// names.
pub(crate) fn print_log(filter: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(filter));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}

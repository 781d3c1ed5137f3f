//! The log of the servers, on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// Prints what a server logs from now on. Unless the variable `RUST_LOG` asks for something else, it is what `filter`
/// names. Of the target `fixed`, it is the level beside it, whatever the variable asks for.
pub(crate) fn print_log(filter: &str, fixed: Option<(&str, &str)>) {
    let mut filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(filter));
    if let Some((target, level)) = fixed {
        let directive = format!("{target}={level}").parse().expect("a target and a level");
        filter = filter.add_directive(directive);
    }
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}

//! The program `attend` as a library: its subcommands, and what the workspace's other programs share with it – the options
//! for devices, how an error reads, and the hints that go with it.
//!
//! Libraries return errors that name file, line and field. Only this crate knows flags, progress bars and the allocator.

mod data;
mod devices;
mod error;
mod evaluate;
mod flags;
mod hint;
mod name;
mod output;
#[cfg(feature = "remote")]
mod remote_server;
mod score;
mod train;
mod translate;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser, Subcommand};

pub use error::CliError;
pub use flags::{DeviceOption, avoid_huge_pages};
pub use hint::Hint;
pub use name::name_of;
pub use output::{print, report};

/// Train translators, translate with them, and score them.
#[derive(Parser)]
#[command(name = "attend", version)]
struct Attend {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Train(train::Options),
    Translate(translate::Options),
    Eval(evaluate::Options),
    Score(score::Options),
    /// Fetch corpora to train on.
    #[command(subcommand)]
    Data(data::Task),
    /// List the devices that --device takes: those of the backends that are built in and that this machine has.
    Devices,
    #[cfg(feature = "remote")]
    RemoteServer(remote_server::Options),
}

/// Runs the subcommand that the command line names, and returns the exit status of the process: 0, 1 after an error, 2
/// for a wrong command line, and 128 and the signal's number after a signal.
#[must_use]
pub fn run() -> ExitCode {
    let result = match Attend::parse().command {
        Command::Train(options) => train::run(&options),
        Command::Translate(options) => translate::run(&options),
        Command::Eval(options) => evaluate::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Score(options) => score::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Data(task) => data::run(task).map(|()| ExitCode::SUCCESS),
        Command::Devices => devices::run().map(|()| ExitCode::SUCCESS),
        #[cfg(feature = "remote")]
        Command::RemoteServer(options) => remote_server::run(&options).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| report(&error))
}

/// How the user called this program: `attend`, or what the variable `ATTEND_COMMAND` says, which the Justfile sets to
/// `just` and the backends that it builds. Commands to be typed next begin with it.
fn command() -> String {
    std::env::var("ATTEND_COMMAND").unwrap_or_else(|_| "attend".to_owned())
}

/// Ends the process as clap does at a wrong command line: with a message, the usage of the subcommand, and status 2.
fn usage_error(subcommand: &str, kind: ErrorKind, message: &str) -> ! {
    let mut attend = Attend::command();
    attend.build();
    let subcommand = attend
        .find_subcommand_mut(subcommand)
        .expect("a subcommand of attend");
    subcommand.error(kind, message).exit()
}

//! The program `attend` as a library: its subcommands, and what other programs of the workspace share with it, which is
//! the option `--device`, the way in which errors are reported, and the hints that go with them.
//!
//! Libraries return errors that name file, line and field. This crate alone knows flags, progress bars and the
//! allocator, and turns an error into a [`Hint`] that names the flag which helps.
//!
//! ```
//! use attend_cli::{CliError, DeviceOption, print};
//! use clap::Parser;
//!
//! #[derive(Parser)]
//! struct Options {
//!     #[command(flatten)]
//!     device: DeviceOption,
//! }
//!
//! let options = Options::parse_from(["program", "--device", "cpu"]);
//! let device = options.device.select()?;
//! print(&format!("{} keeps {} workers busy\n", device.name, device.workers()))?;
//! # Ok::<(), CliError>(())
//! ```

mod attention;
mod classify;
mod data;
mod devices;
mod error;
mod evaluate;
mod export;
mod flags;
mod get;
mod heads;
mod hint;
mod import;
mod labelling;
mod library;
mod lines;
mod log;
mod models;
mod name;
mod open_model;
mod output;
#[cfg(feature = "remote")]
mod remote_server;
mod score;
mod serve;
mod tag;
mod train;
mod translate;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use shlex::Quoter;

pub use error::CliError;
pub use flags::{DeviceOption, avoid_huge_pages};
pub use hint::Hint;
pub use name::name_of;
pub use output::{print, report};

/// Train translators, translate with them, and score them. Train classifiers and taggers, and label text with them.
#[derive(Parser)]
#[command(name = "attend", version)]
struct Attend {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Train(train::Options),
    Translate(Box<translate::Options>),
    Eval(evaluate::Options),
    Score(score::Options),
    Attention(attention::Options),
    Heads(heads::Options),
    Classify(classify::Options),
    Tag(tag::Options),
    Get(get::Options),
    Import(import::Options),
    Export(export::Options),
    Serve(serve::Options),
    /// Fetch corpora to train on.
    #[command(subcommand)]
    Data(data::Task),
    /// List the models in the folder of the variable ATTEND_HOME, or else of the platform, which --model takes by name
    /// and `attend translate --from --to` by language.
    Models,
    /// List the devices of this machine that --device takes, for all backends that are built in.
    Devices,
    #[cfg(feature = "remote")]
    RemoteServer(remote_server::Options),
}

/// Runs the subcommand that the command line names, and returns the exit status of the process: 0 after success, 1
/// after an error, 2 after a wrong command line, and 128 plus the number of the signal after a signal.
#[must_use]
pub fn run() -> ExitCode {
    run_with(std::env::args_os().skip(1))
}

/// Runs the subcommand that these arguments name, as [`run`] does.
#[must_use]
pub fn run_with(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let line = [OsString::from("attend")].into_iter().chain(arguments);
    let attend =
        Attend::from_arg_matches(&command_line().get_matches_from(line)).unwrap_or_else(|error| error.exit());
    let result = match attend.command {
        Command::Train(options) => train::run(&options),
        Command::Translate(options) => translate::run(&options),
        Command::Eval(options) => evaluate::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Score(options) => score::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Attention(options) => attention::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Heads(options) => heads::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Classify(options) => classify::run(&options),
        Command::Tag(options) => tag::run(&options),
        Command::Get(options) => get::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Import(options) => import::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Export(options) => export::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Serve(options) => serve::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Data(task) => data::run(task).map(|()| ExitCode::SUCCESS),
        Command::Models => models::run().map(|()| ExitCode::SUCCESS),
        Command::Devices => devices::run().map(|()| ExitCode::SUCCESS),
        #[cfg(feature = "remote")]
        Command::RemoteServer(options) => remote_server::run(&options).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| report(&error))
}

/// Returns the command line that clap parses. A negative number is the value of the option before it, which can then
/// say what is wrong with the number, and no unknown flag.
fn command_line() -> clap::Command {
    Attend::command().mut_subcommands(|subcommand| {
        subcommand.mut_args(|argument| {
            let takes_number = !argument.is_positional() && argument.get_action().takes_values();
            argument.allow_negative_numbers(takes_number)
        })
    })
}

/// Returns the command by which the user called this program: `attend`, or the value of the variable `ATTEND_COMMAND`,
/// which the Justfile sets to `just` and the backends that it builds. Commands that the program tells the user to type
/// begin with it.
fn command() -> String {
    let command = std::env::var("ATTEND_COMMAND").ok();
    let command = command.filter(|command| !command.is_empty());
    command.unwrap_or_else(|| "attend".to_owned())
}

/// Returns a subcommand of this program and its arguments as a shell takes them.
fn typed_command(words: &[&str]) -> String {
    let quoter = Quoter::new().allow_nul(true);
    let words = quoter.join(words.iter().copied());
    let words = words.expect("nothing but a NUL would be refused");
    format!("{} {words}", command())
}

/// Ends the process as clap does after a wrong command line: prints a message and the usage of the subcommand, and
/// exits with status 2. Options that the message names as the libraries do are [named by their
/// flags](hint::with_flags).
fn usage_error(subcommand: &str, kind: ErrorKind, message: &str) -> ! {
    let mut attend = Attend::command();
    attend.build();
    let subcommand = attend
        .find_subcommand_mut(subcommand)
        .expect("a subcommand of attend");
    let message = hint::with_flags(message, subcommand);
    subcommand.error(kind, message).exit()
}

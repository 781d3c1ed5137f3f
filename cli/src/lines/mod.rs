//! Lines in and lines out: what subcommands share that do something with each line of text.

mod input;
mod output;
mod progress;
mod prompt;

pub(crate) use input::Input;
pub(crate) use output::Output;
pub(crate) use progress::Progress;
pub(crate) use prompt::prompt;

//! The place of a setting, for error messages.

use std::fmt;
use std::path::PathBuf;

use attend_data::named;

/// The place where a setting of a [`Recipe`](crate::Recipe) was given. `Display` writes `small.toml, line 3` or
/// `training.updates=0`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A file.
    File {
        /// Path of the file.
        path: PathBuf,
        /// Number of the line, counted from 1, where one is known.
        line: Option<usize>,
    },
    /// An override of [`Recipe::load`](crate::Recipe::load), as the caller gave it.
    Override(String),
    /// The program that made or changed the recipe.
    Program,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line: None } => write!(f, "{}", named(path)),
            Self::File {
                path,
                line: Some(line),
            } => write!(f, "{}, line {line}", named(path)),
            Self::Override(assignment) => f.write_str(assignment),
            Self::Program => f.write_str("the recipe"),
        }
    }
}

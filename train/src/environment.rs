//! The software and the machine of a run.

use std::env::consts::{ARCH, OS};
use std::fmt;

use attend_device::{peak_memory, processor};

/// The Burn that this program is built with, which does not tell itself.
const BURN_VERSION: &str = "0.22.1";

/// What a run ran on. `Display` writes it as Markdown, a line of a list for each part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Environment {
    /// The devices' names, with commas between them.
    pub devices: String,
    /// Threads that shared each batch.
    pub workers: usize,
    /// The processor's name, its cores that the program may use, and the machine's memory.
    pub processor: String,
    /// The most bytes that the process has had resident, where the system tells it.
    pub peak_memory: Option<u64>,
}

impl Environment {
    /// The environment of this process.
    #[must_use]
    pub fn of_this_process(devices: &str, workers: usize) -> Self {
        Self {
            devices: devices.to_owned(),
            workers,
            processor: processor(),
            peak_memory: peak_memory(),
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = env!("CARGO_PKG_VERSION");
        writeln!(
            f,
            "- Attend {version} with Burn {BURN_VERSION}, for {OS} on {ARCH}"
        )?;
        writeln!(f, "- {}", self.processor)?;
        write!(
            f,
            "- device `{}`, {}",
            self.devices,
            counted(self.workers, "worker")
        )?;
        if let Some(bytes) = self.peak_memory {
            let gibibytes = bytes as f64 / f64::from(1 << 30);
            write!(f, "\n- {gibibytes:.2} GiB of memory at the peak")?;
        }
        Ok(())
    }
}

fn counted(count: usize, noun: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_burn_is_that_of_the_lock_file() {
        let lock = include_str!("../../Cargo.lock").replace("\r\n", "\n");
        let burn = format!("name = \"burn\"\nversion = \"{BURN_VERSION}\"\n");
        assert!(lock.contains(&burn));
    }
}

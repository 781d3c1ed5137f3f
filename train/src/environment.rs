//! The software and the machine that a run uses.

use std::env::consts::{ARCH, OS};
use std::fmt;

use attend_device::{peak_memory, processor};

/// The version of Burn, which Burn does not export as a constant.
const BURN_VERSION: &str = "0.22.1";

/// The software and the machine of a run. `Display` writes a Markdown list.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    /// Names of the devices, with commas between them.
    devices: String,
    /// Number of workers that shared each batch.
    workers: usize,
    /// Name of the processor, the number of its cores that the program may use, and the machine's memory.
    processor: String,
    /// The maximum number of bytes that the process has had in memory; `None` if the system does not report it.
    peak_memory: Option<u64>,
}

impl Environment {
    /// Returns the environment of this process.
    pub(crate) fn of_this_process(devices: &str, workers: usize) -> Self {
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

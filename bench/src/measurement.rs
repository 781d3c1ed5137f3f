//! Runs Attend and its peer, called the two sides, and reads what they measure. Each run is a process of its own, since
//! the peak memory is that of a whole process.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use attend_cli::print;
use attend_data::DataError;
use attend_device::{NamedDevice, peak_memory};
use burn::tensor::Device;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::error::BenchError;

pub(crate) const GIBIBYTE: f64 = (1u64 << 30) as f64;

/// What one run measures. The peer prints the same JSON object.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Measurement {
    /// Target tokens a second.
    pub(crate) tokens_per_second: f64,
    /// The most bytes of memory that the process has taken, or that it holds on a GPU; 0 if they are not known.
    pub(crate) peak_bytes: u64,
}

/// Returns the bytes that Burn holds on a device, of which it gives none back before the process ends; `None` if Burn
/// does not report them.
pub(crate) fn device_memory(device: &Device) -> Option<u64> {
    device.memory_pool_usage().map(|usage| usage.bytes_reserved)
}

/// Returns the bytes that Burn holds on the device or, if Burn does not report them, the peak memory of the process; 0
/// if neither is known.
pub(crate) fn memory_taken(device: &Device) -> u64 {
    device_memory(device).or_else(peak_memory).unwrap_or(0)
}

/// Makes a temporary folder, which is removed when the value is dropped.
pub(crate) fn temporary_folder() -> Result<TempDir, BenchError> {
    Ok(tempfile::tempdir().map_err(|error| DataError::write(Path::new("a temporary folder"), error))?)
}

/// Returns the name that PyTorch and CTranslate2 give the device.
pub(crate) fn peer_device(device: &NamedDevice) -> &'static str {
    match device.name.split(':').next() {
        Some("cuda" | "rocm" | "vulkan" | "wgpu") => "cuda",
        Some("metal") => "mps",
        _ => "cpu",
    }
}

/// Prints a side's measurement as a line of JSON, which [`run`] reads.
pub(crate) fn print_measurement(measurement: &impl Serialize) -> Result<(), BenchError> {
    let line = serde_json::to_string(measurement).expect("numbers always serialize") + "\n";
    Ok(print(&line)?)
}

/// Returns the median of each figure; `None` if there is no measurement.
pub(crate) fn median(measurements: Vec<Measurement>) -> Option<Measurement> {
    if measurements.is_empty() {
        return None;
    }
    let middle = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        let (low, high) = ((values.len() - 1) / 2, values.len() / 2);
        (values[low] + values[high]) / 2.0
    };
    Some(Measurement {
        tokens_per_second: middle(measurements.iter().map(|one| one.tokens_per_second).collect()),
        peak_bytes: middle(measurements.iter().map(|one| one.peak_bytes as f64).collect()) as u64,
    })
}

/// Returns the command that runs one side by this program.
pub(crate) fn this_program(side: &str) -> Result<Command, BenchError> {
    let program = std::env::current_exe().map_err(|error| BenchError::Start {
        program: PathBuf::from("bench"),
        error,
        packages: None,
    })?;
    let mut command = Command::new(program);
    command.arg(side);
    Ok(command)
}

/// Runs one side and returns the measurement that it prints. If the side is a Python script, `packages` are those that
/// it imports.
///
/// # Errors
///
/// [`BenchError::Start`] if the program cannot be started, [`BenchError::NoMeasurement`] if it prints anything else.
pub(crate) fn run<T: DeserializeOwned>(
    mut command: Command,
    packages: Option<&'static str>,
) -> Result<T, BenchError> {
    let (program, output) = output(&mut command, packages)?;
    serde_json::from_slice(&output.stdout).map_err(|_| failure(program, &output, packages))
}

/// Runs a Python script that imports `packages` and takes no measurement. Returns what it prints.
///
/// # Errors
///
/// [`BenchError::Start`] if Python cannot be started, [`BenchError::NoMeasurement`] if the script fails.
pub(crate) fn run_script(mut command: Command, packages: &'static str) -> Result<String, BenchError> {
    let (program, output) = output(&mut command, Some(packages))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(failure(program, &output, Some(packages)))
    }
}

fn output(command: &mut Command, packages: Option<&'static str>) -> Result<(PathBuf, Output), BenchError> {
    let program = PathBuf::from(command.get_program());
    match command.stderr(Stdio::inherit()).output() {
        Ok(output) => Ok((program, output)),
        Err(error) => Err(BenchError::Start {
            program,
            error,
            packages,
        }),
    }
}

fn failure(program: PathBuf, output: &Output, packages: Option<&'static str>) -> BenchError {
    BenchError::NoMeasurement {
        program,
        status: output.status,
        output: String::from_utf8_lossy(&output.stdout).into_owned(),
        packages,
    }
}

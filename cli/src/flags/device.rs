//! The flag `--device`.

use attend_device::{NamedDevice, is_processor};
use clap::Args;

use super::variable;
use crate::error::CliError;

/// The device of a command that computes on one.
#[derive(Clone, Debug, Args)]
pub struct DeviceOption {
    /// The device to compute on: auto (a GPU if a backend for it is built in, else the processor), cpu, one that
    /// `attend devices` lists, or remote:ws://HOST:PORT for one that `attend remote-server` serves there.
    #[arg(long, value_name = "NAME", env = variable("ATTEND_DEVICE"), default_value = "auto")]
    device: String,
}

impl DeviceOption {
    /// Opens the device. Prints to standard error which device `auto` took, if it had a choice.
    ///
    /// # Errors
    ///
    /// Those of [`attend_device::select`], and [`CliError::SeveralDevices`].
    pub fn select(&self) -> Result<NamedDevice, CliError> {
        if self.device.contains(',') {
            return Err(CliError::SeveralDevices {
                names: self.device.clone(),
            });
        }
        select(&self.device)
    }
}

/// The devices of a command that several devices can share.
#[derive(Clone, Debug, Args)]
pub(crate) struct DevicesOption {
    /// The devices to compute on, with commas between them: auto (a GPU if a backend for it is built in, else the
    /// processor), cpu, those that `attend devices` lists, and remote:ws://HOST:PORT for one that
    /// `attend remote-server` serves there.
    #[arg(
        long,
        value_name = "NAME,...",
        value_delimiter = ',',
        env = variable("ATTEND_DEVICE"),
        default_value = "auto"
    )]
    device: Vec<String>,
}

impl DevicesOption {
    /// Opens the devices, one or more. Prints to standard error which device `auto` took, if it had a choice.
    ///
    /// # Errors
    ///
    /// Those of [`attend_device::select`], and [`CliError::RepeatedDevice`].
    pub(crate) fn select(&self) -> Result<Vec<NamedDevice>, CliError> {
        let mut devices: Vec<NamedDevice> = Vec::new();
        for name in &self.device {
            let device = select(name)?;
            for other in &devices {
                if device.is_same(other)? {
                    return Err(CliError::RepeatedDevice { name: name.clone() });
                }
            }
            devices.push(device);
        }
        Ok(devices)
    }

    /// Returns the names as they were given, or `None` if they are left to `auto`.
    #[must_use]
    pub(crate) fn names(&self) -> Option<String> {
        (self.device != ["auto"]).then(|| self.device.join(","))
    }
}

fn select(name: &str) -> Result<NamedDevice, CliError> {
    if name != "auto" {
        return Ok(attend_device::select(name)?);
    }
    let device = attend_device::best(|error| eprintln!("{error}; trying the next device"))?;
    // A machine has one processor, but may have several GPUs.
    let has_choice = attend_device::compiled_in().len() > 1 || !is_processor(&device.device);
    if has_choice {
        eprintln!("device: {} ({})", device.name, device.description()?);
    }
    Ok(device)
}

//! The subcommand `attend devices` lists the devices that `--device` takes.

use attend_device::list;

use crate::error::CliError;
use crate::output::print;

pub(crate) fn run() -> Result<(), CliError> {
    let devices = list();
    let lines = devices.iter().map(|device| {
        let description = device.description().unwrap_or_else(|error| error.to_string());
        format!("{:<9}  {description}\n", device.name)
    });
    print(&lines.collect::<String>())
}

//! What the command lines of several subcommands share.

mod compute;
mod device;
mod file;
mod metrics;
mod number;
mod search;
mod target_language;
mod text;

pub use compute::avoid_huge_pages;
pub(crate) use compute::{ComputeOptions, NetworkOptions, WorkerCount};
pub use device::DeviceOption;
pub(crate) use device::DevicesOption;
pub(crate) use file::{DASH, check_standard_input, input_file, output_folder, variable};
pub(crate) use metrics::{MetricFlags, MetricName};
pub(crate) use number::whole_number;
pub(crate) use search::SearchFlags;
pub(crate) use target_language::TargetLanguageFlag;
pub(crate) use text::{LineOptions, TextFlags};

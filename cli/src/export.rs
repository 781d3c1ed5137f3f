//! The subcommand `attend export` writes a model folder in the format of another program.

use std::path::PathBuf;
use std::slice;

use attend_device::notice_device_failure;
use attend_formats::{ExportFormat, WeightType, export};
use clap::Args;
use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::CliError;
use crate::flags::{DeviceOption, output_folder};
use crate::library::model_folder;
use crate::name::name_of;

/// Write a translator in the format of another program: of Hugging Face's transformers or of CTranslate2.
#[derive(Args)]
pub(crate) struct Options {
    /// The folder of the translator, or the name of one that `attend models` lists.
    #[arg(value_name = "MODEL", value_parser = model_folder())]
    model: PathBuf,
    /// The format. marian-hf is a MarianMTModel, or for a network with pre-norm a PegasusForConditionalGeneration.
    #[arg(long, value_name = "FORMAT", value_parser = name_of::<ExportFormat>())]
    format: ExportFormat,
    /// The folder to write. It must not exist yet, or be empty.
    #[arg(long, value_name = "FOLDER", value_parser = output_folder())]
    output: PathBuf,
    /// The type of number that weights are written in. marian-hf has no int8.
    #[arg(long, value_name = "TYPE", default_value = "float32", value_parser = name_of::<WeightType>())]
    weights: WeightType,
    #[command(flatten)]
    device: DeviceOption,
}

pub(crate) fn run(options: &Options) -> Result<(), CliError> {
    let device = options.device.select()?;
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:30} {human_pos} of {human_len} weights, {eta} left");
    bar.set_style(style.expect("the template is valid"));
    let exported = notice_device_failure(slice::from_ref(&device), || {
        let exported = export(
            &options.model,
            &options.output,
            options.format,
            options.weights,
            &device.device,
            |written, all| {
                bar.set_length(all);
                bar.set_position(written);
            },
        );
        bar.finish_and_clear();
        exported.map_err(CliError::from)
    })?;
    eprintln!(
        "{} is written as {}: {} with weights in {}, {}",
        options.output.display(),
        options.format,
        exported.file,
        options.weights,
        HumanBytes(exported.bytes)
    );
    Ok(())
}

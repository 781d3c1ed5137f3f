//! The subcommand `attend import` makes a model folder of a translator of another program.

use std::path::{Path, PathBuf};
use std::slice;

use attend_device::{NamedDevice, notice_device_failure};
use attend_formats::{Found, Progress, Trial, import};
use attend_infer::Languages;
use clap::Args;
use indicatif::{HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::error::CliError;
use crate::flags::{DeviceOption, output_folder};
use crate::typed_command;

/// Make a model folder of a translator of another program: of Hugging Face (MarianMT), Marian, Firefox, CTranslate2 or
/// Argos Translate.
#[derive(Args)]
pub(crate) struct Options {
    /// The translator: a folder of Hugging Face or CTranslate2; a .npz or .bin of Marian with its .spm beside it, or
    /// their folder; an .argosmodel.
    #[arg(value_name = "SOURCE")]
    source: PathBuf,
    /// The model folder to write. It must not exist yet, or be empty.
    #[arg(long, value_name = "FOLDER", value_parser = output_folder())]
    output: PathBuf,
    #[command(flatten)]
    device: DeviceOption,
}

pub(crate) fn run(options: &Options) -> Result<(), CliError> {
    import_into(&options.output, &options.source, &options.device.select()?)?;
    let output = options.output.display().to_string();
    eprintln!(
        "translate with it by `{}`",
        typed_command(&["translate", "--model", &output])
    );
    Ok(())
}

/// Makes the model folder `output` of the translator at `source`, and tells what it finds and how the new model
/// translates a sample.
pub(crate) fn import_into(output: &Path, source: &Path, device: &NamedDevice) -> Result<(), CliError> {
    let trial = import_with_bar(output, source, device, |found| {
        eprintln!("{}", description(found))
    })?;
    let output = output.display();
    if trial.translation.trim().is_empty() {
        eprintln!(
            "{output} is written, but translates {:?} as nothing",
            trial.source
        );
    } else {
        eprintln!(
            "{output} translates {:?} as {:?}",
            trial.source, trial.translation
        );
    }
    Ok(())
}

/// Makes the model folder `output` of the translator at `source`, with a bar on a terminal. `tell` gets what is found.
pub(crate) fn import_with_bar(
    output: &Path,
    source: &Path,
    device: &NamedDevice,
    tell: impl Fn(&Found),
) -> Result<Trial, CliError> {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    notice_device_failure(slice::from_ref(device), || {
        let trial = import(source, output, &device.device, |progress| {
            show(&bar, progress, &tell)
        });
        bar.finish_and_clear();
        trial.map_err(CliError::from)
    })
}

/// Shows how far the import is by a bar on a terminal. `tell` gets what is found.
fn show(bar: &ProgressBar, progress: Progress, tell: impl Fn(&Found)) {
    match progress {
        Progress::Found(found) => bar.suspend(|| tell(&found)),
        Progress::Weights { written, all } => {
            if bar.length().is_none() {
                let style = ProgressStyle::with_template("{bar:30} {bytes} of {total_bytes}, {eta} left");
                bar.set_style(style.expect("the template is valid"));
                bar.set_length(all);
            }
            bar.set_position(written);
        }
        Progress::Trial => {
            bar.set_style(ProgressStyle::with_template("{msg}").expect("the template is valid"));
            bar.set_message("translating a sample");
        }
    }
}

/// Returns what was found, in a line: the format, the languages, the size of the network and the files that are copied.
fn description(found: &Found) -> String {
    let config = &found.config;
    let mut words = vec![found.format.to_string()];
    words.extend(languages(&found.languages));
    words.push(format!(
        "{}+{} layers, {} wide",
        config.encoder_layers, config.decoder_layers, config.d_model
    ));
    let tokens = HumanCount(config.vocab_size as u64);
    words.push(match config.target_vocab_size {
        None => format!("{tokens} tokens"),
        Some(target) => format!("{tokens} tokens and {} of the target", HumanCount(target as u64)),
    });
    if found.notices.is_empty() {
        words.push("no file with a licence".to_owned());
    } else {
        words.push(format!("copied: {}", found.notices.join(", ")));
    }
    words.join("; ")
}

/// Returns the languages, as in `from en to de`; `None` if neither is known.
fn languages(languages: &Languages) -> Option<String> {
    match (&languages.source, &languages.target) {
        (Some(source), Some(target)) => Some(format!("from {source} to {target}")),
        (Some(source), None) => Some(format!("from {source}")),
        (None, Some(target)) => Some(format!("to {target}")),
        (None, None) => None,
    }
}

//! The subcommand `attend get` fetches a translator from the Hugging Face hub, and makes a model folder of it.

use std::fs;
use std::path::{Path, PathBuf};

use attend_data::DataError;
use attend_data::download::{Downloader, Mirror, Source};
use clap::Args;

use crate::data::Display;
use crate::error::CliError;
use crate::flags::{DeviceOption, output_folder};
use crate::import::import_into;
use crate::library::{downloads_folder, models_folder};
use crate::typed_command;

/// The owner of the translators of OPUS-MT, of which there are more than a thousand.
const OWNER: &str = "Helsinki-NLP";
/// The files of a translator beside its weights, as far as it has them.
const FILES: [&str; 8] = [
    "config.json",
    "generation_config.json",
    "tokenizer_config.json",
    "vocab.json",
    "target_vocab.json",
    "source.spm",
    "target.spm",
    "README.md",
];
/// The files of weights; the first one that a translator has is fetched.
const WEIGHTS: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];

/// Fetch a translator from the Hugging Face hub, and make it one of the models that `attend models` lists.
#[derive(Args)]
pub(crate) struct Options {
    /// The model's name on the hub, such as Helsinki-NLP/opus-mt-en-de, whose owner may be left out.
    #[arg(value_name = "MODEL")]
    model: String,
    /// The model folder to write. [default: one of the model's name among those that `attend models` lists]
    #[arg(long, value_name = "FOLDER", value_parser = output_folder())]
    output: Option<PathBuf>,
    /// A folder or an http(s) address to fetch from, in place of the hub. It must be laid out as the hub is.
    #[arg(long, value_name = "FOLDER|ADDRESS")]
    mirror: Option<Mirror>,
    #[command(flatten)]
    device: DeviceOption,
}

pub(crate) fn run(options: &Options) -> Result<(), CliError> {
    let model = if options.model.contains('/') {
        options.model.clone()
    } else {
        format!("{OWNER}/{}", options.model)
    };
    let name = model.rsplit('/').next().unwrap_or_default();
    let output = match &options.output {
        Some(output) => output.clone(),
        None => models_folder()?.join(name),
    };
    let is_empty = fs::read_dir(&output).is_ok_and(|mut files| files.next().is_none());
    if output.exists() && !is_empty {
        return Err(CliError::HasModel { folder: output });
    }
    let device = options.device.select()?;
    let downloader = Downloader {
        mirror: options.mirror.clone(),
        ..Downloader::default()
    };
    let source = wanted(downloader.model(&model, |_| true)?);
    // The same folder at every call, so that a download that was cut off is found again.
    let downloads = downloads_folder()?.join(model.replace('/', "--"));
    let mut display = Display::default();
    downloader.fetch(&source, &downloads, |file, progress| display.show(file, progress))?;
    remove_others(&downloads, &source)?;
    import_into(&output, &downloads, &device)?;
    fs::remove_dir_all(&downloads).map_err(|error| DataError::write(&downloads, error))?;
    let named = match &options.output {
        Some(output) => output.display().to_string(),
        None => name.to_owned(),
    };
    eprintln!(
        "translate with it by `{}`",
        typed_command(&["translate", "--model", &named])
    );
    Ok(())
}

/// Removes files that an earlier version of the model had.
fn remove_others(folder: &Path, source: &Source) -> Result<(), DataError> {
    let read_error = |error| DataError::read(folder, error);
    for entry in fs::read_dir(folder).map_err(read_error)? {
        let entry = entry.map_err(read_error)?;
        let is_known = source.files.iter().any(|file| entry.file_name() == *file.name);
        if !is_known {
            fs::remove_file(entry.path()).map_err(|error| DataError::write(&entry.path(), error))?;
        }
    }
    Ok(())
}

/// Returns the files of a translator that an import reads or copies.
fn wanted(mut source: Source) -> Source {
    let has = |name: &&&str| source.files.iter().any(|file| file.name == **name);
    let weights = WEIGHTS.iter().find(has).copied();
    source
        .files
        .retain(|file| FILES.contains(&file.name.as_str()) || Some(file.name.as_str()) == weights);
    source
}

//! The subcommand `attend get` fetches a translator from the Hugging Face hub, and makes a model folder of it.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use attend_data::DataError;
use attend_data::download::{Downloader, Mirror, Source, SourceFile};
use attend_formats::{FormatError, check_hugging_face_config};
use clap::Args;

use crate::data::Display;
use crate::error::CliError;
use crate::flags::{DeviceOption, output_folder};
use crate::import::import_into;
use crate::library::{downloads_folder, models_folder};
use crate::typed_command;

/// The owner of the translators of OPUS-MT, of which there are more than a thousand.
const OWNER: &str = "Helsinki-NLP";
/// The settings of a translator, which say whether it is one that is read.
const CONFIG: &str = "config.json";
/// The files that each translator has beside its weights.
const REQUIRED: [&str; 4] = [CONFIG, "vocab.json", "source.spm", "target.spm"];
/// The files that some translators have, too.
const OPTIONAL: [&str; 4] = [
    "generation_config.json",
    "tokenizer_config.json",
    "target_vocab.json",
    "README.md",
];
/// The files of weights; the first one that a translator has is fetched.
const WEIGHTS: [&str; 2] = ["model.safetensors", "pytorch_model.bin"];
/// The file of a download that is locked while a run fetches the model.
const LOCK: &str = "lock";

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
    let source = wanted(downloader.model(&model, |_| true)?)?;
    // The same folder at every call, so that a download that was cut off is found again.
    let downloads = downloads_folder()?.join(model.replace('/', "--"));
    let lock = lock(&downloads, &model)?;
    let fetched =
        fetch(&downloader, source, &downloads).and_then(|()| import_into(&output, &downloads, &device));
    let is_done = match &fetched {
        Ok(()) => true,
        // The files are whole. They would be refused again.
        Err(CliError::Format(error)) => {
            !matches!(error, FormatError::Data(_) | FormatError::OutputExists { .. })
        }
        Err(_) => false,
    };
    if is_done {
        fs::remove_dir_all(&downloads).map_err(|error| DataError::write(&downloads, error))?;
    }
    drop(lock);
    fetched?;
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

/// Makes the folder of a download, and locks it against other runs until the file that is returned is closed.
fn lock(folder: &Path, model: &str) -> Result<File, CliError> {
    let path = folder.join(LOCK);
    let write_error = |error| DataError::write(&path, error);
    fs::create_dir_all(folder).map_err(write_error)?;
    let file = File::create(&path).map_err(write_error)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(CliError::Busy {
            model: model.to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(write_error(error).into()),
    }
}

/// Fetches the files of a translator into a folder: first its settings, and the others if these are those of a
/// translator that is read.
fn fetch(downloader: &Downloader, source: Source, folder: &Path) -> Result<(), CliError> {
    remove_others(folder, &source)?;
    let mut display = Display::default();
    let mut fetch =
        |source: &Source| downloader.fetch(source, folder, |file, progress| display.show(file, progress));
    let is_config = |file: &SourceFile| file.name == CONFIG;
    let (config, others) = source.files.iter().cloned().partition(is_config);
    fetch(&Source {
        files: config,
        ..source.clone()
    })?;
    check_hugging_face_config(folder)?;
    fetch(&Source {
        files: others,
        ..source
    })?;
    Ok(())
}

/// Removes files that an earlier version of the model had.
fn remove_others(folder: &Path, source: &Source) -> Result<(), DataError> {
    let read_error = |error| DataError::read(folder, error);
    for entry in fs::read_dir(folder).map_err(read_error)? {
        let entry = entry.map_err(read_error)?;
        let name = entry.file_name();
        let is_known = |file: &SourceFile| name == *file.name || name == *format!("{}.part", file.name);
        if name != LOCK && !source.files.iter().any(is_known) {
            fs::remove_file(entry.path()).map_err(|error| DataError::write(&entry.path(), error))?;
        }
    }
    Ok(())
}

/// Returns the files of a translator that an import reads or copies.
///
/// # Errors
///
/// Returns [`CliError::NoTranslator`] if the model lacks a file that each translator has.
fn wanted(mut source: Source) -> Result<Source, CliError> {
    let has = |name: &&str| source.files.iter().any(|file| file.name == *name);
    let weights = WEIGHTS.into_iter().find(has);
    let missing = REQUIRED.into_iter().find(|name| !has(name));
    if let Some(missing) = missing.or(weights.is_none().then_some(WEIGHTS[0])) {
        return Err(CliError::NoTranslator {
            model: source.name,
            missing,
        });
    }
    let names: Vec<&str> = REQUIRED.into_iter().chain(OPTIONAL).chain(weights).collect();
    source.files.retain(|file| names.contains(&file.name.as_str()));
    Ok(source)
}

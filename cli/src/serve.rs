//! `attend serve`: translations over HTTP.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::slice;

use attend_device::{Workers, notice_device_failure};
use attend_infer::{Languages, Model, ModelFolder, Translator};
use attend_serve::{
    Glossaries, Keys, Models, Scheduler, SchedulerOptions, ServedFolder, ServerOptions, Service, serve,
};
use clap::Args;
use clap::error::ErrorKind;

use crate::error::CliError;
use crate::flags::{NetworkOptions, whole_number};
use crate::library::{known_models, model_folder, models_folder};
use crate::log::print_log;
use crate::open_model::OpenModel;
use crate::translate::DEFAULT_MODEL;
use crate::usage_error;

/// Serve translators over HTTP to LibreTranslate's clients, until Ctrl-C or SIGTERM.
#[derive(Args)]
pub(crate) struct Options {
    /// A model folder, or the name of one that `attend models` lists; may be given several times. A translator of
    /// another program, as `attend import` takes it, is imported for this call. [default: all that `attend models`
    /// lists, and runs/phrasebook]
    #[arg(long, value_name = "FOLDER", value_parser = model_folder())]
    model: Vec<PathBuf>,
    /// Most models in memory at the same time. One is loaded when a request needs it, in place of the one that has not
    /// been used for longest.
    #[arg(long, value_name = "N", default_value = "4", value_parser = whole_number::<NonZeroUsize>)]
    memory: NonZeroUsize,
    /// The address to listen at. One that other machines reach needs --keys or --open.
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// The port to listen at; 0 takes a free one.
    #[arg(long, default_value_t = 5000)]
    port: u16,
    /// Translate for everybody who reaches the address.
    #[arg(long, conflicts_with = "keys")]
    open: bool,
    /// The file of the keys of those who may ask.
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Add a key to the file of keys under a name, print it, and end.
    #[arg(long, value_name = "NAME", requires = "keys")]
    new_key: Option<String>,
    /// Most requests in a minute of each key, or without keys of each address.
    #[arg(long, value_name = "N", value_parser = whole_number::<NonZeroU32>)]
    requests_per_minute: Option<NonZeroU32>,
    /// Most characters in the texts of a request.
    #[arg(long, value_name = "N", value_parser = whole_number::<NonZeroUsize>)]
    characters: Option<NonZeroUsize>,
    /// Most texts in a request.
    #[arg(long, value_name = "N", value_parser = whole_number::<NonZeroUsize>)]
    batch_limit: Option<NonZeroUsize>,
    /// Keep glossaries in this folder, so that they outlive the server.
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    #[command(flatten)]
    network: NetworkOptions,
}

pub(crate) fn run(options: &Options) -> Result<(), CliError> {
    if let (Some(keys), Some(name)) = (&options.keys, &options.new_key) {
        println!("{}", Keys::add(keys, name)?);
        return Ok(());
    }
    if !options.host.is_loopback() && !options.open && options.keys.is_none() {
        let message = format!(
            "{} lets other machines in, which needs --keys or --open",
            options.host
        );
        usage_error("serve", ErrorKind::MissingRequiredArgument, &message);
    }
    let server = ServerOptions {
        keys: options.keys.as_deref().map(Keys::read).transpose()?,
        requests_per_minute: options.requests_per_minute,
        characters: options.characters,
        texts: options.batch_limit,
    };
    let keep = |folder: &PathBuf| {
        Glossaries::open(folder).map_err(|error| CliError::State {
            folder: folder.clone(),
            error,
        })
    };
    let address = SocketAddr::new(options.host, options.port);
    let listen = |error| CliError::Listen { address, error };
    // A port that is taken is found before models are imported.
    let listener = TcpListener::bind(address).map_err(listen)?;
    let address = listener.local_addr().map_err(listen)?;
    let opened = options.model.iter().map(|path| OpenModel::open(path));
    // Imports are removed when the server has ended.
    let opened = opened.collect::<Result<Vec<_>, _>>()?;
    let folders = if opened.is_empty() {
        found_folders()?
    } else {
        let named = opened.iter().zip(&options.model);
        let folder = |(model, path): (&OpenModel, &PathBuf)| {
            let no_languages = CliError::NoLanguages { folder: path.clone() };
            served_folder(model.to_path_buf(), ModelFolder::languages(&**model)?).ok_or(no_languages)
        };
        named.map(folder).collect::<Result<_, _>>()?
    };
    for ServedFolder { source, target, .. } in &folders {
        eprintln!("http://{address} translates {source} to {target}");
    }
    print_log("warn,attend_serve=info");
    let glossaries = options.state.as_ref().map(keep).transpose()?.unwrap_or_default();
    let service = options.service(folders)?.with_glossaries(glossaries);
    serve(service, &server, listener).map_err(listen)
}

/// Returns a folder and its languages, if it names both.
fn served_folder(folder: PathBuf, languages: Languages) -> Option<ServedFolder> {
    Some(ServedFolder {
        folder,
        source: languages.source?,
        target: languages.target?,
    })
}

/// Returns the folders of the user's models that say between which languages they translate, and that of the
/// phrasebook's model if it is there.
///
/// # Errors
///
/// If the user's models cannot be listed, or if there is no model.
fn found_folders() -> Result<Vec<ServedFolder>, CliError> {
    let known = known_models()?.into_iter();
    let mut found: Vec<(PathBuf, Languages)> = known.map(|model| (model.folder, model.languages)).collect();
    if let Ok(languages) = ModelFolder::languages(DEFAULT_MODEL) {
        found.push((DEFAULT_MODEL.into(), languages));
    }
    let folders = found
        .into_iter()
        .filter_map(|(folder, languages)| served_folder(folder, languages));
    let folders: Vec<ServedFolder> = folders.collect();
    if folders.is_empty() {
        return Err(CliError::NothingToServe {
            models: models_folder()?,
        });
    }
    Ok(folders)
}

impl Options {
    /// Starts what translates with the models in `folders`, which are loaded when they are needed.
    fn service(&self, folders: Vec<ServedFolder>) -> Result<Service, CliError> {
        let (device, workers) = self.network.start()?;
        self.network.note_emulation(&device);
        let precision = self.network.dtype;
        let loader = Workers::start(1, 1)?;
        let load = move |folder: &Path| {
            notice_device_failure(slice::from_ref(&device), || {
                // By a worker, so that no other thread computes.
                let load = |()| Model::load(folder, &device.device, precision);
                let model = loader.map([()], load).remove(0)?;
                Ok::<_, Box<dyn Error + Send + Sync>>(Translator::new(model, loader.clone()))
            })
        };
        Ok(Service::new(
            Models::new(folders, self.memory, load),
            Scheduler::start(workers, SchedulerOptions::default())?,
        ))
    }
}

//! `attend serve`: translations over HTTP.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::slice;
use std::time::Duration;

use attend_device::{NamedDevice, Workers, notice_device_failure};
use attend_infer::{InferError, Languages, Model, ModelFolder, Translator};
use attend_serve::{
    Glossaries, Keys, Models, Scheduler, SchedulerOptions, ServedFolder, ServerOptions, Service, TEXT_LOG,
    serve,
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

/// The time within which a server answers whether it is well.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(5);

/// The most requests that are answered at a time for each worker, by default.
const QUEUE_OF_WORKER: usize = 48;

/// Serve translators over HTTP to LibreTranslate's and DeepL's clients, until Ctrl-C or SIGTERM.
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
    /// Most requests that are answered at a time. Further ones are refused for a second. [default: 48 for each worker]
    #[arg(long, value_name = "N", value_parser = whole_number::<NonZeroUsize>)]
    queue: Option<NonZeroUsize>,
    /// An origin such as https://example.org whose pages may ask by a browser, or * for all; may be given several
    /// times. Without, only the page of the server may.
    #[arg(long, value_name = "ORIGIN", value_parser = origin)]
    cors: Vec<String>,
    /// Have texts and their translations in the log.
    #[arg(long)]
    log_text: bool,
    /// Keep glossaries in this folder, so that they outlive the server.
    #[arg(long, value_name = "FOLDER")]
    state: Option<PathBuf>,
    /// Ask the server that runs at --host and --port whether it is well, and end: with status 0 if it is.
    #[arg(long)]
    health: bool,
    #[command(flatten)]
    network: NetworkOptions,
}

pub(crate) fn run(options: &Options) -> Result<(), CliError> {
    if let (Some(keys), Some(name)) = (&options.keys, &options.new_key) {
        println!("{}", Keys::add(keys, name)?);
        return Ok(());
    }
    if options.health {
        return options.ask_for_health();
    }
    if !options.host.is_loopback() && !options.open && options.keys.is_none() {
        let message = format!(
            "{} lets other machines in, which needs --keys or --open",
            options.host
        );
        usage_error("serve", ErrorKind::MissingRequiredArgument, &message);
    }
    let keys = options.keys.as_deref().map(Keys::read).transpose()?;
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
        let of_model = |(model, path): (&OpenModel, &PathBuf)| {
            let served = served_folders(model, ModelFolder::languages(&**model)?)?;
            if served.is_empty() {
                return Err(CliError::NoLanguages { folder: path.clone() });
            }
            Ok(served)
        };
        named.map(of_model).collect::<Result<Vec<_>, _>>()?.concat()
    };
    for of_model in folders.chunk_by(|one, next| one.folder == next.folder) {
        let targets: Vec<String> = of_model.iter().map(|served| served.target.to_string()).collect();
        let (source, targets) = (&of_model[0].source, targets.join(", "));
        eprintln!("http://{address} translates {source} to {targets}");
    }
    let texts = if options.log_text { "info" } else { "off" };
    print_log("warn,attend_serve=info", Some((TEXT_LOG, texts)));
    let (device, workers) = options.network.start()?;
    let server = ServerOptions {
        keys,
        requests_per_minute: options.requests_per_minute,
        characters: options.characters,
        texts: options.batch_limit,
        queue: options
            .queue
            .map_or(QUEUE_OF_WORKER * workers.count(), NonZeroUsize::get),
        origins: options.cors.clone(),
    };
    let glossaries = options.state.as_ref().map(keep).transpose()?.unwrap_or_default();
    let service = options
        .service(folders, device, workers)?
        .with_glossaries(glossaries);
    serve(service, &server, listener).map_err(listen)
}

/// Reads the origin of a page, as a browser sends it.
fn origin(text: &str) -> Result<String, &'static str> {
    let host = text.split_once("://").map(|(_, host)| host);
    let is_host =
        |host: &str| !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/');
    if text == "*" || host.is_some_and(is_host) {
        Ok(text.to_owned())
    } else {
        Err("an origin is https://example.org or the like, without a path, or *")
    }
}

/// Returns a folder with the languages that it names: once, or once for each language that a model of several target
/// languages translates into. Returns nothing if the folder does not name its languages.
///
/// # Errors
///
/// If the vocabulary of the model cannot be read.
fn served_folders(folder: &Path, languages: Languages) -> Result<Vec<ServedFolder>, InferError> {
    let Some(source) = languages.source else {
        return Ok(Vec::new());
    };
    let served = |target, target_language| ServedFolder {
        folder: folder.to_owned(),
        source: source.clone(),
        target,
        target_language,
    };
    if let Some(target) = languages.target {
        return Ok(vec![served(target, None)]);
    }
    // Codes that are no language's, such as those of scripts that nobody asks for, are left out.
    let of_code = |code: String| Some(served(code.parse().ok()?, Some(code)));
    let codes = ModelFolder::target_languages(folder)?.into_iter();
    Ok(codes.filter_map(of_code).collect())
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
    let served = found.into_iter().flat_map(|(folder, languages)| {
        served_folders(&folder, languages).unwrap_or_else(|error| {
            eprintln!("{error}");
            Vec::new()
        })
    });
    let folders: Vec<ServedFolder> = served.collect();
    if folders.is_empty() {
        return Err(CliError::NothingToServe {
            models: models_folder()?,
        });
    }
    Ok(folders)
}

impl Options {
    /// Asks the server that runs at the address whether it is well.
    ///
    /// # Errors
    ///
    /// If there is no answer within a few seconds, or another one.
    fn ask_for_health(&self) -> Result<(), CliError> {
        // A server that listens everywhere is asked on this machine.
        let host = match self.host {
            IpAddr::V4(host) if host.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(host) if host.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            host => host,
        };
        let address = SocketAddr::new(host, self.port);
        let config = ureq::Agent::config_builder().timeout_global(Some(HEALTH_TIMEOUT));
        let asked = config
            .build()
            .new_agent()
            .get(format!("http://{address}/health"))
            .call();
        asked.map(|_| ()).map_err(|error| CliError::NotWell {
            address,
            error: Box::new(error),
        })
    }

    /// Starts what translates with the models in `folders`, which are loaded when they are needed.
    fn service(
        &self,
        folders: Vec<ServedFolder>,
        device: NamedDevice,
        workers: Workers,
    ) -> Result<Service, CliError> {
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

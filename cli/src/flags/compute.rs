//! The flags for what computes: precision, device, workers, and further models.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::slice;
use std::str::FromStr;

use attend_device::{DeviceError, NamedDevice, Workers, is_processor, notice_device_failure};
use attend_infer::{InferError, Model, Precision, Translator};
use burn::tensor::{Device, FloatDType};
use clap::Args;

use super::{DeviceOption, whole_number};
use crate::error::CliError;
use crate::library::model_folder;
use crate::name::name_of;
use crate::open_model::OpenModel;

/// The number of workers: a number, or `auto` for as many as keep the device busy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkerCount(Option<NonZeroUsize>);

impl WorkerCount {
    /// Returns the number of workers on these devices together.
    #[must_use]
    pub(crate) fn on(self, devices: &[NamedDevice]) -> usize {
        let keep_busy = || devices.iter().map(NamedDevice::workers).sum();
        self.0.map_or_else(keep_busy, NonZeroUsize::get)
    }
}

impl FromStr for WorkerCount {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text, text.parse::<NonZeroUsize>()) {
            ("auto", _) => Ok(Self(None)),
            (_, Ok(number)) => Ok(Self(Some(number))),
            _ => Err("neither a number from 1 nor auto"),
        }
    }
}

/// The number of threads that compute.
#[derive(Clone, Copy, Debug, Args)]
struct WorkerOptions {
    /// Batches computed at the same time, auto for one a core, or one on a GPU; changes speed and memory, no result.
    #[arg(long, value_name = "N", default_value = "auto")]
    workers: WorkerCount,
    /// Threads that share a batch's matrix products, for each worker.
    #[arg(long, value_name = "N", default_value = "1", value_parser = whole_number::<NonZeroUsize>)]
    threads: NonZeroUsize,
}

impl WorkerOptions {
    fn start(self, device: &NamedDevice) -> Result<Workers, DeviceError> {
        Workers::start(self.workers.on(slice::from_ref(device)), self.threads.get())
    }
}

/// The precision of weights, and the device and the workers that compute with them.
#[derive(Clone, Debug, Args)]
pub(crate) struct NetworkOptions {
    /// What weights are kept and multiplied in: float32; int8, which is smaller and faster on a processor for a small
    /// loss; bfloat16 or float16 for a GPU.
    #[arg(long, value_name = "TYPE", value_parser = name_of::<Precision>(), default_value_t)]
    pub(crate) dtype: Precision,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    workers: WorkerOptions,
}

impl NetworkOptions {
    /// Opens the device and starts the workers, in a process that [avoids huge pages](avoid_huge_pages).
    ///
    /// # Errors
    ///
    /// Those of [`DeviceOption::select`] and [`Workers::start`].
    pub(crate) fn start(&self) -> Result<(NamedDevice, Workers), CliError> {
        avoid_huge_pages();
        let device = self.device.select()?;
        let workers = self.workers.start(&device)?;
        Ok((device, workers))
    }

    /// Tells the user of a loaded model that the device emulates its precision, if it does.
    pub(crate) fn note_emulation(&self, device: &NamedDevice) {
        if is_processor(&device.device) && self.dtype.dtype() != FloatDType::F32 {
            eprintln!("{} emulates {}: float32 is faster there", device.name, self.dtype);
        }
    }

    /// Loads a model. `load` gets the device, the precision and the workers. Returns the model and its device.
    ///
    /// # Errors
    ///
    /// Those of [`start`](Self::start) and `load`.
    pub(crate) fn load<M: Send>(
        &self,
        load: impl Fn(&Device, Precision, &Workers) -> Result<M, InferError> + Sync,
    ) -> Result<(M, NamedDevice), CliError> {
        let (device, workers) = self.start()?;
        let model = notice_device_failure(slice::from_ref(&device), || {
            // By a worker, so that no other thread computes.
            let load = |()| load(&device.device, self.dtype, &workers);
            let loaded: Result<M, InferError> = workers.map([()], load).remove(0);
            Ok::<_, CliError>(loaded?)
        })?;
        self.note_emulation(&device);
        Ok((model, device))
    }
}

/// The models that compute beside the first, and what computes with them.
#[derive(Clone, Debug, Args)]
pub(crate) struct ComputeOptions {
    #[command(flatten)]
    pub(crate) network: NetworkOptions,
    /// A further model folder, of the same tokenizer: all models' probabilities are averaged; may be given several
    /// times.
    #[arg(long, value_name = "FOLDER", value_parser = model_folder())]
    pub(crate) ensemble: Vec<PathBuf>,
}

impl ComputeOptions {
    /// Loads the models in two folders. They share the device and the workers.
    ///
    /// # Errors
    ///
    /// Those of [`NetworkOptions::load`] and [`Model::load`].
    pub(crate) fn load_two(&self, folders: [&Path; 2]) -> Result<([Translator; 2], NamedDevice), CliError> {
        self.network.load(|device, precision, workers| {
            let [first, last] = folders.map(|folder| Model::load(folder, device, precision));
            Ok([first?, last?].map(|model| Translator::new(model, workers.clone())))
        })
    }

    /// Loads the model in `folder` and those of the ensemble. Returns a translator and its device.
    ///
    /// # Errors
    ///
    /// Those of [`OpenModel::open`], [`NetworkOptions::load`], [`Model::load`] and [`Model::join_folder`].
    pub(crate) fn load(&self, folder: &Path) -> Result<(Translator, NamedDevice), CliError> {
        let others = self.ensemble.iter().map(|path| OpenModel::open(path));
        let others = others.collect::<Result<Vec<_>, _>>()?;
        self.network.load(|device, precision, workers| {
            let first = Model::load(folder, device, precision)?;
            let model = others
                .iter()
                .try_fold(first, |model, other| model.join_folder(&**other))?;
            Ok(Translator::new(model, workers.clone()))
        })
    }
}

/// Has Linux give this process pages of the usual size alone. The allocator asks for huge ones, for which the kernel may
/// have to move other memory: a model then takes up to a second longer to load, and translating is no faster for it.
pub fn avoid_huge_pages() {
    // Where the kernel refuses, nothing but the time is lost.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

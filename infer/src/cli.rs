//! What the command lines of several programs share.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::slice;
use std::str::FromStr;

use attend_data::read_lines;
use attend_model::Precision;
use burn::tensor::FloatDType;
use clap::Args;

use crate::device::{self, NamedDevice};
use crate::device_failure::notice_device_failure;
use crate::error::InferError;
use crate::search::{LengthNormalization, Sampling, SearchOptions, Stopping, Unknown};
use crate::stream::{LineRequests, Prefixes};
use crate::translator::Translator;
use crate::workers::Workers;

/// How many workers there are: a number, or `auto` for as many as keep the device busy.
#[derive(Clone, Copy, Debug)]
pub struct WorkerCount(Option<NonZeroUsize>);

impl WorkerCount {
    /// The number on these devices together.
    #[must_use]
    pub fn on(self, devices: &[NamedDevice]) -> usize {
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

/// How many threads compute.
#[derive(Clone, Copy, Debug, Args)]
struct WorkerOptions {
    /// Batches decoded at the same time, auto for one a core, or one on a graphics card; changes speed and memory, no
    /// translation.
    #[arg(long, value_name = "N", default_value = "auto")]
    workers: WorkerCount,
    /// Threads that share a batch's matrix products, for each worker.
    #[arg(long, value_name = "N", default_value = "1")]
    threads: NonZeroUsize,
}

impl WorkerOptions {
    fn start(self, device: &NamedDevice) -> Result<Workers, InferError> {
        Workers::start(self.workers.on(slice::from_ref(device)), self.threads.get())
    }
}

/// Where to compute.
#[derive(Clone, Debug, Args)]
pub struct DeviceOption {
    /// The device to compute on: auto (a graphics card if a backend for it is built in, else the processor), cpu, one
    /// that `translate devices` lists, or remote:ws://HOST:PORT for one that `remote-server` serves there.
    #[arg(long, value_name = "NAME", env = "ATTEND_DEVICE", default_value = "auto")]
    device: String,
}

impl DeviceOption {
    /// The device. Where `auto` had a choice, says which it took on standard error.
    ///
    /// # Errors
    ///
    /// Those of [`device::select`], and [`InferError::SeveralDevices`].
    pub fn select(&self) -> Result<NamedDevice, InferError> {
        match self.device.contains(',') {
            true => Err(InferError::SeveralDevices {
                names: self.device.clone(),
            }),
            false => select(&self.device),
        }
    }
}

/// Where to compute what several devices can share.
#[derive(Clone, Debug, Args)]
pub struct DevicesOption {
    /// The devices to compute on, with commas between them: auto (a graphics card if a backend for it is built in, else
    /// the processor), cpu, those that `translate devices` lists, and remote:ws://HOST:PORT for one that
    /// `remote-server` serves there.
    #[arg(
        long,
        value_name = "NAME,...",
        value_delimiter = ',',
        env = "ATTEND_DEVICE",
        default_value = "auto"
    )]
    device: Vec<String>,
}

impl DevicesOption {
    /// The devices, one or more. Where `auto` had a choice, says which it took on standard error.
    ///
    /// # Errors
    ///
    /// Those of [`device::select`], and [`InferError::RepeatedDevice`].
    pub fn select(&self) -> Result<Vec<NamedDevice>, InferError> {
        let mut devices: Vec<NamedDevice> = Vec::new();
        for name in &self.device {
            let device = select(name)?;
            for other in &devices {
                if device.is_same(other)? {
                    return Err(InferError::RepeatedDevice { name: name.clone() });
                }
            }
            devices.push(device);
        }
        Ok(devices)
    }

    /// The names as they were given, if they are not left to `auto`.
    #[must_use]
    pub fn names(&self) -> Option<String> {
        (self.device != ["auto"]).then(|| self.device.join(","))
    }
}

fn select(name: &str) -> Result<NamedDevice, InferError> {
    let device = match name {
        "auto" => device::best(|error| eprintln!("{error}; trying the next device"))?,
        _ => device::select(name)?,
    };
    // A machine has one processor, but may have several cards.
    let has_choice = device::compiled_in().len() > 1 || !device.is_processor();
    if name == "auto" && has_choice {
        eprintln!("device: {} ({})", device.name, device.description()?);
    }
    Ok(device)
}

/// Which models compute beside the first, where, and in what numbers.
#[derive(Clone, Debug, Args)]
pub struct ComputeOptions {
    /// What weights are kept and multiplied in: float32; int8, which is smaller and faster on a processor for a small
    /// loss; bfloat16 or float16 for a card.
    #[arg(long, value_name = "TYPE", default_value_t)]
    dtype: Precision,
    #[command(flatten)]
    device: DeviceOption,
    /// A further model folder, of the same tokenizer: all models' probabilities are averaged; may be given several
    /// times.
    #[arg(long, value_name = "FOLDER")]
    ensemble: Vec<PathBuf>,
    #[command(flatten)]
    workers: WorkerOptions,
}

impl ComputeOptions {
    /// A translator of the model in `folder` and those of the ensemble, in a process that [avoids huge
    /// pages](avoid_huge_pages), and its device.
    ///
    /// # Errors
    ///
    /// Those of [`DeviceOption::select`], [`Workers::start`] and [`Workers::load`].
    pub fn load(&self, folder: &Path) -> Result<(Translator, NamedDevice), InferError> {
        avoid_huge_pages();
        let device = self.device.select()?;
        let workers = self.workers.start(&device)?;
        let load = || workers.load(folder, &self.ensemble, &device.device, self.dtype);
        let translator = notice_device_failure(slice::from_ref(&device), load)?;
        if device.is_processor() && self.dtype.of_products() != FloatDType::F32 {
            eprintln!("{} emulates {}: float32 is faster there", device.name, self.dtype);
        }
        Ok((translator, device))
    }
}

/// Has Linux give this process pages of the usual size alone. The allocator asks for huge ones, for which the kernel may
/// have to move other memory: a model then takes up to a second longer to load, and translating is no faster for it.
pub fn avoid_huge_pages() {
    // Where the kernel refuses, nothing but the time is lost.
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}

/// How translations are searched for. What is not given is as the model's `generation.json` has it.
#[derive(Clone, Debug, Args)]
pub struct SearchFlags {
    /// Hypotheses kept at each step; 1 is greedy search. [default: the model's]
    #[arg(long, value_name = "N", conflicts_with = "sample")]
    beam: Option<usize>,
    /// Exponent alpha of the length normalization: 0 ranks by probability, larger values favour longer translations.
    /// [default: the model's]
    #[arg(long, value_name = "ALPHA")]
    length_penalty: Option<f32>,
    /// Score log P / ((5 + length) / 6)^alpha (gnmt: Wu et al., 2016) or log P / length^alpha (length). [default: the
    /// model's]
    #[arg(long, value_name = "NAME")]
    length_normalization: Option<LengthNormalization>,
    /// Lower the scores of translations that did not look at all of the source by this factor (Wu et al., 2016); 0 does
    /// not. [default: the model's, or 0 without a beam]
    #[arg(long, value_name = "BETA", conflicts_with = "sample")]
    coverage_penalty: Option<f32>,
    /// End a beam when nothing better can come (exact), or by the rule of CTranslate2. [default: the model's]
    #[arg(long, value_name = "NAME")]
    stopping: Option<Stopping>,
    /// Fewest tokens in a sentence's translation. [default: the model's]
    #[arg(long, value_name = "N")]
    min_length: Option<usize>,
    /// Most tokens in a sentence's translation, which has at most 50 more than its source, or than it must have.
    /// [default: the model's]
    #[arg(long, value_name = "N")]
    max_length: Option<usize>,
    /// Have no sequence of N tokens twice in a translation; 0 allows all. [default: the model's]
    #[arg(long, value_name = "N")]
    no_repeat_ngram: Option<usize>,
    /// Raise the probability of tokens that the translation has already to this power, from 1. [default: the model's]
    #[arg(long, value_name = "X")]
    repetition_penalty: Option<f32>,
    /// Forbid `<unk>`, keep it as a token like others, or copy the source's word that it looks at most to its place.
    /// [default: the model's]
    #[arg(long, value_name = "NAME")]
    unknown: Option<Unknown>,
    /// Draw translations at random in place of searching for the best.
    #[arg(long)]
    sample: bool,
    /// Divide log-probabilities by this before drawing; near 0 is greedy. [default: the model's, or 1]
    #[arg(long, value_name = "T", requires = "sample")]
    temperature: Option<f32>,
    /// Draw from the N most probable tokens only. [default: the model's, or all]
    #[arg(long, value_name = "N", requires = "sample")]
    top_k: Option<usize>,
    /// Draw from the fewest most probable tokens whose probabilities add up to P. [default: the model's, or 1]
    #[arg(long, value_name = "P", requires = "sample")]
    top_p: Option<f32>,
    /// Seed of the random numbers: the same one draws the same translations. [default: the model's, or 1]
    #[arg(long, value_name = "N", requires = "sample")]
    seed: Option<u64>,
}

impl SearchFlags {
    /// The model's options with what the flags change, for `nbest` translations of each line. `--beam` also turns the
    /// sampling off that a model may ask for.
    #[must_use]
    pub fn over(&self, model: SearchOptions, nbest: usize) -> SearchOptions {
        let drawn = model.sampling.unwrap_or_default();
        let drawn = Sampling {
            temperature: self.temperature.unwrap_or(drawn.temperature),
            top_k: self.top_k.or(drawn.top_k),
            top_p: self.top_p.unwrap_or(drawn.top_p),
            seed: self.seed.unwrap_or(drawn.seed),
        };
        let beam_size = self.beam.unwrap_or(model.beam_size);
        let sampling = match (self.sample, self.beam) {
            (true, _) => Some(drawn),
            (false, Some(_)) => None,
            (false, None) => model.sampling,
        };
        let ranks = beam_size > 1 && sampling.is_none();
        let of_model = if ranks { model.coverage_penalty } else { 0.0 };
        SearchOptions {
            beam_size,
            nbest,
            length_penalty: self.length_penalty.unwrap_or(model.length_penalty),
            length_normalization: self.length_normalization.unwrap_or(model.length_normalization),
            coverage_penalty: self.coverage_penalty.unwrap_or(of_model),
            stopping: self.stopping.unwrap_or(model.stopping),
            min_length: self.min_length.unwrap_or(model.min_length),
            max_length: self.max_length.or(model.max_length),
            no_repeat_ngram: self.no_repeat_ngram.unwrap_or(model.no_repeat_ngram),
            repetition_penalty: self.repetition_penalty.unwrap_or(model.repetition_penalty),
            unknown: self.unknown.unwrap_or(model.unknown),
            sampling,
        }
    }
}

/// What the text of translations must be like.
#[derive(Clone, Debug, Args)]
pub struct TextFlags {
    /// Start each translation with this text. This, --prefix-file and --require take a line for one sentence.
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["prefix_file", "language"])]
    prefix: Option<String>,
    /// Start each translation with the text in its line of this file, which may be empty.
    #[arg(long, value_name = "FILE", conflicts_with = "language")]
    prefix_file: Option<PathBuf>,
    /// Have no sentence's translation contain this word or phrase; may be given several times.
    #[arg(long, value_name = "WORD", value_parser = phrase)]
    ban: Vec<String>,
    /// Have every translation contain this word or phrase; may be given several times.
    #[arg(long, value_name = "WORD", value_parser = phrase, conflicts_with = "language")]
    require: Vec<String>,
}

impl TextFlags {
    /// The words that no translation may have.
    #[must_use]
    pub fn banned(&self) -> &[String] {
        &self.ban
    }

    /// The words that every translation must have.
    #[must_use]
    pub fn required(&self) -> &[String] {
        &self.require
    }

    /// What every line asks of its translations; `None` where nothing is asked.
    ///
    /// # Errors
    ///
    /// If the file of prefixes cannot be read.
    pub fn requests(&self) -> Result<Option<LineRequests>, InferError> {
        let prefixes = match (&self.prefix, &self.prefix_file) {
            (_, Some(path)) => Prefixes::Lines {
                path: path.clone(),
                lines: read_lines(path)?,
            },
            (Some(prefix), None) => Prefixes::Same(prefix.clone()),
            (None, None) if self.require.is_empty() => return Ok(None),
            (None, None) => Prefixes::Same(String::new()),
        };
        Ok(Some(LineRequests {
            prefixes,
            required: self.require.clone(),
        }))
    }
}

/// Words with one space between them.
fn phrase(text: &str) -> Result<String, &'static str> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.is_empty() {
        true => Err("there is no word in it"),
        false => Ok(words.join(" ")),
    }
}

//! Training, beside PyTorch.

use std::fmt::Write;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::slice;
use std::time::Instant;

use attend_cli::{DeviceOption, name_of, print};
use attend_data::DataError;
use attend_device::{Workers, notice_device_failure};
use attend_model::{Precision, Preset};
use attend_train::{TrainingSettings, TrainingStep, Translation};
use burn::tensor::Device;
use clap::{Args, value_parser};

use crate::error::BenchError;
use crate::measurement::{
    GIBIBYTE, Measurement, median, memory_taken, peer_device, print_measurement, run, temporary_folder,
    this_program,
};
use crate::workload::{BEGIN, VOCAB_SIZE, Workload};

/// The presets that are measured unless some are named.
const SIZES: [Preset; 3] = [Preset::Tiny, Preset::Small, Preset::Base];
/// The number of updates that only warm up: allocators, thread pools, the peer's choice of kernels.
const WARMUP: usize = 3;
const PEER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/torch_train.py");
/// The Python packages that the peer needs.
const PACKAGES: &str = "torch";
/// The settings of an update, which are the defaults. The number of updates does not matter.
const SETTINGS: &str = "updates = 1\nlearning_rate = 1e-3";
/// The seed of the initial weights.
const SEED: u64 = 1;
/// The largest budget of a batch: the logits of a larger batch alone would take gigabytes.
const MAX_BATCH_TOKENS: i64 = 1 << 16;

#[derive(Args)]
pub(crate) struct Options {
    /// A Python with torch, to run the peer. [default: measure Attend alone]
    #[arg(long, value_name = "PYTHON")]
    python: Option<PathBuf>,
    /// The network's size; may be given several times. [default: tiny, small, base]
    #[arg(long = "size", value_name = "SIZE", value_parser = name_of::<Preset>())]
    sizes: Vec<Preset>,
    /// How often both sides run, in turn.
    #[arg(long, value_name = "N", default_value = "3")]
    pairs: NonZeroUsize,
    /// Updates that are measured in each run, after three to warm up.
    #[arg(long, value_name = "N", default_value = "9")]
    updates: NonZeroUsize,
    /// Budget of a batch in tokens a side, padding included.
    #[arg(long, value_name = "N", default_value = "4096", value_parser = value_parser!(u32).range(1..=MAX_BATCH_TOKENS))]
    batch_tokens: u32,
    /// Attend's workers, and the peer's threads. [default: the number of cores, or 1 on a GPU]
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,
    /// Precision of Attend's matrix products.
    #[arg(long, value_name = "TYPE", default_value_t, value_parser = name_of::<Precision>())]
    dtype: Precision,
    #[command(flatten)]
    device: DeviceOption,
    /// Let the peer compute in bfloat16 where PyTorch's autocast does.
    #[arg(long, requires = "python")]
    bf16: bool,
    /// Let the peer compile its network.
    #[arg(long, requires = "python")]
    compile: bool,
}

#[derive(Args)]
pub(crate) struct TrainerOptions {
    #[arg(value_parser = name_of::<Preset>())]
    size: Preset,
    batches: PathBuf,
    workers: usize,
    #[arg(long, default_value_t, value_parser = name_of::<Precision>())]
    dtype: Precision,
    #[command(flatten)]
    device: DeviceOption,
}

/// Runs both sides in turn and prints a table: for each size a row for each pair of runs, and a row of medians.
pub(crate) fn compare(options: &Options) -> Result<(), BenchError> {
    let sizes = match options.sizes.as_slice() {
        [] => &SIZES,
        sizes => sizes,
    };
    let device = options.device.select()?;
    let workers = options
        .workers
        .map_or_else(|| device.workers(), NonZeroUsize::get);
    let workload = Workload::generate(WARMUP + options.updates.get(), options.batch_tokens as usize);
    let folder = temporary_folder()?;
    let batches = folder.path().join("batches.json");
    let json = serde_json::to_vec(&workload).expect("numbers always serialize");
    fs::write(&batches, json).map_err(|error| DataError::write(&batches, error))?;

    print("size   pair    Attend tokens/s  GiB   PyTorch tokens/s  GiB   ratio\n")?;
    for &size in sizes {
        let mut rows = Vec::new();
        for pair in 1..=options.pairs.get() {
            let mut command = this_program("trainer")?;
            command
                .arg(size.to_string())
                .arg(&batches)
                .arg(workers.to_string());
            command.args(["--dtype", &options.dtype.to_string(), "--device", &device.name]);
            let ours = run(command, None)?;
            let peer = match &options.python {
                Some(python) => {
                    let mut command = peer(python, size, &batches, workers);
                    command.args(["--device", peer_device(&device)]);
                    command.args(options.bf16.then_some("--bf16"));
                    command.args(options.compile.then_some("--compile"));
                    Some(run(command, Some(PACKAGES))?)
                }
                None => None,
            };
            rows.push((ours, peer));
            print(&row(size, &pair.to_string(), ours, peer))?;
        }
        let peer = median(rows.iter().filter_map(|(_, peer)| *peer).collect());
        if let Some(ours) = median(rows.into_iter().map(|(ours, _)| ours).collect()) {
            print(&row(size, "median", ours, peer))?;
        }
    }
    Ok(())
}

fn row(size: Preset, name: &str, ours: Measurement, peer: Option<Measurement>) -> String {
    let mut row = format!("{size:<6} {name:<6} ");
    let gibibytes = |measurement: Measurement| measurement.peak_bytes as f64 / GIBIBYTE;
    let _ = write!(row, "{:>16.0} {:>4.1}", ours.tokens_per_second, gibibytes(ours));
    if let Some(peer) = peer {
        let ratio = ours.tokens_per_second / peer.tokens_per_second;
        let _ = write!(
            row,
            " {:>18.0} {:>4.1} {ratio:>7.2}",
            peer.tokens_per_second,
            gibibytes(peer)
        );
    }
    row + "\n"
}

fn peer(python: &Path, size: Preset, batches: &Path, threads: usize) -> Command {
    let config = size.config(VOCAB_SIZE);
    let mut command = Command::new(python);
    command.arg(PEER).arg(batches);
    let settings = [
        ("--d-model", config.d_model),
        ("--d-ff", config.d_ff),
        ("--heads", config.n_heads),
        ("--layers", config.encoder_layers),
        ("--threads", threads),
    ];
    for (name, value) in settings {
        command.args([name, &value.to_string()]);
    }
    command.args(["--dropout", &config.dropout.to_string()]);
    command
}

/// Takes training steps on the batches of a file, and prints the median of their measurements.
pub(crate) fn measure(options: &TrainerOptions) -> Result<(), BenchError> {
    let device = options.device.select()?;
    notice_device_failure(slice::from_ref(&device), || measure_on(&device.device, options))
}

fn measure_on(device: &Device, options: &TrainerOptions) -> Result<(), BenchError> {
    let path = &options.batches;
    let json = fs::read(path).map_err(|error| DataError::read(path, error))?;
    let workload: Workload =
        serde_json::from_slice(&json).map_err(|error| DataError::read(path, error.into()))?;
    let settings = TrainingSettings {
        dtype: options.dtype,
        ..toml::from_str(SETTINGS).expect("the settings are well formed")
    };
    let objective = Translation {
        config: options.size.config(workload.vocab_size),
        bos_id: BEGIN,
    };
    let workers = Workers::start(options.workers, 1)?;
    let mut step = TrainingStep::new(&settings, objective, SEED, slice::from_ref(device), workers)?;
    let mut rates = Vec::new();
    for (update, batch) in (1..).zip(workload.batches) {
        let batch = [batch.examples()];
        let start = Instant::now();
        if let Some(measured) = step.take(update, &batch) {
            rates.push(measured.target_tokens as f64 / start.elapsed().as_secs_f64());
        }
    }
    let measurements = rates
        .into_iter()
        .skip(WARMUP)
        .map(|tokens_per_second| Measurement {
            tokens_per_second,
            peak_bytes: memory_taken(device),
        });
    print_measurement(&median(measurements.collect()).ok_or(BenchError::NoUpdates)?)
}

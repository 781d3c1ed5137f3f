//! `train`: a recipe in, a model folder out.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use attend_data::cli::{print, report};
use attend_data::{Progress, Tokenizer, write_file};
use attend_infer::cli::{DevicesOption, WorkerCount};
use attend_infer::device::{NamedDevice, compiled_in};
use attend_infer::metric::{corpus_bleu, corpus_chrf};
use attend_infer::{ModelFolder, Translator, Workers, notice_device_failure};
use attend_train::dataset::{Corpora, Dataset};
use attend_train::environment::Environment;
use attend_train::interrupt::Interrupt;
use attend_train::model_card::ModelCard;
use attend_train::recipe::Dtype;
use attend_train::report::Record;
use attend_train::run_folder::{Inputs, RunFolder, run_name};
use attend_train::trainer::{Ending, Trainer};
use attend_train::{Recipe, TrainError};
use burn::tensor::Device;
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use shlex::Quoter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The folder of prepared corpora, which all runs share.
const PREPARED: &str = "prepared";

/// How many translations to show at the end.
const SAMPLES: usize = 3;

/// Train a translator by a recipe, and score it.
#[derive(Parser)]
#[command(name = "train", version)]
struct Options {
    /// The recipe, a TOML file.
    #[arg(default_value = "configs/phrasebook.toml")]
    recipe: PathBuf,
    /// The folder to write, a new one. [default: runs/ and the recipe's name]
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Go on with the run in the output folder from its last checkpoint.
    #[arg(long)]
    resume: bool,
    /// Show what the run would do; nothing is written but the prepared corpus.
    #[arg(long, conflicts_with_all = ["output", "resume"])]
    dry_run: bool,
    /// Change a setting of the recipe, such as training.updates=1000; may be given several times.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    overrides: Vec<String>,
    /// Threads that share each batch, and the devices in turn; auto for one a core, and one for each other device. The
    /// same number repeats a run exactly.
    #[arg(long, value_name = "N", default_value = "auto")]
    workers: WorkerCount,
    #[command(flatten)]
    devices: DevicesOption,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(exit_code) => exit_code,
        Err(error) => report(&error, error.hint()),
    }
}

fn run(options: &Options) -> Result<ExitCode, TrainError> {
    let recipe = Recipe::load(&options.recipe, &options.overrides)?;
    let devices = options.devices.select()?;
    notice_device_failure(&devices, || train(options, recipe, &devices))
}

fn train(options: &Options, recipe: Recipe, devices: &[NamedDevice]) -> Result<ExitCode, TrainError> {
    let workers = options.workers.on(devices);
    if workers < devices.len() {
        let devices = devices.len();
        return Err(TrainError::IdleDevices { workers, devices });
    }
    let folder = match &options.output {
        Some(folder) => folder.clone(),
        None => Path::new("runs").join(options.recipe.file_stem().unwrap_or_default()),
    };
    let name = run_name(&folder);
    let resumed = match options.resume {
        true => Some(RunFolder::reopen(&folder)?),
        false if options.dry_run => None,
        false => {
            RunFolder::check_new(&folder)?;
            None
        }
    };
    let begun = resumed.as_ref().filter(|run_folder| run_folder.has_begun());
    let tokenizer = begun.map(|run_folder| run_folder.resume(&recipe)).transpose()?;
    let corpora = Corpora::load(&recipe.data)?;
    let tokenizer = match tokenizer {
        Some(tokenizer) => tokenizer,
        None => corpora.train_tokenizer(&recipe.data)?,
    };
    let dataset = encode(&corpora, &tokenizer, &recipe)?;
    let inputs = Inputs::new(&dataset.train, &corpora, &tokenizer);
    if let Some(run_folder) = begun {
        run_folder.check_inputs(&inputs)?;
    }
    let report = dataset.train.report();
    eprintln!("{report}");
    for (name, all, fitting) in [
        ("validation", &corpora.valid, &dataset.valid_pairs),
        ("test", &corpora.test, &dataset.test_pairs),
    ] {
        let too_long = all.len() - fitting.len();
        if too_long > 0 {
            eprintln!("{name} pairs: left out {too_long} longer than the model's positions");
        }
    }
    let (train_pairs, valid_pairs) = (dataset.train.len(), dataset.valid_pairs.len());
    let test_pairs = dataset.test_pairs.clone();

    let workers = Workers::start(workers, 1)?;
    let names: Vec<&str> = devices.iter().map(|device| device.name.as_str()).collect();
    let names = names.join(",");
    let handles: Vec<Device> = devices.iter().map(|device| device.device.clone()).collect();
    let trainer = Trainer::new(
        recipe.clone(),
        tokenizer.clone(),
        dataset,
        folder.clone(),
        &handles,
        workers.clone(),
    )?;
    let dtype = recipe.training.dtype;
    for device in devices.iter().filter(|device| device.is_processor()) {
        if dtype != Dtype::Float32 {
            eprintln!("{} emulates {dtype}: float32 is faster there", device.name);
        }
    }
    if options.dry_run {
        print(&trainer.dry_run())?;
        return Ok(ExitCode::SUCCESS);
    }

    // Locked until the end of this function.
    let run_folder = match resumed {
        Some(run_folder) => run_folder,
        None => RunFolder::create(&folder)?,
    };
    match run_folder.has_begun() {
        true => run_folder.save_recipe(&recipe)?,
        false => run_folder.begin(&recipe, &inputs, &tokenizer)?,
    }
    let (trainer, notes) = match options.resume {
        true => trainer.resume()?,
        false => (trainer, Vec::new()),
    };
    for note in notes {
        eprintln!("{note}");
    }
    let num_params = trainer.num_params();
    eprintln!("{name}: {num_params} weights, into {}", folder.display());
    let interrupt = Interrupt::listen().map_err(TrainError::Signals)?;
    let (state, ending) = trainer.run(interrupt)?;
    let weights = match ending {
        Ending::Finished { weights } => weights,
        Ending::Interrupted { exit_status } => {
            eprintln!(
                "stopped after update {}; the same command with --resume goes on from the last checkpoint in {}",
                state.update,
                folder.display()
            );
            return Ok(ExitCode::from(exit_status));
        }
    };

    let translator = Translator::new(ModelFolder::load(&folder, &handles[0])?).with_workers(workers);
    let (sources, references): (Vec<String>, Vec<String>) = test_pairs
        .into_iter()
        .map(|pair| (pair.source, pair.target))
        .unzip();
    let hypotheses = translator.translate_best(&sources)?;
    let bleu = corpus_bleu(&hypotheses, &references, recipe.data.bleu)?;
    let chrf = corpus_chrf(&hypotheses, &references)?;
    let environment = Environment::of_this_process(&names, state.workers);
    let card = ModelCard {
        name: &name,
        command: &command(options, state.workers),
        recipe: &recipe,
        state: &state,
        records: &Record::read_all(&folder)?,
        weights: &weights,
        num_params,
        train_pairs,
        corpora: &report,
        valid_pairs,
        test_pairs: sources.len(),
        bleu: &bleu,
        chrf: &chrf,
        environment: &environment,
    };
    write_file(folder.join("README.md"), card.to_markdown())?;

    let samples: String = (0..sources.len().min(SAMPLES))
        .map(|line| format!("\n  {}\n→ {}\n", sources[line], hypotheses[line]))
        .collect();
    let next = next_command(&folder, &sources[0]);
    let summary = format!(
        "{bleu}\n{chrf}\n{samples}\nThe model is in {}. Next:\n  {next}\n",
        folder.display()
    );
    print(&summary)?;
    Ok(ExitCode::SUCCESS)
}

/// Encodes the corpora, and on a terminal shows how far that is: a large one takes minutes the first time.
fn encode(corpora: &Corpora, tokenizer: &Tokenizer, recipe: &Recipe) -> Result<Dataset, TrainError> {
    let style = ProgressStyle::with_template("{spinner} preparing the training pairs: {human_pos}")
        .expect("the template is well formed");
    let bar = ProgressBar::new_spinner().with_style(style);
    let result = Dataset::encode(
        corpora,
        tokenizer,
        recipe,
        Path::new(PREPARED),
        |progress| match progress {
            Progress::Waiting => eprintln!("waiting for another run to prepare the same training pairs"),
            Progress::Pairs(pairs) => bar.set_position(pairs as u64),
        },
    );
    bar.finish_and_clear();
    result
}

/// The command that repeats the run, into whatever folder.
fn command(options: &Options, workers: usize) -> String {
    let recipe = options.recipe.display().to_string();
    let workers = workers.to_string();
    let devices = options.devices.names();
    let mut words = vec!["train", &recipe];
    words.extend(
        options
            .overrides
            .iter()
            .flat_map(|assignment| ["--set", assignment]),
    );
    words.extend(["--workers", &workers]);
    words.extend(devices.iter().flat_map(|names| ["--device", names]));
    just_line(&words)
}

fn next_command(folder: &Path, sentence: &str) -> String {
    let model = folder.display().to_string();
    match folder == Path::new("runs/phrasebook") {
        true => just_line(&["translate", sentence]),
        false => just_line(&["translate", "--model", &model, sentence]),
    }
}

/// A recipe of the Justfile and its arguments as a shell takes them, for programs of the same backends as this one.
fn just_line(words: &[&str]) -> String {
    let mut backends = compiled_in();
    if cfg!(feature = "remote") {
        backends.push("remote");
    }
    let quoter = Quoter::new().allow_nul(true);
    let words = quoter.join(words.iter().copied());
    let words = words.expect("nothing but a NUL would be refused");
    format!("{} {words}", just(&backends))
}

/// How `just` is called to build these backends in.
fn just(backends: &[&str]) -> String {
    match backends {
        ["flex"] => "just".to_owned(),
        _ => format!("just backend={}", backends.join(",")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_names_all_backends_but_flex_alone() {
        assert_eq!(just(&["flex"]), "just");
        assert_eq!(just(&["cuda"]), "just backend=cuda");
        assert_eq!(just(&["wgpu", "flex", "remote"]), "just backend=wgpu,flex,remote");
    }
}

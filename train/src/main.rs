//! `train`: a recipe in, a model folder out.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;

use attend_data::DataError;
use attend_data::cli::{report, write_stdout};
use attend_data::corpus::SentencePair;
use attend_data::file::write_file;
use attend_data::tokenizer::Tokenizer;
use attend_infer::metric::{corpus_bleu, corpus_chrf};
use attend_infer::{ModelFolder, Translator, device};
use attend_train::dataset::{Corpora, Dataset};
use attend_train::model_card::ModelCard;
use attend_train::trainer::Trainer;
use attend_train::workers::Workers;
use attend_train::{Recipe, TrainError};
use clap::Parser;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    /// Change a setting of the recipe, such as training.updates=1000; may be given several times.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    overrides: Vec<String>,
    /// Threads that share each batch. The same number repeats a run exactly. [default: the number of cores]
    #[arg(long, value_name = "N")]
    workers: Option<NonZeroUsize>,
    /// The device to compute on: flex or ndarray, if built in. [default: the first built in]
    #[arg(long, value_name = "NAME", env = "BURN_DEVICE")]
    device: Option<String>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error, error.hint()),
    }
}

fn run(options: &Options) -> Result<(), TrainError> {
    let recipe = Recipe::load(&options.recipe, &options.overrides)?;
    let device = device::select(options.device.as_deref())?;
    let name = options.recipe.file_stem().unwrap_or_default().to_string_lossy();
    let folder = match &options.output {
        Some(folder) => folder.clone(),
        None => Path::new("runs").join(&*name),
    };
    check_folder(&folder, &recipe, options.resume)?;

    let corpora = Corpora::load(&recipe.data)?;
    let tokenizer = match options.resume {
        true => Tokenizer::load(folder.join("tokenizer.json"))?,
        false => {
            let lines = corpora.training_lines();
            Tokenizer::train(recipe.data.tokenizer, lines, recipe.data.vocab_size)?
        }
    };
    let dataset = Dataset::encode(&corpora, &tokenizer, &recipe)?;
    eprintln!("{}", dataset.reports);
    let too_long = corpora.valid.len() - dataset.valid_pairs.len();
    if too_long > 0 {
        eprintln!("validation pairs: left out {too_long} longer than the model's positions");
    }
    let train_pairs = dataset.train.len();

    fs::create_dir_all(&folder).map_err(|error| DataError::Write {
        path: folder.clone(),
        error,
    })?;
    write_file(folder.join("recipe.toml"), recipe.to_toml())?;
    tokenizer.save(folder.join("tokenizer.json"))?;
    let workers = options.workers.or_else(|| thread::available_parallelism().ok());
    let workers = Workers::start(workers.map_or(1, NonZeroUsize::get))?;
    let trainer = Trainer::new(
        recipe.clone(),
        tokenizer.clone(),
        dataset,
        folder.clone(),
        &device,
        workers,
    )?;
    let trainer = if options.resume {
        trainer.resume()?
    } else {
        trainer
    };
    let num_params = trainer.num_params();
    eprintln!("{name}: {num_params} weights, into {}", folder.display());
    let state = trainer.run()?;

    let translator = Translator::new(ModelFolder::load(&folder, &device)?);
    let (sources, targets) = translatable(&translator, &corpora.test);
    let references: Vec<String> = targets
        .iter()
        .map(|target| tokenizer.plain_text(target))
        .collect();
    let hypotheses = translator.translate_best(&sources)?;
    let bleu = corpus_bleu(&hypotheses, &references, recipe.data.bleu)?;
    let chrf = corpus_chrf(&hypotheses, &references)?;
    let card = ModelCard {
        name: &name,
        command: &command(options),
        recipe: &recipe,
        state: &state,
        num_params,
        train_pairs,
        test_pairs: sources.len(),
        bleu: &bleu,
        chrf: &chrf,
    };
    write_file(folder.join("README.md"), card.to_markdown())?;

    let samples: String = (0..sources.len().min(SAMPLES))
        .map(|line| format!("\n  {}\n→ {}\n", sources[line], hypotheses[line]))
        .collect();
    let next = next_command(&folder, sources.first().unwrap_or(&"..."));
    let summary = format!(
        "{bleu}\n{chrf}\n{samples}\nThe model is in {}. Next:\n  {next}\n",
        folder.display()
    );
    Ok(write_stdout(&summary).map_err(|error| DataError::Write {
        path: PathBuf::from("standard output"),
        error,
    })?)
}

/// A new run needs a new folder, a resumed one the folder of the same recipe.
fn check_folder(folder: &Path, recipe: &Recipe, resume: bool) -> Result<(), TrainError> {
    if !resume {
        return match folder.exists() {
            true => Err(TrainError::OutputExists {
                path: folder.to_owned(),
            }),
            false => Ok(()),
        };
    }
    let saved_path = folder.join("recipe.toml");
    if !saved_path.exists() {
        return Err(TrainError::NoCheckpoint {
            path: folder.to_owned(),
        });
    }
    let mut saved = Recipe::load(&saved_path, &[])?;
    saved.training.updates = recipe.training.updates;
    match saved == *recipe {
        true => Ok(()),
        false => Err(TrainError::ChangedRecipe {
            path: folder.to_owned(),
        }),
    }
}

/// The pairs that the model has positions for; says how many it has none for.
fn translatable<'a>(translator: &Translator, pairs: &'a [SentencePair]) -> (Vec<&'a str>, Vec<&'a str>) {
    let (fitting, too_long): (Vec<_>, Vec<_>) = pairs.iter().partition(|pair| translator.fits(&pair.source));
    if !too_long.is_empty() {
        eprintln!(
            "test pairs: left out {} longer than the model's positions",
            too_long.len()
        );
    }
    fitting
        .iter()
        .map(|pair| (pair.source.as_str(), pair.target.as_str()))
        .unzip()
}

fn command(options: &Options) -> String {
    let mut command = format!("just train {}", options.recipe.display());
    for assignment in &options.overrides {
        command += &format!(" --set {assignment}");
    }
    command
}

fn next_command(folder: &Path, sentence: &str) -> String {
    let model = match folder == Path::new("runs/phrasebook") {
        true => String::new(),
        false => format!("--model {} ", folder.display()),
    };
    format!("just translate {model}\"{sentence}\"")
}

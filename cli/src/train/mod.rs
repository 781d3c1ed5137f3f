//! `attend train`: a recipe in, a model folder out.

mod display;
mod dry_run;
mod interrupt;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use attend_data::STANDARD_INPUT;
use attend_infer::TaskKind;
use attend_train::{Event, FinalTest, Outcome, Recipe, Run};
use clap::Args;
use toml::Value;

use crate::classify;
use crate::error::CliError;
use crate::flags::{DevicesOption, WorkerCount, input_file, output_folder, variable};
use crate::output::print;
use crate::tag;
use crate::translate;
use crate::typed_command;
use display::Display;
use interrupt::Interrupt;

/// The number of outputs of the model that are shown at the end.
const SAMPLES: usize = 3;

/// Train a translator, a classifier or a tagger by a recipe, and score it.
#[derive(Args)]
pub(crate) struct Options {
    /// The recipe, a TOML file; - is standard input.
    #[arg(default_value = "configs/phrasebook.toml", value_parser = input_file())]
    recipe: PathBuf,
    /// The folder to write, a new one. [default: runs/ and the recipe's name]
    #[arg(long, value_name = "FOLDER", value_parser = output_folder())]
    output: Option<PathBuf>,
    /// A model folder to start from: its weights, tokenizer and shape, with the recipe's text and settings. The same as
    /// the recipe's key init.
    #[arg(long, value_name = "MODEL")]
    from: Option<PathBuf>,
    /// Go on with the run in the output folder from its last checkpoint.
    #[arg(long)]
    resume: bool,
    /// The folder of the prepared training pairs of translators, which runs can share.
    #[arg(
        long,
        value_name = "FOLDER",
        env = variable("ATTEND_PREPARED"),
        default_value = "prepared",
        value_parser = output_folder()
    )]
    prepared: PathBuf,
    /// Show what the run would do; nothing is written but the prepared corpus.
    #[arg(long, conflicts_with_all = ["output", "resume"])]
    dry_run: bool,
    /// Change a setting of the recipe, such as training.updates=1000; may be given several times.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    overrides: Vec<String>,
    /// Number of threads that share each batch; the devices are divided among them. auto takes one for each core of a
    /// processor, and one for each other device. A run is repeated exactly only with the same number.
    #[arg(long, value_name = "N", default_value = "auto")]
    workers: WorkerCount,
    #[command(flatten)]
    devices: DevicesOption,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode, CliError> {
    let recipe = Recipe::load(&options.recipe, &options.settings()?)?;
    let task = recipe.task;
    let devices = options.devices.select()?;
    let workers = options.workers.on(&devices);
    if workers < devices.len() {
        let devices = devices.len();
        return Err(CliError::IdleDevices { workers, devices });
    }
    let folder = match &options.output {
        Some(folder) => folder.clone(),
        None => Path::new("runs").join(options.recipe.file_stem().unwrap_or_default()),
    };
    let run = Run::new(recipe, &folder)
        .prepared_in(&options.prepared)
        .on(devices)
        .workers(workers);
    let mut display = Display::new(task);
    if options.dry_run {
        let found = run.dry_run(|event| display.show(event))?;
        print(&dry_run::text(&found))?;
        return Ok(ExitCode::SUCCESS);
    }

    let interrupt = Interrupt::listen().map_err(CliError::Signals)?;
    let run = if options.resume { run.resume() } else { run };
    let run = run
        .command(command_to_repeat(options, &folder, workers))
        .stop_when(|| interrupt.exit_status().is_some());
    let outcome = run.train(|event| {
        match event {
            Event::Started { .. } => interrupt.wait(),
            Event::Ended => interrupt.ignore(),
            _ => {}
        }
        display.show(event);
    })?;
    match outcome {
        Outcome::Finished(test) => {
            print(&summary(task, &test, &folder))?;
            Ok(ExitCode::SUCCESS)
        }
        Outcome::Stopped { update } => {
            eprintln!(
                "stopped after update {update}; the same command with --resume goes on from the last checkpoint in {}",
                folder.display()
            );
            Ok(interrupt.exit_status().map_or(ExitCode::FAILURE, ExitCode::from))
        }
    }
}

impl Options {
    /// Returns the settings of the recipe that the command line changes.
    fn settings(&self) -> Result<Vec<String>, CliError> {
        let init = self.from.as_ref().map(|folder| match folder.to_str() {
            Some(folder) => Ok(format!("init={}", Value::from(folder))),
            None => Err(CliError::NotUtf8 { path: folder.clone() }),
        });
        let init = init.transpose()?;
        Ok(self.overrides.iter().cloned().chain(init).collect())
    }
}

/// Returns the scores of a run, some outputs of its model, and the command to type next.
fn summary(task: TaskKind, test: &FinalTest, folder: &Path) -> String {
    let samples: String = test
        .outputs
        .iter()
        .take(SAMPLES)
        .map(|test| format!("\n  {}\n→ {}\n", test.source, test.output))
        .collect();
    let sentence = test.outputs.first().map_or("", |test| &test.source);
    format!(
        "{}\n{samples}\nThe model is in {}. Next:\n  {}\n",
        test.scores,
        folder.display(),
        next_command(task, folder, sentence)
    )
}

/// Returns the command that repeats the run of a folder, into whatever folder. A recipe from standard input is gone,
/// but the run's folder has a copy.
fn command_to_repeat(options: &Options, folder: &Path, workers: usize) -> String {
    let recipe = if options.recipe == Path::new(STANDARD_INPUT) {
        folder.join("recipe.toml")
    } else {
        options.recipe.clone()
    };
    let recipe = recipe.display().to_string();
    let from = options.from.as_ref().map(|folder| folder.display().to_string());
    let workers = workers.to_string();
    let devices = options.devices.names();
    let mut words = vec!["train", &recipe];
    words.extend(from.iter().flat_map(|folder| ["--from", folder]));
    words.extend(
        options
            .overrides
            .iter()
            .flat_map(|assignment| ["--set", assignment]),
    );
    words.extend(["--workers", &workers]);
    words.extend(devices.iter().flat_map(|names| ["--device", names]));
    typed_command(&words)
}

/// Returns the command that translates or labels a sentence with the model in a folder.
fn next_command(task: TaskKind, folder: &Path, sentence: &str) -> String {
    let name = folder.display().to_string();
    let subcommand = task.to_string();
    let default = match task {
        TaskKind::Translate => translate::DEFAULT_MODEL,
        TaskKind::Classify => classify::DEFAULT_MODEL,
        TaskKind::Tag => tag::DEFAULT_MODEL,
    };
    let mut words = vec![subcommand.as_str()];
    if folder != Path::new(default) {
        words.extend(["--model", &name]);
    }
    // Without it, a sentence such as "- Hello." would be taken for a flag.
    if sentence.starts_with('-') {
        words.push("--");
    }
    words.push(sentence);
    typed_command(&words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_command_takes_the_model_and_the_sentence_whatever_it_begins_with() {
        let next =
            |folder: &str, sentence: &str| next_command(TaskKind::Translate, Path::new(folder), sentence);
        let program = crate::command();
        assert_eq!(
            next(translate::DEFAULT_MODEL, "Hello."),
            format!("{program} translate Hello.")
        );
        assert_eq!(
            next("runs/subtitles", "- Hello."),
            format!("{program} translate --model runs/subtitles -- '- Hello.'")
        );
        let of_tagger = |folder: &str| next_command(TaskKind::Tag, Path::new(folder), "Hello .");
        assert_eq!(of_tagger(tag::DEFAULT_MODEL), format!("{program} tag 'Hello .'"));
        assert_eq!(
            of_tagger(translate::DEFAULT_MODEL),
            format!("{program} tag --model runs/phrasebook 'Hello .'")
        );
    }
}

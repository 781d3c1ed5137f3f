//! `data`: fetches the named corpora, and writes the embedded one to files.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use attend_data::cli::{print, report};
use attend_data::download::{DownloadError, Downloader, Mirror, Progress, Source, SourceFile};
use attend_data::{DataError, write_file};
use attend_phrasebook::Phrasebook;
use clap::{Args, Command, CommandFactory, FromArgMatches, Parser, Subcommand};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

/// Fetch corpora to train on.
#[derive(Parser)]
#[command(name = "data", version, arg_required_else_help = true)]
struct Options {
    #[command(subcommand)]
    action: Action,
}

/// What `data` does beside fetching a corpus by its name.
#[derive(Subcommand)]
enum Action {
    /// List the corpora that can be fetched.
    List,
    /// Write the embedded corpus as train, valid and test text, a sentence a line.
    Phrasebook {
        /// The folder to write to; created where needed.
        #[arg(long, value_name = "FOLDER", default_value = "corpora/phrasebook")]
        output: PathBuf,
    },
}

/// How to fetch a corpus.
#[derive(Args)]
struct Fetch {
    /// The folder to download to; created where needed. [default: corpora/ and the corpus's name]
    #[arg(long, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// A folder or an http(s) address that holds the same files under the same paths as their public servers: all that
    /// follows the host.
    #[arg(long, value_name = "FOLDER|ADDRESS")]
    mirror: Option<Mirror>,
}

fn main() -> ExitCode {
    let matches = command().get_matches();
    let (name, arguments) = matches.subcommand().expect("clap asks for a subcommand");
    let result = match Source::all().iter().find(|source| source.name == name) {
        Some(source) => fetch(
            source,
            Fetch::from_arg_matches(arguments).unwrap_or_else(|error| error.exit()),
        ),
        None => match Options::from_arg_matches(&matches)
            .unwrap_or_else(|error| error.exit())
            .action
        {
            Action::List => list().map_err(DownloadError::from),
            Action::Phrasebook { output } => write_phrasebook(&output).map_err(DownloadError::from),
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error, error.hint()),
    }
}

/// The command line: the subcommands of [`Action`], and one for each source.
fn command() -> Command {
    let mut command = Options::command();
    for source in Source::all() {
        // The description comes last: the arguments bring that of their struct along.
        let fetch = Fetch::augment_args(Command::new(source.name.as_str()));
        command = command.subcommand(fetch.about(format!("Fetch {}", source.description)));
    }
    let names: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
    let usage = format!("data <{}> [OPTIONS]", names.join("|"));
    command.override_usage(usage)
}

fn fetch(source: &Source, options: Fetch) -> Result<(), DownloadError> {
    let output = options
        .output
        .unwrap_or_else(|| Path::new("corpora").join(&source.name));
    let downloader = Downloader {
        mirror: options.mirror,
        ..Downloader::default()
    };
    let mut display = Display::default();
    downloader.fetch(source, &output, |file, progress| display.show(file, progress))?;
    eprintln!("{} is in {}", source.name, output.display());
    Ok(())
}

/// Shows a download: a bar for each file on a terminal, a line for each file elsewhere.
#[derive(Default)]
struct Display {
    bar: Option<ProgressBar>,
}

impl Display {
    fn show(&mut self, file: &SourceFile, progress: Progress) {
        match progress {
            Progress::Bytes(bytes) if io::stderr().is_terminal() => {
                self.bar.get_or_insert_with(|| bar(file)).set_position(bytes);
            }
            Progress::Bytes(_) => {}
            Progress::Present => eprintln!("{}: already there", file.name),
            Progress::Done => {
                if let Some(bar) = self.bar.take() {
                    bar.finish_and_clear();
                }
                eprintln!("{}: {}", file.name, HumanBytes(file.size));
            }
            Progress::Unpacking => eprintln!("{}: unpacking {} files", file.name, file.members.len()),
        }
    }
}

fn bar(file: &SourceFile) -> ProgressBar {
    let style = ProgressStyle::with_template("{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}")
        .expect("the template is well formed");
    ProgressBar::new(file.size)
        .with_style(style)
        .with_message(file.name.clone())
}

fn write_phrasebook(output: &Path) -> Result<(), DataError> {
    fs::create_dir_all(output).map_err(|error| DataError::write(output, error))?;
    let Phrasebook { train, valid, test } = Phrasebook::generate();
    for (split, pairs) in [("train", train), ("valid", valid), ("test", test)] {
        let source = pairs.iter().map(|pair| pair.english.as_str());
        let target = pairs.iter().map(|pair| pair.german.as_str());
        write_lines(&output.join(format!("{split}.en")), source)?;
        write_lines(&output.join(format!("{split}.de")), target)?;
        eprintln!("{split}: {} pairs", pairs.len());
    }
    Ok(())
}

fn write_lines<'a>(path: &Path, lines: impl Iterator<Item = &'a str>) -> Result<(), DataError> {
    write_file(path, lines.flat_map(|line| [line, "\n"]).collect::<String>())
}

fn list() -> Result<(), DataError> {
    let mut lines = String::new();
    for source in Source::all() {
        let bytes: u64 = source.files.iter().map(|file| file.size).sum();
        lines += &format!(
            "{}\n  {}\n  {} files, {}; {}\n",
            source.name,
            source.description,
            source.files.len(),
            HumanBytes(bytes),
            source.license
        );
    }
    print(&lines)
}

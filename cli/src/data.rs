//! The subcommand `attend data` fetches the named corpora, and writes the embedded corpus to files.

use std::fs;
use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use attend_data::download::{DownloadError, Downloader, Mirror, Progress, Source, SourceFile};
use attend_data::{DataError, LabelledText, write_file};
use attend_phrasebook::{LabelledSentence, Phrasebook, TaggedSentence, Word};
use clap::{ArgMatches, Args, Command, FromArgMatches, Subcommand};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};

use crate::error::CliError;
use crate::flags::output_folder;
use crate::output::print;

/// What `attend data` does besides fetching a corpus.
#[derive(Subcommand)]
pub(crate) enum Action {
    /// List the corpora that can be fetched.
    List,
    /// Write the embedded corpus as training, validation and test text: sentence pairs, one a line (.en and .de), English
    /// sentences behind the label of their clause and a tab (.tsv), and their words, one a line, each with its part of
    /// speech and the case of its noun phrase (.conll).
    Phrasebook {
        /// The folder to write to, which is created if it is missing.
        #[arg(
            long,
            value_name = "FOLDER",
            default_value = "corpora/phrasebook",
            value_parser = output_folder()
        )]
        output: PathBuf,
    },
}

/// How to fetch a corpus.
#[derive(Args)]
pub(crate) struct Fetch {
    /// The folder to download to, which is created if it is missing. [default: corpora/ and the corpus's name]
    #[arg(long, value_name = "FOLDER", value_parser = output_folder())]
    output: Option<PathBuf>,
    /// A folder or an http(s) address to fetch from, in place of the public servers. It must hold each file under the
    /// path that follows the host in the file's public address.
    #[arg(long, value_name = "FOLDER|ADDRESS")]
    mirror: Option<Mirror>,
}

/// What `attend data` is asked to do.
pub(crate) enum Task {
    Fetch(&'static Source, Fetch),
    Other(Action),
}

// The traits of clap are implemented by hand, since the named corpora are subcommands whose names come from a file.
impl FromArgMatches for Task {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        if let Some((name, arguments)) = matches.subcommand()
            && let Some(source) = Source::all().iter().find(|source| source.name == name)
        {
            return Ok(Self::Fetch(source, Fetch::from_arg_matches(arguments)?));
        }
        Action::from_arg_matches(matches).map(Self::Other)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Subcommand for Task {
    fn augment_subcommands(command: Command) -> Command {
        let mut command = Action::augment_subcommands(command);
        for source in Source::all() {
            // The description is set last, since `augment_args` replaces it by that of the struct.
            let fetch = Fetch::augment_args(Command::new(source.name.as_str()));
            command = command.subcommand(fetch.about(format!("Fetch {}", source.description)));
        }
        let names: Vec<&str> = command.get_subcommands().map(Command::get_name).collect();
        let usage = format!("attend data <{}> [OPTIONS]", names.join("|"));
        command.arg_required_else_help(true).override_usage(usage)
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        Action::has_subcommand(name) || Source::all().iter().any(|source| source.name == name)
    }
}

pub(crate) fn run(task: Task) -> Result<(), CliError> {
    match task {
        Task::Fetch(source, options) => Ok(fetch(source, options)?),
        Task::Other(Action::List) => list(),
        Task::Other(Action::Phrasebook { output }) => Ok(write_phrasebook(&output)?),
    }
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
pub(crate) struct Display {
    bar: Option<ProgressBar>,
}

impl Display {
    pub(crate) fn show(&mut self, file: &SourceFile, progress: Progress) {
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
    let (pairs, clauses, words) = (Phrasebook::generate(), Phrasebook::clauses(), Phrasebook::words());
    for (split, pairs, clauses, sentences) in [
        ("train", pairs.train, clauses.train, words.train),
        ("valid", pairs.valid, clauses.valid, words.valid),
        ("test", pairs.test, clauses.test, words.test),
    ] {
        let write = |ending: &str, lines: String| write_file(output.join(format!("{split}.{ending}")), lines);
        write(
            "en",
            pairs.iter().map(|pair| format!("{}\n", pair.english)).collect(),
        )?;
        write(
            "de",
            pairs.iter().map(|pair| format!("{}\n", pair.german)).collect(),
        )?;
        write("tsv", clauses.iter().map(labelled_line).collect())?;
        write("conll", sentences.iter().map(tagged_lines).collect())?;
        eprintln!(
            "{split}: {} pairs, and as many labelled and tagged sentences",
            pairs.len()
        );
    }
    Ok(())
}

fn labelled_line(sentence: &LabelledSentence) -> String {
    let line = LabelledText {
        text: sentence.text.clone(),
        label: sentence.label.to_owned(),
    };
    format!("{line}\n")
}

/// Returns the lines of a sentence, and the blank line behind them.
fn tagged_lines(sentence: &TaggedSentence) -> String {
    let line = |word: &Word| format!("{}\t{}\t{}\n", word.text, word.part_of_speech, word.case_tag);
    sentence.words.iter().map(line).collect::<String>() + "\n"
}

fn list() -> Result<(), CliError> {
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

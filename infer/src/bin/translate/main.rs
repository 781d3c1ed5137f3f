//! `translate`: text in, translations out.

mod output;
mod progress;
mod prompt;

use std::io::{self, BufReader, Cursor, IsTerminal};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::slice;

use attend_data::cli::{print, report};
use attend_data::{DataError, Lines};
use attend_infer::cli::{ComputeOptions, SearchFlags, TextFlags};
use attend_infer::device::{self, NamedDevice};
use attend_infer::search::SearchOptions;
use attend_infer::stream::{StreamOptions, translate_lines};
use attend_infer::translator::BATCH_TOKENS;
use attend_infer::{InferError, Language, ModelFolder, Translator, notice_device_failure};
use clap::{Parser, Subcommand, error::ErrorKind};

use output::Output;
use progress::Progress;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Translate text: arguments, a file, or standard input, one line in, one line out, as the lines come. On a terminal,
/// a prompt asks for them.
#[derive(Parser)]
#[command(name = "translate", version, args_conflicts_with_subcommands = true)]
struct Options {
    #[command(subcommand)]
    command: Option<Command>,
    /// The lines to translate; without any, those of --input or of standard input.
    #[arg(value_name = "LINE", conflicts_with = "input")]
    lines: Vec<String>,
    /// The model folder.
    #[arg(long, value_name = "FOLDER", default_value = "runs/phrasebook")]
    model: PathBuf,
    /// Read lines from this file (.gz, .xz and .zst are decompressed) in place of standard input.
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Write to this file in place of standard output; an older one is replaced at the end.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The language of the lines, which says where their sentences end.
    #[arg(long, value_name = "CODE", default_value = "en")]
    language: Language,
    /// Take each line for one sentence, and refuse one that is longer than the model's positions.
    #[arg(long, conflicts_with = "language")]
    no_split: bool,
    /// Translations given for each line, best first; more than one needs --json.
    #[arg(long, value_name = "N", default_value_t = 1)]
    nbest: usize,
    /// Print a JSON object a line: the source, and its translations with their scores.
    #[arg(long)]
    json: bool,
    /// Also print where a translation's words come from: `||| 0-0 1-2` pairs words of the source and of the
    /// translation, counted from 0. With --json, also how much each token attends to each of the source. Takes a line
    /// for one sentence.
    #[arg(long, conflicts_with = "language")]
    alignment: bool,
    /// Most tokens that are decoded side by side, those of the sentences and of their longest possible translations
    /// together; changes speed and memory, no translation.
    #[arg(long, value_name = "N", default_value_t = default_batch_tokens())]
    batch_tokens: NonZeroUsize,
    #[command(flatten)]
    search: SearchFlags,
    #[command(flatten)]
    text: TextFlags,
    #[command(flatten)]
    compute: ComputeOptions,
}

#[derive(Subcommand)]
enum Command {
    /// List the devices that --device takes: those of the backends that are built in and that this machine has.
    Devices,
}

fn default_batch_tokens() -> NonZeroUsize {
    const { NonZeroUsize::new(BATCH_TOKENS).expect("a batch holds tokens") }
}

fn main() -> ExitCode {
    let options = Options::parse();
    if let Some(Command::Devices) = options.command {
        return list_devices();
    }
    if options.nbest > 1 && !options.json {
        usage_error("--nbest with more than one translation a line needs --json");
    }
    run(&options).unwrap_or_else(|error| report(&error, error.hint()))
}

fn usage_error(message: &str) -> ! {
    use clap::CommandFactory;
    Options::command()
        .error(ErrorKind::ArgumentConflict, message)
        .exit()
}

fn list_devices() -> ExitCode {
    let devices = device::list();
    let lines = devices.iter().map(|device| {
        let description = device.description().unwrap_or_else(|error| error.to_string());
        format!("{:<9}  {description}\n", device.name)
    });
    match print(&lines.collect::<String>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error, error.hint()),
    }
}

fn run(options: &Options) -> Result<ExitCode, InferError> {
    // What is quickly found wrong comes first, and the model, which takes longest to load, last.
    let search = options.search()?;
    let requests = options.text.requests()?;
    let input = options.input()?;
    let mut output = Output::create(options.output.as_deref(), options.json)?;
    let (translator, device) = match options.translator(search) {
        Err(InferError::Search(error)) => {
            // To end the process would leave its file behind.
            drop(output);
            usage_error(&error.to_string());
        }
        result => result?,
    };
    let stream = StreamOptions {
        split: !options.no_split && !options.alignment && requests.is_none(),
        // The lines of a pipe may come one by one.
        eager: !options.input.as_ref().is_some_and(|path| path.is_file()),
        requests: requests.as_ref(),
    };
    let result = notice_device_failure(slice::from_ref(&device), || match input {
        Some(lines) => translate(options, &translator, stream, lines, &mut output),
        None => prompt::translate(&translator, stream, &mut output),
    });
    if let Err(error) = result {
        let hints = [error.hint(), output.unfinished()];
        let hints: Vec<String> = hints.into_iter().flatten().collect();
        return Ok(report(&error, (!hints.is_empty()).then(|| hints.join("; "))));
    }
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}

fn translate(
    options: &Options,
    translator: &Translator,
    stream: StreamOptions<'_>,
    lines: Lines,
    output: &mut Output,
) -> Result<(), InferError> {
    let progress = Progress::of(translator, options.input.as_deref());
    translate_lines(translator, lines, stream, |lines, translations| {
        let state = progress.suspend(|| output.write(lines, translations))?;
        progress.advance(lines);
        Ok(state)
    })
}

impl Options {
    fn search(&self) -> Result<SearchOptions, InferError> {
        let search = self
            .search
            .over(ModelFolder::search_defaults(&self.model)?, self.nbest);
        let mut valid = search.validate();
        if !self.text.required().is_empty() {
            valid = valid.and_then(|()| search.validate_with_required_words());
        }
        if !self.text.banned().is_empty() {
            valid = valid.and_then(|()| search.validate_with_banned_words());
        }
        if let Err(error) = valid {
            usage_error(&error.to_string());
        }
        Ok(search)
    }

    /// The lines to translate; none where a prompt should ask for them.
    fn input(&self) -> Result<Option<Lines>, DataError> {
        if !self.lines.is_empty() {
            let text = Cursor::new(self.lines.join("\n") + "\n");
            return Ok(Some(Lines::new(text, "the command line")));
        }
        if let Some(path) = &self.input {
            return Lines::open(path).map(Some);
        }
        if self.output.is_none() && io::stdin().is_terminal() && io::stdout().is_terminal() {
            return Ok(None);
        }
        Ok(Some(Lines::new(BufReader::new(io::stdin()), "standard input")))
    }

    fn translator(&self, search: SearchOptions) -> Result<(Translator, NamedDevice), InferError> {
        let (translator, device) = self.compute.load(&self.model)?;
        let translator = match self.alignment {
            true => translator.with_alignments(),
            false => translator,
        };
        let translator = translator
            .with_search(search)?
            .with_banned_words(self.text.banned())
            .with_batch_tokens(self.batch_tokens.get())
            .with_language(self.language.clone());
        Ok((translator, device))
    }
}

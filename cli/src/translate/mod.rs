//! `attend translate`: text in, translations out.

mod output;
mod progress;
mod prompt;

use std::io::{self, BufReader, Cursor, IsTerminal};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::slice;

use attend_data::{DataError, Lines, STANDARD_INPUT, open_sources, single_line};
use attend_device::{NamedDevice, notice_device_failure};
use attend_infer::{Format, InferError, Language, ModelFolder, StreamLine, TranslateOptions, Translator};
use clap::{Args, error::ErrorKind};

use crate::error::CliError;
use crate::flags::{ComputeOptions, DASH, SearchFlags, TextFlags, input_file, whole_number};
use crate::hint::Hint;
use crate::output::report_with;
use crate::usage_error;
use output::Output;
use progress::Progress;

/// The model folder that `attend translate` uses if none is named.
pub(crate) const DEFAULT_MODEL: &str = "runs/phrasebook";

/// Translate text: arguments, a file, or standard input, one line in, one line out, as the lines come. On a terminal,
/// a prompt asks for them.
#[derive(Args)]
pub(crate) struct Options {
    /// The lines to translate; without any, those of --input or of standard input.
    #[arg(value_name = "LINE", conflicts_with = "input")]
    lines: Vec<String>,
    /// The model folder.
    #[arg(long, value_name = "FOLDER", default_value = DEFAULT_MODEL)]
    model: PathBuf,
    /// Read lines from this file, decompressed if it is compressed (by gzip, xz, Zstandard or bzip2), or the sources of
    /// a test set in WMT's .sgm or .xml; - is standard input, as without --input.
    #[arg(long, value_name = "FILE", value_parser = input_file())]
    input: Option<PathBuf>,
    /// Write to this file in place of standard output, which is -; an older file is replaced at the end.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The language of the lines, which says where their sentences end. [default: the model's source language, or en]
    #[arg(long, value_name = "CODE")]
    language: Option<Language>,
    /// Take each line for one sentence, and refuse one that is longer than the model's positions.
    #[arg(long, conflicts_with = "language")]
    no_split: bool,
    /// Translations given for each line, best first; more than one needs --json.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole_number::<usize>)]
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
    #[arg(
        long,
        value_name = "N",
        default_value_t = default_batch_tokens(),
        value_parser = whole_number::<NonZeroUsize>
    )]
    batch_tokens: NonZeroUsize,
    #[command(flatten)]
    search: SearchFlags,
    #[command(flatten)]
    text: TextFlags,
    #[command(flatten)]
    compute: ComputeOptions,
}

fn default_batch_tokens() -> NonZeroUsize {
    const { NonZeroUsize::new(Translator::BATCH_TOKENS).expect("a batch holds tokens") }
}

fn refuse(message: &str) -> ! {
    usage_error("translate", ErrorKind::ArgumentConflict, message)
}

pub(crate) fn run(options: &Options) -> Result<ExitCode, CliError> {
    if options.nbest > 1 && !options.json {
        refuse("--nbest with more than one translation a line needs --json");
    }
    if options.lines.is_empty()
        && options.text.reads(Path::new(STANDARD_INPUT))
        && options
            .input
            .as_deref()
            .is_none_or(|input| input == Path::new(STANDARD_INPUT))
    {
        refuse("standard input cannot have both the lines and their prefixes");
    }
    // What is quickly found wrong comes first, and the model, which takes longest to load, last.
    let asked = options.asked()?;
    if let Err(error) = asked.validate() {
        refuse(&error.to_string());
    }
    let asked = options.text.of_lines(asked)?;
    let input = options.input()?;
    let mut output = Output::create(options.output_file(), options.json)?;
    let (translator, device) = match options.load(asked.common()) {
        Err(CliError::Infer(InferError::Search(error))) => {
            // To end the process would leave its file behind.
            drop(output);
            refuse(&error.to_string());
        }
        result => result?,
    };
    for phrase in translator.model().never_written(&asked.common().banned) {
        eprintln!("--ban {phrase:?} changes nothing: no tokens of the model spell it");
    }
    let result = notice_device_failure(slice::from_ref(&device), || match input {
        Some(lines) => options.translate(translator, asked.zip(lines), &mut output),
        None => prompt::translate(&translator, &asked, &mut output),
    });
    if let Err(error) = result {
        let hints = [error.hint(), output.unfinished()];
        let hints: Vec<String> = hints.into_iter().flatten().collect();
        return Ok(report_with(&error, (!hints.is_empty()).then(|| hints.join("; "))));
    }
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}

impl Options {
    /// Returns what all lines ask for.
    fn asked(&self) -> Result<TranslateOptions, InferError> {
        let model = ModelFolder::search_defaults(&self.model)?;
        let splits = !self.no_split && !self.alignment && !self.text.ask_for_sentences();
        Ok(self.text.over(TranslateOptions {
            search: self.search.over(model, self.nbest),
            language: if splits { Some(self.language()?) } else { None },
            alignment: self.alignment,
            ..TranslateOptions::default()
        }))
    }

    /// Returns the language of the lines.
    fn language(&self) -> Result<Language, InferError> {
        match &self.language {
            Some(language) => Ok(language.clone()),
            None => Ok(ModelFolder::languages(&self.model)?.source.unwrap_or_default()),
        }
    }

    /// Returns the file to write, or `None` for standard output.
    fn output_file(&self) -> Option<&Path> {
        self.output.as_deref().filter(|path| *path != Path::new(DASH))
    }

    /// Returns the lines to translate, or `None` if a prompt should ask for them.
    fn input(&self) -> Result<Option<Lines>, DataError> {
        if !self.lines.is_empty() {
            // Each argument is a line.
            let lines = self
                .lines
                .iter()
                .flat_map(|line| [single_line(line), "\n".into()]);
            let text = Cursor::new(lines.collect::<String>());
            return Ok(Some(Lines::new(text, "the command line")));
        }
        if let Some(path) = &self.input {
            // The lines of a pipe are translated as they come, and markup with its tags.
            let may_be_test_set = path.is_file() && self.text.format == Format::Text;
            let lines = if may_be_test_set {
                open_sources(path)
            } else {
                Lines::open(path)
            };
            return lines.map(Some);
        }
        if self.output_file().is_none() && io::stdin().is_terminal() && io::stdout().is_terminal() {
            return Ok(None);
        }
        Ok(Some(Lines::new(BufReader::new(io::stdin()), "standard input")))
    }

    /// Loads a model that can do what is asked for. Returns a translator and its device.
    fn load(&self, asked: &TranslateOptions) -> Result<(Translator, NamedDevice), CliError> {
        let (translator, device) = self.compute.load(&self.model)?;
        translator.model().check(asked)?;
        Ok((translator.with_batch_tokens(self.batch_tokens.get()), device))
    }

    fn translate(
        &self,
        translator: Translator,
        lines: impl Iterator<Item = Result<StreamLine, CliError>> + Send + 'static,
        output: &mut Output,
    ) -> Result<(), CliError> {
        // The lines of a pipe may come one by one.
        let eager = !self.input.as_ref().is_some_and(|path| path.is_file());
        let progress = Progress::of(self.input.as_deref());
        let translator = progress.observe(translator);
        translator.translate_stream(lines, eager, |lines| {
            let state = progress.suspend(|| output.write(lines))?;
            progress.advance(lines);
            Ok(state)
        })
    }
}

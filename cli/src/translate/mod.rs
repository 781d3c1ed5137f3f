//! `attend translate`: text in, translations out.

mod output;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::slice;

use attend_data::STANDARD_INPUT;
use attend_device::{NamedDevice, notice_device_failure};
use attend_infer::{
    Format, InferError, Language, Line, ModelFolder, StreamLine, TranslateOptions, Translation, Translator,
};
use clap::{Args, error::ErrorKind};

use crate::error::CliError;
use crate::flags::{
    ComputeOptions, LineOptions, SearchFlags, TargetLanguageFlag, TextFlags, input_file, whole_number,
};
use crate::hint::Hint;
use crate::library::{model_between, model_folder};
use crate::lines::{Input, Output, Progress, prompt};
use crate::open_model::OpenModel;
use crate::output::{report, report_with};
use crate::usage_error;

/// The model folder that `attend translate` uses if none is named.
pub(crate) const DEFAULT_MODEL: &str = "runs/phrasebook";

/// Translate text: arguments, a file, or standard input, one line in, one line out, as the lines come. On a terminal,
/// a prompt asks for them.
#[derive(Args)]
pub(crate) struct Options {
    /// The lines to translate; without any, those of --input or of standard input.
    #[arg(value_name = "LINE", conflicts_with = "input")]
    lines: Vec<String>,
    /// The model folder, or the name of one that `attend models` lists. A translator of another program, as `attend
    /// import` takes it, is imported for this call.
    #[arg(
        long,
        value_name = "FOLDER",
        default_value = DEFAULT_MODEL,
        value_parser = model_folder(),
        conflicts_with = "from"
    )]
    model: PathBuf,
    /// The language of the lines, by which, with --to, one of the models that `attend models` lists is chosen.
    #[arg(long, value_name = "CODE", requires = "to", conflicts_with = "language")]
    from: Option<Language>,
    /// The language of the translations.
    #[arg(long, value_name = "CODE", requires = "from")]
    to: Option<Language>,
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
    #[command(flatten)]
    target_language: TargetLanguageFlag,
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
    let model = options.model()?;
    let asked = options.asked(&model)?;
    if let Err(error) = asked.validate() {
        // To end the process would leave its folder behind.
        drop(model);
        refuse(&error.to_string());
    }
    let asked = options.text.of_lines(asked)?;
    let input = options.input().open()?;
    let mut output = Output::create(Output::file(options.output.as_deref()))?;
    let (translator, device) = match options.load(&model, asked.common()) {
        Err(CliError::Infer(InferError::Search(error))) => {
            // To end the process would leave its file and its folder behind.
            drop((output, model));
            refuse(&error.to_string());
        }
        result => result?,
    };
    drop(model);
    for phrase in translator.model().never_written(&asked.common().banned) {
        eprintln!("--ban {phrase:?} changes nothing: no tokens of the model spell it");
    }
    let result = notice_device_failure(slice::from_ref(&device), || match input {
        Some(lines) => options.translate(translator, asked.zip(lines), &mut output),
        None => options.answer(&translator, &asked, &mut output),
    });
    if let Err(error) = result {
        let hints = [error.hint(), output.unfinished("translations")];
        let hints: Vec<String> = hints.into_iter().flatten().collect();
        return Ok(report_with(&error, (!hints.is_empty()).then(|| hints.join("; "))));
    }
    output.finish()?;
    Ok(ExitCode::SUCCESS)
}

impl Options {
    /// Opens the model that the flags name or choose.
    fn model(&self) -> Result<OpenModel, CliError> {
        match self.from.as_ref().zip(self.to.as_ref()) {
            None => OpenModel::open(&self.model),
            Some((from, to)) => OpenModel::open(&model_between(from, to)?),
        }
    }

    /// Returns what all lines ask for of this model.
    fn asked(&self, model: &Path) -> Result<TranslateOptions, InferError> {
        let defaults = ModelFolder::search_defaults(model)?;
        let splits = !self.no_split && !self.alignment && !self.text.ask_for_sentences();
        Ok(self.text.over(TranslateOptions {
            search: self.search.over(defaults, self.nbest),
            language: if splits { Some(self.language(model)?) } else { None },
            target_language: self.target_language.code.clone(),
            alignment: self.alignment,
            ..TranslateOptions::default()
        }))
    }

    /// Returns the language of the lines, which may be that of the model.
    fn language(&self, model: &Path) -> Result<Language, InferError> {
        match self.language.as_ref().or(self.from.as_ref()) {
            Some(language) => Ok(language.clone()),
            None => Ok(ModelFolder::languages(model)?.source.unwrap_or_default()),
        }
    }

    /// Returns where the lines to translate come from.
    fn input(&self) -> Input<'_> {
        Input {
            arguments: &self.lines,
            file: self.input.as_deref(),
            // Markup is translated with its tags.
            may_be_test_set: self.text.format == Format::Text,
            prints: Output::file(self.output.as_deref()).is_none(),
        }
    }

    /// Loads a model that can do what is asked for. Returns a translator and its device.
    fn load(&self, model: &Path, asked: &TranslateOptions) -> Result<(Translator, NamedDevice), CliError> {
        let (translator, device) = self.compute.load(model)?;
        translator.model().check(asked)?;
        Ok((translator.with_batch_tokens(self.batch_tokens.get()), device))
    }

    fn translate(
        &self,
        translator: Translator,
        lines: impl Iterator<Item = Result<StreamLine, CliError>> + Send + 'static,
        output: &mut Output,
    ) -> Result<(), CliError> {
        let progress = Progress::of(self.input.as_deref(), "sentences");
        let translator = progress.observe(translator);
        translator.translate_stream(lines, self.input().is_eager(), |lines| {
            let text = output::lines(lines, self.json);
            let state = progress.suspend(|| output.write(&text, lines.len()))?;
            progress.advance(lines.iter().map(|(line, _)| line));
            Ok(state)
        })
    }

    /// Translates each line that is typed.
    fn answer(
        &self,
        translator: &Translator,
        options: &LineOptions,
        output: &mut Output,
    ) -> Result<(), CliError> {
        let mut asked = 0;
        prompt(|text| match translated(translator, options, &text, asked) {
            Ok(translations) => {
                asked += 1;
                let text = output::lines(&[(text, translations)], self.json);
                output.write(&text, 1)
            }
            // The next line may be a better one.
            Err(error) => {
                report(&error);
                Ok(ControlFlow::Continue(()))
            }
        })
    }
}

fn translated(
    translator: &Translator,
    options: &LineOptions,
    text: &str,
    number: usize,
) -> Result<Vec<Translation>, CliError> {
    let line = Line {
        text,
        number,
        options: &*options.of(number)?,
    };
    Ok(translator.translate_each(&[line]).remove(0)?)
}

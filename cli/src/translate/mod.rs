//! `attend translate`: text in, translations out.

mod chain;
mod document;
mod output;

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::slice;

use attend_data::{Lines, STANDARD_INPUT};
use attend_device::{NamedDevice, notice_device_failure};
use attend_infer::search::SearchOptions;
use attend_infer::{
    Format, InferError, Language, Line, ModelFolder, StreamLine, TranslateOptions, Translation, Translator,
    translate_stream,
};
use clap::{Args, error::ErrorKind};

use crate::error::CliError;
use crate::flags::{
    ComputeOptions, LineOptions, SearchFlags, TargetLanguageFlag, TextFlags, input_file, whole_number,
};
use crate::hint::Hint;
use crate::library::model_folder;
use crate::lines::{Input, Output, Progress, prompt};
use crate::output::{report, report_with};
use crate::usage_error;
use chain::{Chain, Models};
use document::{DocumentFile, OpenDocument, document_file};

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
    /// The language of the lines, by which, with --to, one of the models that `attend models` lists is chosen, or two
    /// by way of English if none translates directly.
    #[arg(long, value_name = "CODE", requires = "to", conflicts_with = "language")]
    from: Option<Language>,
    /// The language of the translations.
    #[arg(long, value_name = "CODE", requires = "from")]
    to: Option<Language>,
    /// Translate by way of this language, with two models: the second translates what the first has written.
    #[arg(long, value_name = "CODE", requires = "from")]
    via: Option<Language>,
    /// Read lines from this file, decompressed if it is compressed (by gzip, xz, Zstandard or bzip2), or the sources of
    /// a test set in WMT's .sgm or .xml; - is standard input, as without --input.
    #[arg(long, value_name = "FILE", value_parser = input_file())]
    input: Option<PathBuf>,
    /// Translate this document, a file in .txt, .srt, .html, .docx or .odt. --output has the same document with its text
    /// translated.
    #[arg(
        long,
        value_name = "FILE",
        value_parser = document_file(),
        requires = "output",
        conflicts_with_all = ["lines", "input", "format", "json", "alignment", "prefix_file"]
    )]
    document: Option<DocumentFile>,
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

/// What is translated.
enum Source {
    Lines(Lines),
    /// A prompt asks for lines.
    Prompt,
    Document(OpenDocument),
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
        refuse("standard input cannot have both the lines and their prefixes or glossary");
    }
    // What is quickly found wrong comes first, and the model, which takes longest to load, last.
    let models = options.models()?;
    if let Some((_, via)) = &models.first
        && (options.alignment || options.text.has_glossary() || !options.compute.ensemble.is_empty())
    {
        refuse(&format!(
            "--alignment, --glossary and --ensemble are for one model, but the lines pass through two, by way of {via}"
        ));
    }
    let asked = options.asked(&models)?;
    if let Err(error) = asked.validate() {
        // To end the process would leave its folder behind.
        drop(models);
        refuse(&error.to_string());
    }
    let asked = options.text.of_lines(asked)?;
    let source = options.source()?;
    let mut output = Output::create(Output::file(options.output.as_deref()))?;
    let (chain, device) = match options.load(&models, asked.common()) {
        Err(CliError::Infer(InferError::Search(error))) => {
            // To end the process would leave its file and its folder behind.
            drop((output, models));
            refuse(&error.to_string());
        }
        result => result?,
    };
    drop(models);
    for phrase in chain.last.model().never_written(&asked.common().banned) {
        eprintln!("--ban {phrase:?} changes nothing: no tokens of the model spell it");
    }
    let result = notice_device_failure(slice::from_ref(&device), || match source {
        Source::Lines(lines) => options.translate(chain, asked.zip(lines), &mut output),
        Source::Prompt => options.answer(&chain, &asked, &mut output),
        Source::Document(document) => {
            let translated = document.translate(chain, asked.common())?;
            output.write(translated, 0).map(|_| ())
        }
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
    /// Opens the models that the flags name or choose.
    fn models(&self) -> Result<Models, CliError> {
        match self.from.as_ref().zip(self.to.as_ref()) {
            None => Models::one(&self.model),
            Some((from, to)) => Models::between(from, to, self.via.as_ref()),
        }
    }

    /// Returns what all lines ask for of the model that writes the translations.
    fn asked(&self, models: &Models) -> Result<TranslateOptions, CliError> {
        let defaults = ModelFolder::search_defaults(&*models.last)?;
        let splits = !self.no_split && !self.alignment && !self.text.ask_for_sentences();
        self.text.over(TranslateOptions {
            search: self.search.over(defaults, self.nbest),
            language: if splits {
                Some(self.language(models)?)
            } else {
                None
            },
            target_language: self.target_language.code.clone(),
            all_tokens: self.search.all_tokens,
            alignment: self.alignment,
            ..TranslateOptions::default()
        })
    }

    /// Returns the language of what the last model reads, which the model may name.
    fn language(&self, models: &Models) -> Result<Language, InferError> {
        let via = models.first.as_ref().map(|(_, language)| language);
        match via.or(self.language.as_ref()).or(self.from.as_ref()) {
            Some(language) => Ok(language.clone()),
            None => Ok(ModelFolder::languages(&*models.last)?.source.unwrap_or_default()),
        }
    }

    /// Returns what all lines ask for of a first model, given what they ask for of the last one. Sampling, the words of
    /// translations and further translations concern the last one alone.
    fn asked_of_first(
        &self,
        folder: &Path,
        asked: &TranslateOptions,
    ) -> Result<TranslateOptions, InferError> {
        let search = self.search.over(ModelFolder::search_defaults(folder)?, 1);
        Ok(TranslateOptions {
            search: SearchOptions {
                sampling: None,
                ..search
            },
            language: asked.language.as_ref().and(self.from.clone()),
            format: asked.format,
            keep: asked.keep.clone(),
            all_tokens: asked.all_tokens,
            ..TranslateOptions::default()
        })
    }

    /// Opens what is to be translated.
    fn source(&self) -> Result<Source, CliError> {
        if let Some(file) = &self.document {
            return OpenDocument::open(file).map(Source::Document);
        }
        Ok(self.input().open()?.map_or(Source::Prompt, Source::Lines))
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

    /// Loads models that can do what is asked for. Returns them with their device.
    fn load(&self, models: &Models, asked: &TranslateOptions) -> Result<(Chain, NamedDevice), CliError> {
        let tokens = self.batch_tokens.get();
        let (first, last, device) = match &models.first {
            None => {
                let (last, device) = self.compute.load(&models.last)?;
                (None, last, device)
            }
            Some((folder, _)) => {
                let of_first = self.asked_of_first(folder, asked)?;
                let ([first, last], device) = self.compute.load_two([folder, &models.last])?;
                first.model().check(&of_first)?;
                (Some((first.with_batch_tokens(tokens), of_first)), last, device)
            }
        };
        last.model().check(asked)?;
        let last = last.with_batch_tokens(tokens);
        Ok((Chain { first, last }, device))
    }

    fn translate(
        &self,
        mut chain: Chain,
        lines: impl Iterator<Item = Result<StreamLine, CliError>> + Send + 'static,
        output: &mut Output,
    ) -> Result<(), CliError> {
        let progress = Progress::of(self.input.as_deref(), "sentences");
        chain.last = progress.observe(chain.last);
        let is_eager = self.input().is_eager();
        translate_stream(
            |lines| chain.translate(lines),
            lines,
            is_eager,
            |lines| {
                let text = output::lines(lines, self.json);
                let state = progress.suspend(|| output.write(&text, lines.len()))?;
                progress.advance(lines.iter().map(|(line, _)| line));
                Ok(state)
            },
        )
    }

    /// Translates each line that is typed.
    fn answer(&self, chain: &Chain, options: &LineOptions, output: &mut Output) -> Result<(), CliError> {
        let mut asked = 0;
        prompt(|text| match translated(chain, options, &text, asked) {
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
    chain: &Chain,
    options: &LineOptions,
    text: &str,
    number: usize,
) -> Result<Vec<Translation>, CliError> {
    let line = Line {
        text,
        number,
        options: &*options.of(number)?,
    };
    Ok(chain.translate(&[line]).remove(0)?)
}

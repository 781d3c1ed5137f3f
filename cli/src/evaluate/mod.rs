//! `attend eval`: translates a test set and scores it, or scores given translations.

mod score;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::slice;

use attend_data::{DataError, OutputFile, References, Sources, named};
use attend_device::notice_device_failure;
use attend_infer::{InferError, ModelFolder, TranslateOptions};
use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{ArgGroup, Args, error::ErrorKind, value_parser};

use crate::error::CliError;
use crate::flags::{
    ComputeOptions, DASH, MetricFlags, SearchFlags, TargetLanguageFlag, check_standard_input, input_file,
};
use crate::library::named_folder;
use crate::open_model::OpenModel;
use crate::output::print;
use crate::usage_error;
use score::Systems;

/// The most sentences that a note names one by one.
const NAMED: usize = 20;

/// Score a model on a test set: corpus BLEU, chrF and TER, equal to sacreBLEU's.
///
/// Files have one sentence a line, or are in WMT's formats .sgm and .xml. What gzip, bzip2, xz or Zstandard has
/// compressed is decompressed. One of the files may be -, which is standard input.
#[derive(Args)]
#[command(
    override_usage = "attend eval [OPTIONS] <MODEL> <SOURCE> <REFERENCE>...\n       \
                            attend eval [OPTIONS] --hypotheses <FILE> <REFERENCE>...",
    group = ArgGroup::new("resampled").args(["confidence", "baseline"]).multiple(true)
)]
pub(crate) struct Options {
    /// The model folder, or the name of one that `attend models` lists. It and SOURCE are left out with --hypotheses.
    #[arg(value_parser = input_file())]
    model: PathBuf,
    /// The sentences to translate. A sentence that is longer than the model's positions is left out.
    #[arg(required_unless_present = "hypotheses", value_parser = input_file())]
    source: Option<PathBuf>,
    /// Their reference translations, in one or several files. An .xml file has those of several translators. If the
    /// model writes text that is cut into subwords, the marks of the cuts (`@@ `) are removed.
    #[arg(value_name = "REFERENCE", required_unless_present = "hypotheses", value_parser = input_file())]
    references: Vec<PathBuf>,
    /// Score the translations in this file in place of a model's.
    #[arg(
        long,
        value_name = "FILE",
        value_parser = input_file(),
        conflicts_with_all = ["output", "dtype", "ensemble", "target_language"]
    )]
    hypotheses: Option<PathBuf>,
    /// Compare with the translations of another system in this file, by paired bootstrap resampling.
    #[arg(long, value_name = "FILE", value_parser = input_file())]
    baseline: Option<PathBuf>,
    /// Add the mean and the 95% confidence interval of each score over resamples of the test set.
    #[arg(long)]
    confidence: bool,
    /// The number of resamples for --confidence and --baseline.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 1000,
        requires = "resampled",
        value_parser = value_parser!(u32).range(1..=1_000_000)
    )]
    resamples: u32,
    /// Write the translations to this file, a line for each sentence; it is blank where a sentence was left out.
    #[arg(long, value_name = "FILE", value_parser = translations_file())]
    output: Option<PathBuf>,
    /// Print a JSON object a line: a score with its name and signature.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    metrics: MetricFlags,
    #[command(flatten)]
    target_language: TargetLanguageFlag,
    #[command(flatten)]
    search: SearchFlags,
    #[command(flatten)]
    compute: ComputeOptions,
}

/// What is scored: translations and their references, as many as there are.
struct Translated {
    hypotheses: Vec<String>,
    /// For each translator, a reference for each hypothesis.
    references: Vec<Vec<String>>,
    /// The indices of the sentences that were left out, in their order.
    left_out: Vec<usize>,
}

pub(crate) fn run(options: &Options) -> Result<(), CliError> {
    let references = options.reference_files();
    let source = options.source.as_ref().filter(|_| options.hypotheses.is_none());
    let others = [source, options.hypotheses.as_ref(), options.baseline.as_ref()];
    check_standard_input("eval", references.iter().chain(others.into_iter().flatten()));
    options.metrics.check()?;
    if options.hypotheses.is_some() && options.search.are_given() {
        let message = "with --hypotheses nothing is searched for, so leave the flags of the search out";
        usage_error("eval", ErrorKind::ArgumentConflict, message);
    }
    // All files are opened before the first sentence is translated, so that a wrong one costs no time.
    let references = References::read(&references)?;
    let baseline = options.baseline.as_ref();
    let baseline = baseline.map(|path| references.translations(path)).transpose()?;
    let output = options.output.as_ref().map(OutputFile::create).transpose()?;
    let Translated {
        hypotheses,
        references,
        left_out,
    } = match (&options.hypotheses, &options.source) {
        (None, Some(path)) => {
            let sources = references.sources(path)?;
            options.translate(path, &sources, references.texts(), output)?
        }
        (Some(hypotheses), _) => Translated {
            hypotheses: references.translations(hypotheses)?,
            references: references.texts(),
            left_out: Vec::new(),
        },
        (None, None) => unreachable!("clap requires a source or hypotheses"),
    };
    let baseline = baseline.map(|sentences| without(sentences, &left_out));
    let resamples = (options.confidence || baseline.is_some()).then_some(options.resamples as usize);
    let systems = Systems {
        hypotheses: &hypotheses,
        baseline: baseline.as_deref(),
        references: &references,
    };
    let scores = score::scores(&options.metrics, &systems, resamples)?;
    let lines = scores.iter().map(|score| {
        if options.json {
            score.to_json()
        } else {
            score.to_text()
        }
    });
    print(&lines.map(|line| line + "\n").collect::<String>())
}

impl Options {
    /// Returns the files of references. Without a model and a source, all files on the command line are references.
    fn reference_files(&self) -> Vec<PathBuf> {
        let mut files = Vec::new();
        if self.hypotheses.is_some() {
            files.push(self.model.clone());
            files.extend(self.source.clone());
        }
        files.extend(self.references.iter().cloned());
        files
    }

    /// Translates the sources of a test set, which are in the file at `path`. Those for which the model has too few
    /// positions are left out, and named in a note. The translations are written to the file `output`.
    fn translate(
        &self,
        path: &Path,
        sources: &Sources,
        references: Vec<Vec<String>>,
        output: Option<OutputFile>,
    ) -> Result<Translated, CliError> {
        let folder = OpenModel::open(&named_folder(self.model.clone()))?;
        let search = self.search.over(ModelFolder::search_defaults(&*folder)?, 1);
        let (translator, device) = self.compute.load(&folder)?;
        drop(folder);
        let model = translator.model();
        let asked = TranslateOptions {
            search,
            target_language: self.target_language.code.clone(),
            all_tokens: self.search.all_tokens,
            ..model.options()
        };
        match model.check(&asked) {
            Err(InferError::Search(error)) => {
                // The program ends here; the temporary file goes first.
                drop(output);
                usage_error("eval", ErrorKind::ValueValidation, &error.to_string());
            }
            result => result?,
        }
        let results = notice_device_failure(slice::from_ref(&device), || {
            Ok::<_, CliError>(translator.translate(&sources.texts, &asked))
        })?;

        let mut too_long = None;
        let (mut hypotheses, mut left_out, mut lines) = (Vec::new(), Vec::new(), String::new());
        for (index, translations) in results.into_iter().enumerate() {
            match translations {
                Ok(mut translations) => {
                    let best = translations.swap_remove(0).text;
                    lines += &best;
                    hypotheses.push(best);
                }
                Err(InferError::TooLong { tokens, limit, .. }) => {
                    left_out.push(index);
                    too_long.get_or_insert(CliError::TooLong {
                        path: path.to_owned(),
                        line: sources.lines[index],
                        tokens,
                        limit,
                    });
                }
                Err(error) => return Err(error.into()),
            }
            lines.push('\n');
        }
        if let Some(error) = too_long {
            if hypotheses.is_empty() {
                return Err(error);
            }
            let numbers: Vec<usize> = left_out.iter().map(|&index| sources.lines[index]).collect();
            eprintln!("{}", note(path, &numbers, sources.texts.len()));
        }
        if let (Some(mut output), Some(path)) = (output, &self.output) {
            let written = output.write_all(lines.as_bytes());
            written.map_err(|error| DataError::write(path, error))?;
            output.finish()?;
        }
        let plain = |references: Vec<String>| {
            let left = without(references, &left_out);
            left.iter()
                .map(|text| model.target_tokenizer().plain_text(text))
                .collect()
        };
        Ok(Translated {
            references: references.into_iter().map(plain).collect(),
            hypotheses,
            left_out,
        })
    }
}

/// Returns the parser of the file for translations, which standard output cannot be: it has the scores.
fn translations_file() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path| {
        if path == Path::new(DASH) {
            Err("standard output has the scores; name a file, or use `attend translate`")
        } else {
            Ok(path)
        }
    })
}

/// Returns a note on the sentences in these lines of a file, which were left out of a test set.
fn note(path: &Path, lines: &[usize], sentences: usize) -> String {
    let mut numbers: Vec<String> = lines.iter().take(NAMED).map(usize::to_string).collect();
    if lines.len() > NAMED {
        numbers.push(format!("and {} more", lines.len() - NAMED));
    }
    format!(
        "left out {} of {sentences} sentences of {}, which are longer than the model's positions: {} {}",
        lines.len(),
        named(path),
        if lines.len() == 1 { "line" } else { "lines" },
        numbers.join(", ")
    )
}

/// Returns the items without those at the given indices, which are sorted.
fn without(items: Vec<String>, left_out: &[usize]) -> Vec<String> {
    let items = items.into_iter().enumerate();
    let items = items.filter(|(index, _)| left_out.binary_search(index).is_err());
    items.map(|(_, item)| item).collect()
}

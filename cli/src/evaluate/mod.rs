//! `attend eval`: translates a test set and scores it, or scores given translations.

mod score;

use std::path::PathBuf;
use std::slice;

use attend_data::{References, write_file};
use attend_device::notice_device_failure;
use attend_infer::{InferError, ModelFolder, TranslateOptions};
use clap::{Args, error::ErrorKind, value_parser};

use crate::error::CliError;
use crate::flags::{ComputeOptions, MetricFlags, SearchFlags, input_file};
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
                            attend eval [OPTIONS] --hypotheses <FILE> <REFERENCE>..."
)]
pub(crate) struct Options {
    /// The model folder. It and SOURCE are left out with --hypotheses.
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
    #[arg(long, value_name = "FILE", value_parser = input_file(), conflicts_with = "output")]
    hypotheses: Option<PathBuf>,
    /// Compare with the translations of another system in this file, by paired bootstrap resampling.
    #[arg(long, value_name = "FILE", value_parser = input_file())]
    baseline: Option<PathBuf>,
    /// Add the mean and the 95% confidence interval of each score over resamples of the test set.
    #[arg(long)]
    confidence: bool,
    /// The number of resamples for --confidence and --baseline.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = value_parser!(u32).range(1..=1_000_000))]
    resamples: u32,
    /// Write the translations to this file, a line for each sentence; it is blank where a sentence was left out.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print a JSON object a line: a score with its name and signature.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    metrics: MetricFlags,
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
    options.metrics.check()?;
    // All files are read before the first sentence is translated, so that a wrong one costs no time.
    let references = References::read(&options.reference_files())?;
    let baseline = options.baseline.as_ref();
    let baseline = baseline.map(|path| references.translations(path)).transpose()?;
    let Translated {
        hypotheses,
        references,
        left_out,
    } = match (&options.hypotheses, &options.source) {
        (None, Some(source)) => options.translate(&references.sources(source)?, references.texts())?,
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

    /// Translates the sentences of a test set. Those for which the model has too few positions are left out, and named
    /// in a note.
    fn translate(&self, sentences: &[String], references: Vec<Vec<String>>) -> Result<Translated, CliError> {
        let search = self.search.over(ModelFolder::search_defaults(&self.model)?, 1);
        let (translator, device) = self.compute.load(&self.model)?;
        let model = translator.model();
        let asked = TranslateOptions {
            search,
            ..model.options()
        };
        if let Err(error) = model.check(&asked) {
            usage_error("eval", ErrorKind::ValueValidation, &error.to_string());
        }
        let results = notice_device_failure(slice::from_ref(&device), || {
            Ok::<_, CliError>(translator.translate(sentences, &asked))
        })?;

        let mut too_long = None;
        let (mut hypotheses, mut left_out, mut output) = (Vec::new(), Vec::new(), String::new());
        for (index, translations) in results.into_iter().enumerate() {
            match translations {
                Ok(mut translations) => {
                    let best = translations.swap_remove(0).text;
                    output += &best;
                    hypotheses.push(best);
                }
                Err(error @ InferError::TooLong { .. }) => {
                    left_out.push(index);
                    too_long.get_or_insert(error);
                }
                Err(error) => return Err(error.into()),
            }
            output.push('\n');
        }
        if let Some(error) = too_long {
            if hypotheses.is_empty() {
                return Err(error.into());
            }
            eprintln!("{}", note(&left_out, sentences.len()));
        }
        if let Some(path) = &self.output {
            write_file(path, output)?;
        }
        let plain = |references: Vec<String>| {
            let left = without(references, &left_out);
            left.iter()
                .map(|text| model.tokenizer().plain_text(text))
                .collect()
        };
        Ok(Translated {
            references: references.into_iter().map(plain).collect(),
            hypotheses,
            left_out,
        })
    }
}

/// Returns a note on the sentences that were left out of a test set.
fn note(left_out: &[usize], sentences: usize) -> String {
    let mut numbers: Vec<String> = left_out
        .iter()
        .take(NAMED)
        .map(|index| (index + 1).to_string())
        .collect();
    if left_out.len() > NAMED {
        numbers.push(format!("and {} more", left_out.len() - NAMED));
    }
    format!(
        "left out {} of {sentences} sentences, which are longer than the model's positions: {}",
        left_out.len(),
        numbers.join(", ")
    )
}

/// Returns the items without those at the given indices, which are sorted.
fn without(items: Vec<String>, left_out: &[usize]) -> Vec<String> {
    let items = items.into_iter().enumerate();
    let items = items.filter(|(index, _)| left_out.binary_search(index).is_err());
    items.map(|(_, item)| item).collect()
}

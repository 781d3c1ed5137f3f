//! `attend score`: how probable a model finds given translations.

use std::path::PathBuf;
use std::slice;

use attend_data::{DataError, ParallelText, SentencePair};
use attend_device::notice_device_failure;
use attend_infer::{GivenTranslation, Score, TranslateOptions};
use clap::Args;
use serde::Serialize;

use crate::error::CliError;
use crate::flags::{ComputeOptions, TargetLanguageFlag, check_standard_input, input_file};
use crate::library::model_folder;
use crate::open_model::OpenModel;
use crate::output::print_while_read;

/// The most pairs that are scored together, enough for batches of sentences of similar lengths.
const SCORED_TOGETHER: usize = 1_000;

/// Score given translations: the natural logarithm of each one's probability, a line each.
#[derive(Args)]
pub(crate) struct Options {
    /// The model folder, or the name of one that `attend models` lists.
    #[arg(value_parser = model_folder())]
    model: PathBuf,
    /// The source sentences, one a line or in .sgm or .xml; - is standard input. What gzip, bzip2, xz or Zstandard has
    /// compressed is decompressed.
    #[arg(value_parser = input_file())]
    source: PathBuf,
    /// Their translations, in the same format. Only one of the two files can be standard input.
    #[arg(value_parser = input_file())]
    target: PathBuf,
    /// Print a JSON object a line: the pair, its log-probability and score, and each token's log-probability.
    #[arg(long)]
    json: bool,
    /// Also print where each translation's words come from: `||| 0-0 1-2` pairs words of the source and of the
    /// translation, counted from 0. With --json, also how much each token attends to each of the source.
    #[arg(long)]
    alignment: bool,
    #[command(flatten)]
    target_language: TargetLanguageFlag,
    #[command(flatten)]
    compute: ComputeOptions,
}

/// What `--json` prints for a pair.
#[derive(Serialize)]
struct ScoredPair<'a> {
    source: &'a str,
    target: &'a str,
    #[serde(flatten)]
    score: &'a Score,
}

pub(crate) fn run(options: &Options) -> Result<(), CliError> {
    check_standard_input("score", [&options.source, &options.target]);
    let text = ParallelText::Files {
        source: options.source.clone(),
        target: options.target.clone(),
    };
    let mut pairs = text.pairs()?;
    let model = OpenModel::open(&options.model)?;
    let (translator, device) = options.compute.load(&model)?;
    drop(model);
    let asked = TranslateOptions {
        alignment: options.alignment,
        target_language: options.target_language.code.clone(),
        ..translator.model().options()
    };
    translator.model().check(&asked)?;
    let mut first = 0;
    loop {
        let (next, mut error) = next_pairs(&mut pairs);
        let scores = notice_device_failure(slice::from_ref(&device), || {
            Ok::<_, CliError>(translator.score(&given(&next, first), &asked))
        })?;
        let mut lines = String::new();
        for (pair, score) in next.iter().zip(scores) {
            match score {
                Ok(score) => lines += &options.line(pair, &score),
                Err(failure) => {
                    error = Some(failure.into());
                    break;
                }
            }
        }
        if print_while_read(&lines)?.is_break() {
            return Ok(());
        }
        first += next.len();
        match error {
            Some(error) => return Err(error),
            None if next.is_empty() => return Ok(()),
            None => {}
        }
    }
}

/// Returns the pairs that are scored together, and the error that comes after them.
fn next_pairs(
    pairs: &mut impl Iterator<Item = Result<SentencePair, DataError>>,
) -> (Vec<SentencePair>, Option<CliError>) {
    let mut next = Vec::new();
    for pair in pairs.take(SCORED_TOGETHER) {
        match pair {
            Ok(pair) => next.push(pair),
            Err(error) => return (next, Some(error.into())),
        }
    }
    (next, None)
}

fn given(pairs: &[SentencePair], first: usize) -> Vec<GivenTranslation<'_>> {
    let pairs = pairs.iter().zip(first..);
    pairs
        .map(|(SentencePair { source, target }, number)| GivenTranslation {
            source,
            target,
            number,
        })
        .collect()
}

impl Options {
    fn line(&self, SentencePair { source, target }: &SentencePair, score: &Score) -> String {
        let line = match (self.json, &score.alignment) {
            (true, _) => serde_json::to_string(&ScoredPair {
                source,
                target,
                score,
            })
            .expect("strings and numbers always serialize"),
            (false, None) => score.log_probability.to_string(),
            (false, Some(alignment)) => format!("{} ||| {alignment}", score.log_probability),
        };
        line + "\n"
    }
}

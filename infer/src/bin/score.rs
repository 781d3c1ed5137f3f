//! `score`: how probable a model finds given translations.

use std::path::PathBuf;
use std::process::ExitCode;
use std::slice;

use attend_data::cli::{print_while_read, report};
use attend_data::{DataError, ParallelText, SentencePair};
use attend_infer::cli::ComputeOptions;
use attend_infer::stream::before_error;
use attend_infer::{GivenTranslation, InferError, Score, notice_device_failure};
use clap::Parser;
use serde::Serialize;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The most pairs that are scored together: enough for batches of sentences of similar lengths.
const SCORED_TOGETHER: usize = 1_000;

/// Score given translations: the natural logarithm of each one's probability, a line each.
#[derive(Parser)]
#[command(name = "score", version)]
struct Options {
    /// The model folder.
    model: PathBuf,
    /// The source sentences, one a line or in .sgm (.gz, .xz and .zst are decompressed).
    source: PathBuf,
    /// Their translations, likewise.
    target: PathBuf,
    /// Print a JSON object a line: the pair, its log-probability and score, and each token's log-probability.
    #[arg(long)]
    json: bool,
    /// Also print where each translation's words come from: `||| 0-0 1-2` pairs words of the source and of the
    /// translation, counted from 0. With --json, also how much each token attends to each of the source.
    #[arg(long)]
    alignment: bool,
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

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error, error.hint()),
    }
}

fn run(options: &Options) -> Result<(), InferError> {
    let text = ParallelText::Files {
        source: options.source.clone(),
        target: options.target.clone(),
    };
    let mut pairs = text.pairs()?;
    let (mut translator, device) = options.compute.load(&options.model)?;
    if options.alignment {
        translator = translator.with_alignments();
    }
    let mut first = 0;
    loop {
        let (mut next, mut error) = next_pairs(&mut pairs);
        let scores = before_error(&mut next, &mut error, first, |pairs| {
            notice_device_failure(slice::from_ref(&device), || {
                translator.score(&given(pairs, first))
            })
        })?;
        let lines = next.iter().zip(&scores);
        let lines: String = lines.map(|(pair, score)| options.line(pair, score)).collect();
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

/// The pairs that are scored together, and the error that comes behind them.
fn next_pairs(
    pairs: &mut impl Iterator<Item = Result<SentencePair, DataError>>,
) -> (Vec<SentencePair>, Option<InferError>) {
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

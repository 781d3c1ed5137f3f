//! `evaluate`: translates a test set and scores it.

use std::path::PathBuf;
use std::process::ExitCode;
use std::slice;

use attend_data::ParallelText;
use attend_data::cli::{print, report};
use attend_infer::cli::{ComputeOptions, SearchFlags};
use attend_infer::metric::{BleuTokenizer, corpus_bleu, corpus_chrf};
use attend_infer::{InferError, ModelFolder, notice_device_failure};
use clap::{Parser, error::ErrorKind};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Score a model on a test set: corpus BLEU and chrF, equal to sacreBLEU's.
#[derive(Parser)]
#[command(name = "evaluate", version)]
struct Options {
    /// The model folder.
    model: PathBuf,
    /// The sentences to translate, one a line or in .sgm (.gz, .xz and .zst are decompressed).
    source: PathBuf,
    /// Their reference translations, likewise. The marks of segmented text (`@@ `) are removed where the model's are.
    reference: PathBuf,
    /// How BLEU finds words: 13a splits punctuation as mteval-v13a does, none takes the text as tokenised.
    #[arg(long, value_name = "NAME", default_value = "13a", value_parser = ["13a", "none"])]
    tokenize: String,
    #[command(flatten)]
    search: SearchFlags,
    #[command(flatten)]
    compute: ComputeOptions,
}

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error, error.hint()),
    }
}

fn usage_error(message: &str) -> ! {
    use clap::CommandFactory;
    Options::command()
        .error(ErrorKind::ValueValidation, message)
        .exit()
}

fn run(options: &Options) -> Result<(), InferError> {
    let text = ParallelText::Files {
        source: options.source.clone(),
        target: options.reference.clone(),
    };
    let pairs = text.read_all()?;
    let search = options
        .search
        .over(ModelFolder::search_defaults(&options.model)?, 1);
    let (translator, device) = options.compute.load(&options.model)?;
    let translator = translator
        .with_search(search)
        .unwrap_or_else(|error| usage_error(&error.to_string()));
    let targets = pairs.iter().map(|pair| pair.target.as_str());
    let references: Vec<String> = targets
        .map(|target| translator.tokenizer().plain_text(target))
        .collect();
    let tokenizer = match options.tokenize.as_str() {
        "none" => BleuTokenizer::None,
        _ => BleuTokenizer::Mteval13a,
    };

    let sources: Vec<&str> = pairs.iter().map(|pair| pair.source.as_str()).collect();
    let hypotheses = notice_device_failure(slice::from_ref(&device), || translator.translate_best(&sources))?;
    let bleu = corpus_bleu(&hypotheses, &references, tokenizer)?;
    let chrf = corpus_chrf(&hypotheses, &references)?;
    Ok(print(&format!("{bleu}\n{chrf}\n"))?)
}

//! `attend eval`: translates a test set and scores it.

use std::path::PathBuf;
use std::slice;

use attend_data::ParallelText;
use attend_device::notice_device_failure;
use attend_infer::metric::{BleuTokenizer, corpus_bleu, corpus_chrf};
use attend_infer::{ModelFolder, TranslateOptions};
use clap::{Args, error::ErrorKind};

use crate::error::CliError;
use crate::flags::{ComputeOptions, SearchFlags, input_file};
use crate::name::name_of;
use crate::output::print;
use crate::usage_error;

/// Score a model on a test set: corpus BLEU and chrF, equal to sacreBLEU's.
#[derive(Args)]
pub(crate) struct Options {
    /// The model folder.
    model: PathBuf,
    /// The sentences to translate, one a line or in .sgm, decompressed if the file is compressed; - is standard input.
    #[arg(value_parser = input_file())]
    source: PathBuf,
    /// Their reference translations, in the same format. If the model writes text that is cut into subwords, the marks
    /// of the cuts (`@@ `) are removed.
    #[arg(value_parser = input_file())]
    reference: PathBuf,
    /// How BLEU finds words: 13a splits punctuation as mteval-v13a does, none takes the text as tokenised.
    #[arg(long, value_name = "NAME", default_value_t, value_parser = name_of::<BleuTokenizer>())]
    tokenize: BleuTokenizer,
    #[command(flatten)]
    search: SearchFlags,
    #[command(flatten)]
    compute: ComputeOptions,
}

pub(crate) fn run(options: &Options) -> Result<(), CliError> {
    let text = ParallelText::Files {
        source: options.source.clone(),
        target: options.reference.clone(),
    };
    let pairs = text.read_all()?;
    let search = options
        .search
        .over(ModelFolder::search_defaults(&options.model)?, 1);
    let (translator, device) = options.compute.load(&options.model)?;
    let model = translator.model();
    let asked = TranslateOptions {
        search,
        ..model.options()
    };
    if let Err(error) = model.check(&asked) {
        usage_error("eval", ErrorKind::ValueValidation, &error.to_string());
    }
    let targets = pairs.iter().map(|pair| pair.target.as_str());
    let references: Vec<String> = targets
        .map(|target| model.tokenizer().plain_text(target))
        .collect();

    let sources: Vec<&str> = pairs.iter().map(|pair| pair.source.as_str()).collect();
    let hypotheses = notice_device_failure(slice::from_ref(&device), || {
        translator.translate_best(&sources, &asked)
    })?;
    let bleu = corpus_bleu(&hypotheses, &references, options.tokenize)?;
    let chrf = corpus_chrf(&hypotheses, &references)?;
    print(&format!("{bleu}\n{chrf}\n"))
}

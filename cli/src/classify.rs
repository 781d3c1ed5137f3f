//! `attend classify`: texts in, labels out.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;

use attend_infer::{Classification, Classifier, LabelProbability, TokenWeight};
use clap::Args;
use serde::Serialize;

use crate::error::CliError;
use crate::flags::whole_number;
use crate::labelling::{LabellingOptions, json_line};

/// The model folder that `attend classify` uses if none is named.
pub(crate) const DEFAULT_MODEL: &str = "runs/phrasebook-classify";

/// Classify texts: arguments, a file, or standard input, one text a line. Each line of the output has a label, a tab and
/// the label's probability. On a terminal, a prompt asks for the texts.
#[derive(Args)]
pub(crate) struct Options {
    /// The model folder of a classifier.
    #[arg(long, value_name = "FOLDER", default_value = DEFAULT_MODEL)]
    model: PathBuf,
    /// Labels given for each text, the most probable first.
    #[arg(long, value_name = "K", default_value_t = NonZeroUsize::MIN, value_parser = whole_number::<NonZeroUsize>)]
    top: NonZeroUsize,
    #[command(flatten)]
    labelling: LabellingOptions,
}

/// The JSON object of a text.
#[derive(Serialize)]
struct ClassifiedText<'a> {
    text: &'a str,
    labels: &'a [LabelProbability],
    #[serde(skip_serializing_if = "Option::is_none")]
    weights: &'a Option<Vec<TokenWeight>>,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode, CliError> {
    options.labelling.run(
        |device, precision, workers| Classifier::load(&options.model, device, precision, workers.clone()),
        |classifier, limit| classifier.with_batch_tokens(limit),
        |classifier, texts| {
            let found = classifier.classify(texts);
            let lines = texts.iter().zip(&found);
            lines.map(|(text, found)| options.line(text, found)).collect()
        },
    )
}

impl Options {
    fn line(&self, text: &str, Classification { labels, weights }: &Classification) -> String {
        let labels = &labels[..self.top.get().min(labels.len())];
        if self.labelling.json {
            return json_line(&ClassifiedText {
                text,
                labels,
                weights,
            });
        }
        plain_line(labels)
    }
}

/// Returns the line of the output for a text: each label with its probability.
pub(crate) fn plain_line(labels: &[LabelProbability]) -> String {
    let labels = labels
        .iter()
        .map(|LabelProbability { label, probability }| format!("{label}\t{probability:.4}"));
    labels.collect::<Vec<_>>().join("\t") + "\n"
}

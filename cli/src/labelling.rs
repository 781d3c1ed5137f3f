//! What `attend classify` and `attend tag` share: lines in, and for each line what a model finds in it.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::slice;

use attend_data::single_line;
use attend_device::{Workers, notice_device_failure};
use attend_infer::{Classifier, InferError, Precision, read_ahead};
use burn::tensor::Device;
use clap::Args;
use serde::Serialize;

use crate::error::CliError;
use crate::flags::{NetworkOptions, input_file, whole_number};
use crate::hint::Hint;
use crate::lines::{Input, Output, Progress, prompt};
use crate::output::report_with;

/// The lines to label, the form of the output, and what computes.
#[derive(Args)]
pub(crate) struct LabellingOptions {
    /// The lines to label; without any, those of --input or of standard input.
    #[arg(value_name = "LINE", conflicts_with = "input")]
    lines: Vec<String>,
    /// Read lines from this file, decompressed if it is compressed (by gzip, xz, Zstandard or bzip2); - is standard
    /// input, as without --input.
    #[arg(long, value_name = "FILE", value_parser = input_file())]
    input: Option<PathBuf>,
    /// Write to this file in place of standard output, which is -; an older file is replaced at the end.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print a JSON object a line: the text, and what was found with its probabilities.
    #[arg(long)]
    pub(crate) json: bool,
    /// Most tokens of a batch, with padding; changes speed and memory, no result.
    #[arg(
        long,
        value_name = "N",
        default_value_t = default_batch_tokens(),
        value_parser = whole_number::<NonZeroUsize>
    )]
    batch_tokens: NonZeroUsize,
    #[command(flatten)]
    network: NetworkOptions,
}

fn default_batch_tokens() -> NonZeroUsize {
    const { NonZeroUsize::new(Classifier::BATCH_TOKENS).expect("a batch holds tokens") }
}

impl LabellingOptions {
    /// Labels all lines. `load` reads the model, `limit` limits its batches to a number of tokens, and `label` returns
    /// the line of the output for each text, with its line feed.
    ///
    /// # Errors
    ///
    /// If the model cannot be loaded, or the lines cannot be read or written.
    pub(crate) fn run<M: Send>(
        &self,
        load: impl Fn(&Device, Precision, &Workers) -> Result<M, InferError> + Sync,
        limit: impl FnOnce(M, usize) -> M,
        label: impl Fn(&M, &[String]) -> Vec<String>,
    ) -> Result<ExitCode, CliError> {
        let file = Output::file(self.output.as_deref());
        let input = Input {
            arguments: &self.lines,
            file: self.input.as_deref(),
            may_be_test_set: true,
            prints: file.is_none(),
        };
        let lines = input.open()?;
        let mut output = Output::create(file)?;
        let (model, device) = self.network.load(load)?;
        let model = limit(model, self.batch_tokens.get());
        let progress = Progress::of(input.file, "lines");
        let mut label_and_write = |lines: Vec<String>| {
            let found = label(&model, &lines);
            let state = progress.suspend(|| output.write(found.concat(), lines.len()))?;
            progress.count(lines.len());
            progress.advance(&lines);
            Ok(state)
        };
        let result = notice_device_failure(slice::from_ref(&device), || match lines {
            Some(lines) => {
                let lines = lines.map(|line| Ok(single_line(&line?).into_owned()));
                read_ahead(lines, input.is_eager(), &mut label_and_write)
            }
            None => prompt(|line| label_and_write(vec![line])),
        });
        drop(progress);
        if let Err(error) = result {
            let hints = [error.hint(), output.unfinished("results")];
            let hints: Vec<String> = hints.into_iter().flatten().collect();
            return Ok(report_with(&error, (!hints.is_empty()).then(|| hints.join("; "))));
        }
        output.finish()?;
        Ok(ExitCode::SUCCESS)
    }
}

/// Returns a value as a line of JSON.
pub(crate) fn json_line(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("strings and numbers always serialize") + "\n"
}

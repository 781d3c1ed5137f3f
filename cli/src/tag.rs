//! `attend tag`: the words of sentences in, their tags out.

use std::path::PathBuf;
use std::process::ExitCode;

use attend_infer::{Tag, Tagger};
use clap::Args;
use serde::Serialize;

use crate::error::CliError;
use crate::labelling::{LabellingOptions, json_line};

/// The model folder that `attend tag` uses if none is named.
pub(crate) const DEFAULT_MODEL: &str = "runs/phrasebook-tag";

/// Tag the words of sentences: arguments, a file, or standard input, one sentence a line, with spaces between words and
/// around punctuation marks, or with tabs between words. Each line of the output has a tag for each word. On a terminal,
/// a prompt asks for the sentences.
#[derive(Args)]
pub(crate) struct Options {
    /// The model folder of a tagger.
    #[arg(long, value_name = "FOLDER", default_value = DEFAULT_MODEL)]
    model: PathBuf,
    #[command(flatten)]
    labelling: LabellingOptions,
}

/// The JSON object of a sentence.
#[derive(Serialize)]
struct TaggedLine<'a> {
    text: &'a str,
    words: Vec<TaggedWord<'a>>,
}

/// The JSON object of a word.
#[derive(Serialize)]
struct TaggedWord<'a> {
    word: &'a str,
    #[serde(flatten)]
    tag: &'a Tag,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode, CliError> {
    options.labelling.run(
        |device, precision, workers| Tagger::load(&options.model, device, precision, workers.clone()),
        |tagger, limit| tagger.with_batch_tokens(limit),
        |tagger, texts| {
            let words = texts.iter().map(|text| words(text));
            let words: Vec<Vec<&str>> = words.collect();
            let tags = tagger.tag(&words);
            let lines = texts.iter().zip(words.iter().zip(&tags));
            lines
                .map(|(text, (words, tags))| options.line(text, words, tags))
                .collect()
        },
    )
}

/// Returns the words of a line. They stand between tabs if it has one, and else between spaces, as in the files that a
/// tagger is trained on.
pub(crate) fn words(line: &str) -> Vec<&str> {
    let separator = if line.contains('\t') { '\t' } else { ' ' };
    let words = line.split(separator).map(str::trim);
    words.filter(|word| !word.is_empty()).collect()
}

impl Options {
    fn line(&self, text: &str, words: &[&str], tags: &[Tag]) -> String {
        if self.labelling.json {
            let words = words.iter().zip(tags);
            let words = words.map(|(word, tag)| TaggedWord { word, tag }).collect();
            return json_line(&TaggedLine { text, words });
        }
        plain_line(tags)
    }
}

/// Returns the line of the output for a sentence: a tag for each word.
pub(crate) fn plain_line(tags: &[Tag]) -> String {
    let tags: Vec<&str> = tags.iter().map(|tag| tag.tag.as_str()).collect();
    tags.join(" ") + "\n"
}

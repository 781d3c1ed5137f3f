//! `attend heads`: what the heads of a model attend to, and what each of them is worth.

use std::fmt::Write;
use std::path::PathBuf;
use std::slice;

use attend_data::{ParallelText, SentencePair, is_blank};
use attend_device::{NamedDevice, Workers, notice_device_failure};
use attend_infer::metric::{BleuTokenizer, corpus_bleu};
use attend_infer::{GivenTranslation, Head, HeadStatistics, InferError, Model, ModelFolder, Translator};
use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;

use crate::error::CliError;
use crate::flags::{NetworkOptions, check_standard_input, input_file};
use crate::name::name_of;
use crate::output::print;

/// Show what each head of a model attends to in sentences and their translations, and how the model scores without it.
///
/// Each head is masked in turn: what it adds to its layer becomes 0. A head whose absence hardly changes the score is one
/// that the model could do without.
#[derive(Args)]
pub(crate) struct Options {
    /// The model folder.
    model: PathBuf,
    /// The source sentences, one a line or in .sgm or .xml; - is standard input. What gzip, bzip2, xz or Zstandard has
    /// compressed is decompressed.
    #[arg(value_parser = input_file())]
    source: PathBuf,
    /// Their translations, in the same format. Only one of the two files can be standard input. Pairs with a blank side
    /// are left out.
    #[arg(value_parser = input_file())]
    reference: PathBuf,
    /// Score by BLEU of the model's own translations in place of the loss, which takes far longer: the sentences are
    /// translated once for each head. TOKENIZER is one of those of `attend eval --tokenize`, 13a by default.
    #[arg(
        long,
        value_name = "TOKENIZER",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "13a",
        value_parser = name_of::<BleuTokenizer>()
    )]
    bleu: Option<BleuTokenizer>,
    /// Print a JSON object in place of a table.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    compute: NetworkOptions,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    /// `loss` or `bleu`.
    measure: &'static str,
    /// The score of the whole model.
    score: f64,
    heads: Vec<HeadReport>,
}

#[derive(Serialize)]
struct HeadReport {
    kind: String,
    /// The number of the layer, counted from 1.
    layer: usize,
    /// The number of the head in its layer, counted from 1.
    head: usize,
    #[serde(flatten)]
    statistics: HeadStatistics,
    /// The score of the model without the head.
    score: f64,
}

/// What measures a model.
#[derive(Clone, Copy)]
enum Measure {
    /// The cross-entropy of the references in nats a token, `</s>` included.
    Loss,
    /// BLEU of the translations that the model's search defaults find.
    Bleu(BleuTokenizer),
}

pub(crate) fn run(options: &Options) -> Result<(), CliError> {
    check_standard_input("heads", [&options.source, &options.reference]);
    let measure = options.bleu.map_or(Measure::Loss, Measure::Bleu);
    if let Measure::Bleu(tokenizer) = measure {
        tokenizer.check()?;
    }
    let text = ParallelText::Files {
        source: options.source.clone(),
        target: options.reference.clone(),
    };
    let pairs = text.read_all()?;
    let pairs = options.without_blanks(&pairs)?;
    let (device, workers) = options.compute.start()?;
    let report = notice_device_failure(slice::from_ref(&device), || {
        options.report(&pairs, measure, &device, &workers)
    })?;
    print(&if options.json {
        serde_json::to_string(&report).expect("texts and numbers always serialize") + "\n"
    } else {
        report.table(measure)
    })
}

impl Options {
    /// Returns the pairs with text on both sides, and tells how many are left out.
    fn without_blanks<'a>(&self, pairs: &'a [SentencePair]) -> Result<Vec<GivenTranslation<'a>>, CliError> {
        let given = (0..)
            .zip(pairs)
            .map(|(number, SentencePair { source, target })| GivenTranslation {
                source,
                target,
                number,
            });
        let kept: Vec<_> = given
            .filter(|pair| !is_blank(pair.source) && !is_blank(pair.target))
            .collect();
        if kept.is_empty() {
            return Err(CliError::NoPairs {
                source_path: self.source.clone(),
                reference: self.reference.clone(),
            });
        }
        if kept.len() < pairs.len() {
            eprintln!(
                "left out {} of {} pairs, of which a side is blank",
                pairs.len() - kept.len(),
                pairs.len()
            );
        }
        Ok(kept)
    }

    fn report(
        &self,
        pairs: &[GivenTranslation<'_>],
        measure: Measure,
        device: &NamedDevice,
        workers: &Workers,
    ) -> Result<Report, CliError> {
        let folder = ModelFolder::load(&self.model, &device.device)?;
        let translator = |folder: ModelFolder| {
            // By a worker, so that no other thread computes.
            let model = workers.map([folder], |folder| Model::new(folder, self.compute.dtype));
            let model = model.into_iter().next().expect("one model")?;
            Ok::<_, InferError>(Translator::new(model, workers.clone()))
        };
        let whole = translator(folder.clone())?;
        self.compute.note_emulation(device);
        let statistics = whole.head_statistics(pairs)?;
        let bar = ProgressBar::new(statistics.len() as u64);
        let without = |(Head { kind, layer, head }, statistics)| {
            let model = folder.model.clone();
            let masked = ModelFolder {
                model: model.without_head(Head { kind, layer, head }, folder.config.n_heads),
                ..folder.clone()
            };
            let score = measure.score(&translator(masked)?, pairs)?;
            bar.inc(1);
            Ok::<_, CliError>(HeadReport {
                kind: kind.to_string(),
                layer: layer + 1,
                head: head + 1,
                statistics,
                score,
            })
        };
        let report = Report {
            measure: measure.name(),
            score: measure.score(&whole, pairs)?,
            heads: statistics.into_iter().map(without).collect::<Result<_, _>>()?,
        };
        bar.finish_and_clear();
        Ok(report)
    }
}

impl Measure {
    fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Bleu(_) => "bleu",
        }
    }

    /// Returns whether a score is worse than another.
    fn is_worse(self, score: f64, than: f64) -> bool {
        match self {
            Self::Loss => score > than,
            Self::Bleu(_) => score < than,
        }
    }

    fn score(self, translator: &Translator, pairs: &[GivenTranslation<'_>]) -> Result<f64, CliError> {
        let options = translator.model().options();
        match self {
            Self::Loss => {
                let scores = translator.score(pairs, &options);
                let scores = scores.into_iter().collect::<Result<Vec<_>, _>>()?;
                let tokens = scores.iter().flat_map(|score| &score.tokens);
                let total: f64 = tokens.clone().map(|token| f64::from(token.log_probability)).sum();
                Ok(-total / tokens.count() as f64)
            }
            Self::Bleu(tokenizer) => {
                let sources: Vec<&str> = pairs.iter().map(|pair| pair.source).collect();
                let model = translator.model().target_tokenizer();
                let references = pairs.iter().map(|pair| model.plain_text(pair.target));
                let hypotheses = translator.translate_best(&sources, &options)?;
                let references: Vec<String> = references.collect();
                Ok(corpus_bleu(&hypotheses, &references, tokenizer)?.score)
            }
        }
    }
}

impl Report {
    fn table(&self, measure: Measure) -> String {
        let (title, decimals, unit) = match measure {
            Measure::Loss => ("loss", 4, " nats a token"),
            Measure::Bleu(_) => ("BLEU", 2, ""),
        };
        let mut table = format!(
            "attention  layer  head  distance  entropy  itself  previous    next  <s>, </s>  {title} without it\n"
        );
        for head in &self.heads {
            let HeadStatistics {
                distance,
                entropy,
                itself,
                previous,
                next,
                special,
            } = head.statistics;
            let [itself, previous, next, special] =
                [itself, previous, next, special].map(|share| format!("{:.1}%", 100.0 * share));
            let difference = head.score - self.score;
            let _ = writeln!(
                table,
                "{:9}  {:5}  {:4}  {distance:8.2}  {entropy:7.2}  {itself:>6}  {previous:>8}  {next:>6}  {special:>9}  \
                 {:.decimals$} ({difference:+.decimals$})",
                head.kind, head.layer, head.head, head.score,
            );
        }
        let _ = writeln!(
            table,
            "{title} of the whole model: {:.decimals$}{unit}",
            self.score
        );
        let dispensable = self
            .heads
            .iter()
            .filter(|head| !measure.is_worse(head.score, self.score));
        let names: Vec<String> = dispensable
            .map(|head| format!("{} {}.{}", head.kind, head.layer, head.head))
            .collect();
        let names = if names.is_empty() {
            "none".to_owned()
        } else {
            names.join(", ")
        };
        let _ = writeln!(table, "{title} is no worse without: {names}");
        table
    }
}

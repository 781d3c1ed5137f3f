//! `attend heads`: what the heads of a model attend to, and what each of them is worth.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::slice;

use attend_data::{DataError, LabelledText, Lines, ParallelText, SentencePair, TaggedText, is_blank};
use attend_device::notice_device_failure;
use attend_infer::metric::{BleuTokenizer, LabelScores, TagScores, corpus_bleu};
use attend_infer::{
    Classifier, GivenTranslation, Head, HeadStatistics, InferError, LabelModelFolder, Model, ModelFolder,
    Tagger, TaskKind, Translator,
};
use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;

use crate::error::CliError;
use crate::flags::{NetworkOptions, check_standard_input, input_file};
use crate::library::model_folder;
use crate::name::name_of;
use crate::open_model::OpenModel;
use crate::output::print;

/// Show what each head of a model attends to in sentences and their translations, or in labelled texts, and how the
/// model scores without it.
///
/// Each head is masked in turn: what it adds to its layer becomes 0. A head whose absence hardly changes the score is
/// one that the model could do without.
#[derive(Args)]
pub(crate) struct Options {
    /// The model folder, or the name of one that `attend models` lists.
    #[arg(value_parser = model_folder())]
    model: PathBuf,
    /// The source sentences, one a line or in .sgm or .xml; for a classifier or a tagger, the labelled texts, in the
    /// format of its training. - is standard input. What gzip, bzip2, xz or Zstandard has compressed is decompressed.
    #[arg(value_parser = input_file())]
    source: PathBuf,
    /// Their translations, in the same format; a classifier or a tagger has none. Only one of the two files can be
    /// standard input. Pairs with a blank side are left out.
    #[arg(value_parser = input_file())]
    reference: Option<PathBuf>,
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
    /// `loss`, `bleu` or `accuracy`.
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
    Bleu,
    /// The share of texts whose label is found, or of words whose tag is, in percent.
    Accuracy,
}

pub(crate) fn run(options: &Options) -> Result<(), CliError> {
    let model = OpenModel::open(&options.model)?;
    let (report, measure) = match TaskKind::of(&*model)? {
        TaskKind::Translate => options.of_translator(&model)?,
        task => options.of_labels(&model, task)?,
    };
    print(&if options.json {
        serde_json::to_string(&report).expect("texts and numbers always serialize") + "\n"
    } else {
        report.table(measure)
    })
}

impl Options {
    fn of_translator(&self, model: &Path) -> Result<(Report, Measure), CliError> {
        let Some(reference) = &self.reference else {
            return Err(CliError::NoReference);
        };
        check_standard_input("heads", [&self.source, reference]);
        let measure = self.bleu.map_or(Measure::Loss, |_| Measure::Bleu);
        if let Some(tokenizer) = self.bleu {
            tokenizer.check()?;
        }
        let text = ParallelText::Files {
            source: self.source.clone(),
            target: reference.clone(),
        };
        let pairs = text.read_all()?;
        let pairs = self.without_blanks(&pairs, reference)?;
        let (device, workers) = self.compute.start()?;
        let report = notice_device_failure(slice::from_ref(&device), || {
            let folder = ModelFolder::load(model, &device.device)?;
            let without = |head: Option<Head>| {
                let mut folder = folder.clone();
                if let Some(head) = head {
                    folder.model = folder.model.without_head(head, folder.config.n_heads);
                }
                // By a worker, so that no other thread computes.
                let model = workers.map([folder], |folder| Model::new(folder, self.compute.dtype));
                let model = model.into_iter().next().expect("one model")?;
                Ok::<_, InferError>(Translator::new(model, workers.clone()))
            };
            let whole = without(None)?;
            self.compute.note_emulation(&device);
            let statistics = whole.head_statistics(&pairs)?;
            drop(whole);
            Report::new(measure, statistics, |head| {
                let translator = without(head)?;
                match self.bleu {
                    None => loss(&translator, &pairs),
                    Some(tokenizer) => bleu(&translator, &pairs, tokenizer),
                }
            })
        })?;
        Ok((report, measure))
    }

    /// Returns the pairs with text on both sides, and tells how many are left out.
    fn without_blanks<'a>(
        &self,
        pairs: &'a [SentencePair],
        reference: &Path,
    ) -> Result<Vec<GivenTranslation<'a>>, CliError> {
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
                reference: reference.to_owned(),
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

    /// Scores a classifier or a tagger by its accuracy.
    fn of_labels(&self, model: &Path, task: TaskKind) -> Result<(Report, Measure), CliError> {
        let asked = [
            (self.reference.is_some(), "REFERENCE"),
            (self.bleu.is_some(), "--bleu"),
        ];
        if let Some((_, asked)) = asked.into_iter().find(|(is_asked, _)| *is_asked) {
            return Err(CliError::OnlyTranslators { asked, task });
        }
        let labelled = Labelled::read(&self.source, task)?;
        let (device, workers) = self.compute.start()?;
        let report = notice_device_failure(slice::from_ref(&device), || {
            let folder = LabelModelFolder::load(model, task, &device.device)?;
            let without = |head: Option<Head>| {
                let mut folder = folder.clone();
                if let Some(head) = head {
                    folder.model = folder.model.without_head(head, folder.encoder.n_heads);
                }
                folder
            };
            self.compute.note_emulation(&device);
            let (precision, workers) = (self.compute.dtype, &workers);
            match &labelled {
                Labelled::Texts { texts, labels } => {
                    let classifier = |head| Classifier::new(without(head), precision, workers.clone());
                    let statistics = classifier(None)?.head_statistics(texts);
                    Report::new(Measure::Accuracy, statistics, |head| {
                        let found = classifier(head)?.classify(texts).into_iter();
                        let found: Vec<String> = found.map(|found| found.labels[0].label.clone()).collect();
                        Ok(100.0 * LabelScores::new(&found, labels)?.accuracy)
                    })
                }
                Labelled::Sentences { words, tags } => {
                    let tagger = |head| Tagger::new(without(head), precision, workers.clone());
                    let statistics = tagger(None)?.head_statistics(words);
                    Report::new(Measure::Accuracy, statistics, |head| {
                        let found = tagger(head)?.tag(words).into_iter();
                        let found = found.map(|tags| tags.into_iter().map(|tag| tag.tag).collect());
                        let found: Vec<Vec<String>> = found.collect();
                        Ok(100.0 * TagScores::new(&found, tags)?.accuracy)
                    })
                }
            }
        })?;
        Ok((report, Measure::Accuracy))
    }
}

/// What a classifier or a tagger is scored on.
enum Labelled {
    Texts {
        texts: Vec<String>,
        labels: Vec<String>,
    },
    Sentences {
        words: Vec<Vec<String>>,
        tags: Vec<Vec<String>>,
    },
}

impl Labelled {
    fn read(path: &Path, task: TaskKind) -> Result<Self, DataError> {
        let lines = Lines::open(path)?;
        if task == TaskKind::Tag {
            let sentences = TaggedText::read(lines);
            let sides =
                sentences.map(|sentence| sentence.map(|(_, TaggedText { words, tags })| (words, tags)));
            let (words, tags) = sides.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
            Ok(Self::Sentences { words, tags })
        } else {
            let texts = LabelledText::read(lines);
            let sides = texts.map(|text| text.map(|(_, LabelledText { text, label })| (text, label)));
            let (texts, labels) = sides.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
            Ok(Self::Texts { texts, labels })
        }
    }
}

impl Measure {
    fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Bleu => "bleu",
            Self::Accuracy => "accuracy",
        }
    }

    /// Returns whether a score is worse than another.
    fn is_worse(self, score: f64, than: f64) -> bool {
        match self {
            Self::Loss => score > than,
            Self::Bleu | Self::Accuracy => score < than,
        }
    }
}

fn loss(translator: &Translator, pairs: &[GivenTranslation<'_>]) -> Result<f64, CliError> {
    let scores = translator.score(pairs, &translator.model().options());
    let scores = scores.into_iter().collect::<Result<Vec<_>, _>>()?;
    let tokens = scores.iter().flat_map(|score| &score.tokens);
    let total: f64 = tokens.clone().map(|token| f64::from(token.log_probability)).sum();
    Ok(-total / tokens.count() as f64)
}

fn bleu(
    translator: &Translator,
    pairs: &[GivenTranslation<'_>],
    tokenizer: BleuTokenizer,
) -> Result<f64, CliError> {
    let sources: Vec<&str> = pairs.iter().map(|pair| pair.source).collect();
    let hypotheses = translator.translate_best(&sources, &translator.model().options())?;
    let model = translator.model().target_tokenizer();
    let references = pairs.iter().map(|pair| model.plain_text(pair.target));
    Ok(corpus_bleu(&hypotheses, &references.collect::<Vec<_>>(), tokenizer)?.score)
}

impl Report {
    /// Scores the whole model, and the model without each head. `score` gets the head to leave out.
    fn new(
        measure: Measure,
        statistics: Vec<(Head, HeadStatistics)>,
        score: impl Fn(Option<Head>) -> Result<f64, CliError>,
    ) -> Result<Self, CliError> {
        let bar = ProgressBar::new(statistics.len() as u64);
        let whole = score(None)?;
        let without = |(head, statistics): (Head, HeadStatistics)| {
            let score = score(Some(head))?;
            bar.inc(1);
            Ok::<_, CliError>(HeadReport {
                kind: head.kind.to_string(),
                layer: head.layer + 1,
                head: head.head + 1,
                statistics,
                score,
            })
        };
        let heads = statistics.into_iter().map(without).collect::<Result<_, _>>()?;
        bar.finish_and_clear();
        Ok(Self {
            measure: measure.name(),
            score: whole,
            heads,
        })
    }

    fn table(&self, measure: Measure) -> String {
        let (title, decimals, unit) = match measure {
            Measure::Loss => ("loss", 4, " nats a token"),
            Measure::Bleu => ("BLEU", 2, ""),
            Measure::Accuracy => ("accuracy", 2, "%"),
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

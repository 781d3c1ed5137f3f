//! Text classification and sequence tagging.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use attend_data::{Batches, Example, Mixture, Position};
use attend_device::Workers;
use attend_infer::metric::{LabelScores, MetricError, TagScores, is_span_tag};
use attend_infer::{Classifier, InferError, LabelModelFolder, Tagger, TaskKind, TokenFiles};
use attend_model::{EncoderClassifier, EncoderClassifierConfig, Precision};
use burn::tensor::Device;

use super::{Start, Task};
use crate::attention_record::AttentionRecord;
use crate::dataset::LeftOut;
use crate::error::TrainError;
use crate::event::{Event, Observer};
use crate::labelled::{HeldOutTexts, LabelledCorpora, LabelledDataset, NO_LABEL, Sample};
use crate::metric::{Metric, Scores};
use crate::objective::Labelling;
use crate::recipe::Recipe;
use crate::run_folder::Inputs;
use crate::test::{FinalTest, TestOutput, TestScores};
use crate::validation::{SAMPLE, losses};

/// The labelling of texts, or of the words of sentences.
pub(crate) struct LabellingTask {
    kind: TaskKind,
    tokens: TokenFiles,
    dataset: LabelledDataset,
}

impl LabellingTask {
    /// Returns the labels that a model gives to the parts of each text. The workers share the texts.
    fn labels(
        &self,
        model_folder: LabelModelFolder,
        samples: &[Sample],
        workers: &Workers,
    ) -> Result<Vec<Vec<String>>, InferError> {
        let (precision, workers) = (Precision::Float32, workers.clone());
        Ok(match self.kind {
            TaskKind::Tag => {
                let tagger = Tagger::new(model_folder, precision, workers)?;
                let sentences: Vec<&[String]> =
                    samples.iter().map(|sample| sample.parts.as_slice()).collect();
                let tags = tagger.tag(&sentences).into_iter();
                tags.map(|tags| tags.into_iter().map(|tag| tag.tag).collect())
                    .collect()
            }
            _ => {
                let classifier = Classifier::new(model_folder, precision, workers)?;
                let texts: Vec<String> = samples.iter().map(Sample::text).collect();
                let found = classifier.classify(&texts).into_iter();
                // A blank text has no label.
                let first = |labels: Vec<_>| labels.into_iter().take(1);
                found
                    .map(|found| first(found.labels).map(|found| found.label).collect())
                    .collect()
            }
        })
    }

    /// Returns a tag that marks no span, if there is one.
    fn tag_without_span(&self) -> Option<&String> {
        self.dataset.labels.iter().find(|tag| !is_span_tag(tag))
    }

    /// Scores a model on texts, of which `examples` are the encoded ones. The workers share the texts.
    fn scores_on(
        &self,
        samples: &[Sample],
        examples: &[Example],
        model_folder: &LabelModelFolder,
        recipe: &Recipe,
        device: &Device,
        workers: &Workers,
    ) -> Result<Scores, TrainError> {
        let (objective, network) = (self.objective(recipe), &model_folder.model);
        let (loss, _) = losses(&objective, network, examples, &recipe.training, device, workers);
        let labels = self.labels(model_folder.clone(), samples, workers)?;
        let mut scores = Scores {
            loss,
            ..Scores::default()
        };
        if self.kind == TaskKind::Tag {
            let found = tag_scores(&labels, samples)?;
            let mark_spans = self.tag_without_span().is_none();
            scores.accuracy = Some(100.0 * found.accuracy);
            scores.span_f1 = mark_spans.then_some(100.0 * found.spans.f1);
        } else {
            let found = label_scores(&labels, samples)?;
            scores.accuracy = Some(100.0 * found.accuracy);
            scores.macro_f1 = Some(100.0 * found.macro_f1);
        }
        Ok(scores)
    }
}

/// Joins words so that `attend tag` reads the same words: with spaces between them, or a tab behind each of them if a
/// word contains a space.
fn sentence(words: &[String]) -> String {
    if words.iter().any(|word| word.contains(' ')) {
        words.iter().map(|word| format!("{word}\t")).collect()
    } else {
        words.join(" ")
    }
}

/// Compares the labels that a model gave to texts with the right ones.
fn label_scores(labels: &[Vec<String>], samples: &[Sample]) -> Result<LabelScores, MetricError> {
    let labels: Vec<String> = labels.iter().map(|labels| labels.concat()).collect();
    let references: Vec<String> = samples.iter().map(|sample| sample.labels.concat()).collect();
    LabelScores::new(&labels, &references)
}

/// Compares the tags that a model gave to words with the right ones.
fn tag_scores(tags: &[Vec<String>], samples: &[Sample]) -> Result<TagScores, MetricError> {
    let references: Vec<&[String]> = samples.iter().map(|sample| sample.labels.as_slice()).collect();
    TagScores::new(tags, &references)
}

impl Task for LabellingTask {
    type Objective = Labelling;
    type ModelFolder = LabelModelFolder;

    /// A run of this task starts from nothing: its recipe has no `init`.
    fn start(_: &mut Recipe, _: &Device) -> Result<Start<Self>, TrainError> {
        Ok(Start::default())
    }

    fn prepare(
        recipe: &Recipe,
        tokens: Option<TokenFiles>,
        _: &Path,
        observer: &mut Observer<'_>,
    ) -> Result<(Self, Inputs), TrainError> {
        let corpora = LabelledCorpora::load(&recipe.data, recipe.task)?;
        if let Some(note) = corpora.note_on_labels() {
            observer(Event::Note(note));
        }
        let tokens = match tokens {
            Some(tokens) => tokens,
            None => corpora.train_tokenizer(&recipe.data)?.into(),
        };
        let dataset = LabelledDataset::encode(&corpora, &tokens.tokenizer.source, recipe)?;
        let inputs = Inputs::of_labelled(&dataset, &corpora, &tokens.tokenizer);
        let task = Self {
            kind: recipe.task,
            tokens,
            dataset,
        };
        Ok((task, inputs))
    }

    fn objective(&self, recipe: &Recipe) -> Labelling {
        let tokenizer = &self.tokens.tokenizer.source;
        Labelling {
            config: EncoderClassifierConfig {
                encoder: recipe.transformer_config(tokenizer.vocab_size(), tokenizer.pad_id() as usize),
                pooling: recipe.pooling(),
                labels: self.dataset.labels.len(),
            },
        }
    }

    fn tokens(&self) -> &TokenFiles {
        &self.tokens
    }

    fn train(&self) -> &Mixture {
        &self.dataset.train
    }

    fn batches(&self, recipe: &Recipe, position: Position) -> Batches {
        let train = Arc::clone(&self.dataset.train);
        Batches::starting_at(train, recipe.training.batch_tokens, recipe.seed, position)
    }

    fn text(&self, Example { source, target }: &Example) -> (String, String) {
        let labels = target.iter().filter(|&&label| label != NO_LABEL);
        let labels: Vec<&str> = labels
            .map(|&label| self.dataset.labels[label as usize].as_str())
            .collect();
        (self.tokens.tokenizer.source.decode(source), labels.join(" "))
    }

    fn valid_len(&self) -> usize {
        self.dataset.valid.samples.len()
    }

    fn left_out(&self) -> [(&'static str, LeftOut); 2] {
        [
            ("validation texts", self.dataset.valid.left_out),
            ("test texts", self.dataset.test.left_out),
        ]
    }

    fn metric(&self, recipe: &Recipe) -> Result<(Metric, Option<String>), TrainError> {
        Ok(match (recipe.metric(), self.tag_without_span()) {
            (Metric::SpanF1, Some(tag)) => {
                let note = format!(
                    "the tag {tag:?} marks no span, so accuracy chooses the best weights in place of span F1"
                );
                (Metric::Accuracy, Some(note))
            }
            (metric, _) => (metric, None),
        })
    }

    fn model_folder(&self, recipe: &Recipe, network: EncoderClassifier) -> LabelModelFolder {
        let EncoderClassifierConfig { encoder, pooling, .. } = self.objective(recipe).config;
        LabelModelFolder {
            labels: self.dataset.labels.clone(),
            pooling,
            encoder,
            model: network,
            tokenizer: self.tokens.tokenizer.source.clone(),
        }
    }

    fn save(model_folder: &LabelModelFolder, folder: &Path) -> Result<(), InferError> {
        model_folder.save(folder)
    }

    fn scores(
        &self,
        model_folder: &LabelModelFolder,
        recipe: &Recipe,
        device: &Device,
        workers: &Workers,
    ) -> Result<Scores, TrainError> {
        let HeldOutTexts {
            samples, examples, ..
        } = &self.dataset.valid;
        self.scores_on(samples, examples, model_folder, recipe, device, workers)
    }

    fn expected_seconds(
        &self,
        model_folder: &LabelModelFolder,
        recipe: &Recipe,
        device: &Device,
        workers: &Workers,
    ) -> Result<f64, TrainError> {
        let HeldOutTexts {
            samples, examples, ..
        } = &self.dataset.valid;
        let mut texts: Vec<(&Sample, &Example)> = samples.iter().zip(examples).collect();
        texts.sort_by_key(|(_, example)| example.source.len());
        let start = texts.len().saturating_sub(SAMPLE) / 2;
        let middle = texts.iter().skip(start).take(SAMPLE);
        let (samples, examples): (Vec<Sample>, Vec<Example>) = middle
            .map(|&(sample, example)| (sample.clone(), example.clone()))
            .unzip();
        let clock = Instant::now();
        self.scores_on(&samples, &examples, model_folder, recipe, device, workers)?;
        Ok(clock.elapsed().as_secs_f64() * texts.len() as f64 / samples.len() as f64)
    }

    /// There is none to show: a record of attention is that of a translation.
    fn attention(
        &self,
        _: usize,
        _: LabelModelFolder,
        _: &Workers,
    ) -> Result<Option<AttentionRecord>, TrainError> {
        Ok(None)
    }

    fn test(
        &self,
        folder: &Path,
        _: &Recipe,
        device: &Device,
        workers: &Workers,
    ) -> Result<FinalTest, TrainError> {
        let samples = &self.dataset.test.samples;
        let model_folder = LabelModelFolder::load(folder, self.kind, device)?;
        let labels = self.labels(model_folder, samples, workers)?;
        Ok(FinalTest {
            scores: match self.kind {
                TaskKind::Tag => TestScores::Tagging {
                    scores: tag_scores(&labels, samples)?,
                    mark_spans: self.tag_without_span().is_none(),
                },
                _ => TestScores::Classification(label_scores(&labels, samples)?),
            },
            outputs: samples
                .iter()
                .zip(labels)
                .map(|(sample, labels)| TestOutput {
                    source: match self.kind {
                        TaskKind::Tag => sentence(&sample.parts),
                        _ => sample.text(),
                    },
                    reference: sample.labels.join(" "),
                    output: labels.join(" "),
                })
                .collect(),
        })
    }
}

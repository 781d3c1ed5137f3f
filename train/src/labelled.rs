//! From a recipe's labelled text to encoded examples.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use attend_data::{
    DataError, Example, Examples, LabelledText, Lines, Mixture, Normalizer, TaggedText, Tokenizer, named,
};
use attend_infer::{TaskKind, encode_text, encode_words};
use attend_phrasebook::{LabelledSentence, Phrasebook, TaggedSentence};

use crate::dataset::LeftOut;
use crate::error::TrainError;
use crate::recipe::{CorpusFiles, DataSettings, EmbeddedCorpus, Recipe};

/// The target of a token that has no label. As a number with a sign, it is −1.
pub const NO_LABEL: u32 = u32::MAX;

/// A text with its labels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// What is labelled: the text as a whole, or the words of a sentence.
    pub(crate) parts: Vec<String>,
    /// The label of each part.
    pub(crate) labels: Vec<String>,
    /// The line of the file with the first part, counted from one. The other parts are on the lines behind, one on
    /// each. `None` for a text of the embedded corpus.
    line: Option<usize>,
}

impl Sample {
    /// Returns the text, with spaces between its words.
    pub(crate) fn text(&self) -> String {
        self.parts.join(" ")
    }
}

/// A text, and the number of its line.
impl From<(usize, LabelledText)> for Sample {
    fn from((line, LabelledText { text, label }): (usize, LabelledText)) -> Self {
        Self {
            parts: vec![text],
            labels: vec![label],
            line: Some(line),
        }
    }
}

/// A sentence, and the number of the line of its first word.
impl From<(usize, TaggedText)> for Sample {
    fn from((line, TaggedText { words, tags }): (usize, TaggedText)) -> Self {
        Self {
            parts: words,
            labels: tags,
            line: Some(line),
        }
    }
}

impl From<LabelledSentence> for Sample {
    fn from(LabelledSentence { text, label }: LabelledSentence) -> Self {
        Self {
            parts: vec![text],
            labels: vec![label.to_owned()],
            line: None,
        }
    }
}

/// Each word is labelled with its case, in BIO.
impl From<TaggedSentence> for Sample {
    fn from(TaggedSentence { words }: TaggedSentence) -> Self {
        let words = words.into_iter();
        let (parts, labels) = words.map(|word| (word.text, word.case_tag.to_owned())).unzip();
        Self {
            parts,
            labels,
            line: None,
        }
    }
}

/// The labelled texts of a file or of the embedded corpus.
#[derive(Clone, Debug, Default)]
pub(crate) struct LabelledCorpus {
    /// The file; `None` for the embedded corpus.
    path: Option<PathBuf>,
    pub(crate) samples: Vec<Sample>,
}

impl LabelledCorpus {
    fn embedded(samples: impl IntoIterator<Item = impl Into<Sample>>) -> Self {
        Self {
            path: None,
            samples: samples.into_iter().map(Into::into).collect(),
        }
    }

    /// Reads a file: of labels and texts for the task `classify`, of words and tags for `tag`.
    fn read(path: &Path, task: TaskKind) -> Result<Self, DataError> {
        let lines = Lines::open(path)?;
        let samples: Result<Vec<Sample>, DataError> = match task {
            TaskKind::Tag => TaggedText::read(lines)
                .map(|text| text.map(Sample::from))
                .collect(),
            _ => LabelledText::read(lines)
                .map(|text| text.map(Sample::from))
                .collect(),
        };
        Ok(Self {
            path: Some(path.to_owned()),
            samples: samples?,
        })
    }

    /// Returns the name of the corpus in reports.
    fn name(&self) -> String {
        match &self.path {
            Some(path) => path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            None => "phrasebook".to_owned(),
        }
    }

    /// Checks that all labels are among `known`.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::UnknownLabel`] for the first label that is not.
    fn check_labels(&self, known: &BTreeSet<&String>) -> Result<(), TrainError> {
        for sample in &self.samples {
            let unknown = sample
                .labels
                .iter()
                .zip(0..)
                .find(|(label, _)| !known.contains(label));
            if let Some((label, part)) = unknown {
                return Err(TrainError::UnknownLabel {
                    place: match (&self.path, sample.line) {
                        (Some(path), Some(line)) => format!("{}, line {}", named(path), line + part),
                        _ => self.name(),
                    },
                    label: label.clone(),
                });
            }
        }
        Ok(())
    }
}

/// The labelled text of a run.
#[derive(Clone, Debug)]
pub(crate) struct LabelledCorpora {
    /// The texts to train on, each with its weight in the [`Mixture`].
    pub(crate) train: Vec<(LabelledCorpus, f64)>,
    /// The texts to choose the best weights by.
    pub(crate) valid: LabelledCorpus,
    /// The texts to score the finished model on.
    pub(crate) test: LabelledCorpus,
}

impl LabelledCorpora {
    /// Reads the files that `settings` name, or derives the embedded corpus.
    ///
    /// # Errors
    ///
    /// Returns the error of the first file that cannot be read, and of the first line that is no labelled text.
    pub(crate) fn load(settings: &DataSettings, task: TaskKind) -> Result<Self, DataError> {
        if let Some(EmbeddedCorpus::Phrasebook) = settings.embedded {
            return Ok(match task {
                TaskKind::Tag => Self::embedded(Phrasebook::words()),
                _ => Self::embedded(Phrasebook::clauses()),
            });
        }
        let read = |files: &CorpusFiles| {
            let path = files.labelled(task);
            path.map(|path| LabelledCorpus::read(path, task)).transpose()
        };
        let mut train = Vec::new();
        for files in &settings.train {
            train.extend(read(files)?.map(|corpus| (corpus, files.weight.unwrap_or(1.0))));
        }
        let of_held_out = |files: &Option<CorpusFiles>| match files {
            Some(files) => read(files),
            None => Ok(None),
        };
        let valid = of_held_out(&settings.valid)?.unwrap_or_default();
        Ok(Self {
            train,
            test: of_held_out(&settings.test)?.unwrap_or_else(|| valid.clone()),
            valid,
        })
    }

    fn embedded<T: Into<Sample>>(Phrasebook { train, valid, test }: Phrasebook<T>) -> Self {
        Self {
            train: vec![(LabelledCorpus::embedded(train), 1.0)],
            valid: LabelledCorpus::embedded(valid),
            test: LabelledCorpus::embedded(test),
        }
    }

    /// Learns the recipe's kind of tokenizer from the training texts, after normalisation.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`Tokenizer::train`].
    pub(crate) fn train_tokenizer(&self, settings: &DataSettings) -> Result<Tokenizer, DataError> {
        let normalizer = Normalizer::new(&settings.normalization);
        let samples = self.train.iter().flat_map(|(corpus, _)| &corpus.samples);
        let lines = samples.map(|sample| normalizer.apply(&sample.text()));
        let kind = settings.tokenizer.unwrap_or_default();
        let tokenizer = Tokenizer::train(kind, lines, settings.vocab_size)?;
        Ok(tokenizer.with_normalizer(normalizer))
    }

    /// Returns the labels of the training texts, in the order of the alphabet.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::OneLabel`] if there is only one, and [`TrainError::UnknownLabel`] if a validation or a test
    /// text has another label.
    fn labels(&self) -> Result<Vec<String>, TrainError> {
        let samples = self.train.iter().flat_map(|(corpus, _)| &corpus.samples);
        let labels: BTreeSet<&String> = samples.flat_map(|sample| &sample.labels).collect();
        if labels.len() < 2 {
            return Err(TrainError::OneLabel {
                label: labels.first().map_or(String::new(), |label| (*label).clone()),
            });
        }
        self.valid.check_labels(&labels)?;
        self.test.check_labels(&labels)?;
        Ok(labels.into_iter().cloned().collect())
    }

    /// Returns a sentence for the user if nearly all training texts have labels of their own, as in a file whose
    /// columns are swapped.
    pub(crate) fn note_on_labels(&self) -> Option<String> {
        let labels = || {
            self.train
                .iter()
                .flat_map(|(corpus, _)| &corpus.samples)
                .flat_map(|sample| &sample.labels)
        };
        let (labelled, different) = (labels().count(), labels().collect::<BTreeSet<_>>().len());
        (10 * different > 9 * labelled).then(|| {
            format!(
                "the training texts have {labelled} labels, of which {different} are different: are the columns of \
                 the files in the right order?"
            )
        })
    }
}

/// Encoded labelled texts to train and validate on. All of them are in memory.
#[derive(Clone, Debug)]
pub(crate) struct LabelledDataset {
    /// The labels, in the order of the network's outputs.
    pub(crate) labels: Vec<String>,
    /// The training examples. The target of an example is the id of the label of a text, or for each token the id of
    /// the tag of the word that it begins, and else [`NO_LABEL`].
    pub(crate) train: Arc<Mixture>,
    /// The validation texts that fit the model's positions.
    pub(crate) valid: HeldOutTexts,
    /// The test texts that fit the model's positions.
    pub(crate) test: HeldOutTexts,
}

/// Labelled texts to validate or to test with.
#[derive(Clone, Debug)]
pub(crate) struct HeldOutTexts {
    pub(crate) samples: Vec<Sample>,
    /// The texts, encoded.
    pub(crate) examples: Vec<Example>,
    /// The numbers of texts that are not among them.
    pub(crate) left_out: LeftOut,
}

impl LabelledDataset {
    /// Encodes labelled text. Training texts longer than the recipe's `data.max_length` are dropped, and so are texts
    /// longer than the model's positions.
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::OneLabel`] and [`TrainError::UnknownLabel`] for labels that cannot be learnt,
    /// [`TrainError::NothingToTrain`] or [`TrainError::NothingToScore`] if no text is left, and [`TrainError::Data`] if
    /// a weight does not fit its corpus.
    pub(crate) fn encode(
        corpora: &LabelledCorpora,
        tokenizer: &Tokenizer,
        recipe: &Recipe,
    ) -> Result<Self, TrainError> {
        let labels = corpora.labels()?;
        let positions = recipe.transformer_config(tokenizer.vocab_size(), 0).max_length;
        let encode = |sample: &Sample, most: usize| {
            // To encode a text that is surely too long would take a hundred times its memory.
            let text = sample.text();
            let may_fit = text.len() <= most || tokenizer.min_tokens(&text) <= most;
            let example = may_fit.then(|| encode(sample, &labels, tokenizer, recipe.task));
            example.filter(|example| example.source.len() <= most)
        };
        let mut train = Vec::new();
        for (corpus, weight) in &corpora.train {
            let most = recipe.data.max_length.min(positions);
            let examples = corpus.samples.iter().filter_map(|sample| encode(sample, most));
            let examples = Examples::in_memory(corpus.name(), corpus.samples.len(), examples.collect());
            train.push((examples, *weight));
        }
        let train = Mixture::new(train)?;
        if train.is_empty() {
            let report = train.report();
            return Err(TrainError::NothingToTrain {
                unit: "texts",
                pairs: report.pairs_read(),
                dropped: report.dropped().collect(),
            });
        }
        let held_out = |name, corpus: &LabelledCorpus| {
            let encoded = corpus.samples.iter();
            let encoded = encoded.filter_map(|sample| Some((sample.clone(), encode(sample, positions)?)));
            let (samples, examples): (Vec<Sample>, Vec<Example>) = encoded.unzip();
            let left_out = LeftOut {
                blank: 0,
                too_long: corpus.samples.len() - samples.len(),
            };
            if samples.is_empty() {
                return Err(TrainError::NothingToScore {
                    name,
                    left_out,
                    positions,
                });
            }
            Ok(HeldOutTexts {
                samples,
                examples,
                left_out,
            })
        };
        Ok(Self {
            valid: held_out("validation texts", &corpora.valid)?,
            test: held_out("test texts", &corpora.test)?,
            train: Arc::new(train),
            labels,
        })
    }
}

/// Encodes a text whose labels are all among `labels`, which are in the order of the alphabet.
fn encode(sample: &Sample, labels: &[String], tokenizer: &Tokenizer, task: TaskKind) -> Example {
    let ids = sample.labels.iter().map(|label| {
        let place = labels.binary_search(label);
        place.expect("the labels have been checked") as u32
    });
    if task != TaskKind::Tag {
        return Example {
            source: encode_text(tokenizer, &sample.text()),
            target: ids.collect(),
        };
    }
    let (source, firsts) = encode_words(tokenizer, &sample.parts);
    let mut target = vec![NO_LABEL; source.len()];
    for (first, id) in firsts.into_iter().zip(ids) {
        target[first] = id;
    }
    Example { source, target }
}

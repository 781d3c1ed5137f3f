//! From a recipe's corpora to encoded examples and held-out text.

use attend_data::DataError;
use attend_data::batch::{Example, plan_batches};
use attend_data::clean::{Cleaning, CleaningReport};
use attend_data::corpus::SentencePair;
use attend_data::filter::Filter;
use attend_data::phrasebook::Phrasebook;
use attend_data::report::{CorpusReport, CorpusReports};
use attend_data::tokenizer::Tokenizer;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;
use crate::recipe::{CorpusFiles, DataSettings, EmbeddedCorpus, Recipe};

/// The text of a run.
#[derive(Clone, Debug)]
pub struct Corpora {
    /// To train on.
    pub train: Vec<TrainingCorpus>,
    /// To choose the best weights by.
    pub valid: Vec<SentencePair>,
    /// To report on, once.
    pub test: Vec<SentencePair>,
}

/// One of the corpora to train on.
#[derive(Clone, Debug)]
pub struct TrainingCorpus {
    /// What a report calls it.
    pub name: String,
    /// How often each pair is drawn in an epoch, on average.
    pub weight: f64,
    /// The pairs that cleaning kept.
    pub pairs: Vec<SentencePair>,
    /// What cleaning dropped.
    pub cleaned: CleaningReport,
}

impl TrainingCorpus {
    fn read(
        name: String,
        weight: f64,
        pairs: impl IntoIterator<Item = Result<SentencePair, DataError>>,
        cleaning: &Cleaning,
    ) -> Result<Self, DataError> {
        let mut cleaned = cleaning.clean(pairs);
        Ok(Self {
            name,
            weight,
            pairs: cleaned.by_ref().collect::<Result<_, _>>()?,
            cleaned: cleaned.report(),
        })
    }
}

impl Corpora {
    /// Reads or generates what `settings` name, and cleans the training pairs.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or its lines do not pair.
    pub fn load(settings: &DataSettings) -> Result<Self, DataError> {
        if let Some(EmbeddedCorpus::Phrasebook) = settings.embedded {
            let Phrasebook { train, valid, test } = Phrasebook::generate();
            let pairs = train.into_iter().map(Ok);
            let train = TrainingCorpus::read("phrasebook".to_owned(), 1.0, pairs, &settings.clean)?;
            return Ok(Self {
                train: vec![train],
                valid,
                test,
            });
        }
        let train = settings.train.iter().map(|files| {
            let weight = files.weight.unwrap_or(1.0);
            TrainingCorpus::read(files.name(), weight, files.open()?, &settings.clean)
        });
        let train = train.collect::<Result<_, _>>()?;
        let valid = read(settings.valid.as_ref())?;
        Ok(Self {
            train,
            test: match &settings.test {
                Some(files) => read(Some(files))?,
                None => valid.clone(),
            },
            valid,
        })
    }

    /// The sentences of both languages to train on.
    pub fn training_lines(&self) -> impl Iterator<Item = &str> {
        let pairs = self.train.iter().flat_map(|corpus| &corpus.pairs);
        pairs.flat_map(|pair| [pair.source.as_str(), pair.target.as_str()])
    }
}

fn read(files: Option<&CorpusFiles>) -> Result<Vec<SentencePair>, DataError> {
    match files {
        Some(files) => files.open()?.collect(),
        None => Ok(Vec::new()),
    }
}

/// Encoded pairs to train and validate on.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Training examples that passed the filters.
    pub train: Vec<Example>,
    /// What became of each training corpus.
    pub reports: CorpusReports,
    /// Validation pairs that the model has positions for, the targets as plain text: what translations are compared
    /// with.
    pub valid_pairs: Vec<SentencePair>,
    /// The same, encoded.
    pub valid: Vec<Example>,
}

impl Dataset {
    /// Encodes the training and validation pairs and filters the former.
    ///
    /// # Errors
    ///
    /// If no training pair is left.
    pub fn encode(corpora: &Corpora, tokenizer: &Tokenizer, recipe: &Recipe) -> Result<Self, TrainError> {
        let positions = recipe.transformer_config(tokenizer.vocab_size(), 0).max_length;
        let filter = Filter {
            max_length: recipe.data.max_length.min(positions),
            max_ratio: Some(recipe.data.max_ratio),
        };
        let mut train = Vec::new();
        let mut reports = CorpusReports::default();
        for corpus in &corpora.train {
            let (kept, filtered) = filter.apply(tokenizer.encode_pairs(&corpus.pairs));
            train.extend(kept);
            reports.0.push(CorpusReport {
                name: corpus.name.clone(),
                cleaned: corpus.cleaned,
                filtered,
            });
        }
        if train.is_empty() {
            return Err(TrainError::NothingToTrain {
                pairs: reports.read(),
            });
        }
        let (valid_pairs, valid) = corpora
            .valid
            .iter()
            .map(|pair| SentencePair {
                source: pair.source.clone(),
                target: tokenizer.plain_text(&pair.target),
            })
            .zip(tokenizer.encode_pairs(&corpora.valid))
            .filter(|(_, example)| example.longest_side() <= positions)
            .unzip();
        Ok(Self {
            train,
            reports,
            valid_pairs,
            valid,
        })
    }
}

/// How far a run has come through its data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Passes through the training data, counted from zero.
    pub epoch: u64,
    /// Batches of that epoch already taken.
    pub batch: usize,
}

/// The endless sequence of a run's batches, as indices into the training examples. Each epoch has an order of its
/// own, which depends on the seed and the epoch alone.
#[derive(Clone, Debug)]
pub struct BatchSequence<'a> {
    examples: &'a [Example],
    batch_tokens: usize,
    seed: u64,
    position: Position,
    epoch_batches: Vec<Vec<usize>>,
}

impl<'a> BatchSequence<'a> {
    /// The batches that follow `position`. There must be examples.
    #[must_use]
    pub fn starting_at(examples: &'a [Example], batch_tokens: usize, seed: u64, position: Position) -> Self {
        Self {
            epoch_batches: plan_batches(examples, batch_tokens, seed, position.epoch),
            examples,
            batch_tokens,
            seed,
            position,
        }
    }

    /// Where the next batch stands.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// The next batch's examples.
    pub fn next_batch(&mut self) -> Vec<&'a Example> {
        if self.position.batch == self.epoch_batches.len() {
            let epoch = self.position.epoch + 1;
            self.position = Position { epoch, batch: 0 };
            self.epoch_batches = plan_batches(self.examples, self.batch_tokens, self.seed, epoch);
        }
        let batch = &self.epoch_batches[self.position.batch];
        self.position.batch += 1;
        batch.iter().map(|&index| &self.examples[index]).collect()
    }
}

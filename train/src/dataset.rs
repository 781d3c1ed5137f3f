//! From a recipe's corpora to encoded examples and held-out text.

use attend_data::DataError;
use attend_data::batch::{Example, plan_batches};
use attend_data::corpus::{ParallelCorpus, SentencePair};
use attend_data::filter::{Filter, FilterReport};
use attend_data::phrasebook::Phrasebook;
use attend_data::tokenizer::Tokenizer;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;
use crate::recipe::{CorpusFiles, DataSettings, EmbeddedCorpus, Recipe};

/// The text of a run.
#[derive(Clone, Debug)]
pub struct Corpora {
    /// To train on.
    pub train: Vec<SentencePair>,
    /// To choose the best weights by.
    pub valid: Vec<SentencePair>,
    /// To report on, once.
    pub test: Vec<SentencePair>,
}

impl Corpora {
    /// Reads or generates what `settings` name.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or its lines do not pair.
    pub fn load(settings: &DataSettings) -> Result<Self, DataError> {
        if let Some(EmbeddedCorpus::Phrasebook) = settings.embedded {
            let Phrasebook { train, valid, test } = Phrasebook::generate();
            return Ok(Self { train, valid, test });
        }
        let valid = read(settings.valid.as_ref())?;
        Ok(Self {
            train: read(settings.train.as_ref())?,
            test: match &settings.test {
                Some(files) => read(Some(files))?,
                None => valid.clone(),
            },
            valid,
        })
    }
}

fn read(files: Option<&CorpusFiles>) -> Result<Vec<SentencePair>, DataError> {
    let corpus = match files {
        Some(CorpusFiles { tsv: Some(tsv), .. }) => ParallelCorpus::read_tsv(tsv)?,
        Some(CorpusFiles {
            source: Some(source),
            target: Some(target),
            ..
        }) => ParallelCorpus::read_files(source, target)?,
        _ => return Ok(Vec::new()),
    };
    Ok(corpus.pairs)
}

/// Encoded pairs to train and validate on.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Training examples that passed the filters.
    pub train: Vec<Example>,
    /// What the filters dropped.
    pub filtered: FilterReport,
    /// Validation pairs that the model has positions for.
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
        let (train, filtered) = filter.apply(tokenizer.encode_pairs(&corpora.train));
        if train.is_empty() {
            return Err(TrainError::NothingToTrain {
                pairs: corpora.train.len(),
            });
        }
        let (valid_pairs, valid) = corpora
            .valid
            .iter()
            .cloned()
            .zip(tokenizer.encode_pairs(&corpora.valid))
            .filter(|(_, example)| example.longest_side() <= positions)
            .unzip();
        Ok(Self {
            train,
            filtered,
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

    /// Passes through the data so far, the one under way as a fraction.
    #[must_use]
    pub fn epochs(&self) -> f64 {
        self.position.epoch as f64 + self.position.batch as f64 / self.epoch_batches.len() as f64
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

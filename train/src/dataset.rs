//! From a recipe's corpora to encoded examples and held-out text.

use std::path::Path;
use std::sync::Arc;

use attend_data::DataError;
use attend_data::batch::{BatchPlan, Example};
use attend_data::corpus::SentencePair;
use attend_data::filter::Filter;
use attend_data::mixture::Mixture;
use attend_data::parallel_text::{ParallelText, sample_pairs};
use attend_data::phrasebook::Phrasebook;
use attend_data::shard::{self, Progress};
use attend_data::tokenizer::Tokenizer;
use serde::{Deserialize, Serialize};

use crate::error::TrainError;
use crate::recipe::{CorpusFiles, DataSettings, EmbeddedCorpus, Recipe};

/// The text of a run.
#[derive(Clone, Debug)]
pub struct Corpora {
    /// To train on.
    pub train: Vec<TrainingText>,
    /// To choose the best weights by.
    pub valid: Vec<SentencePair>,
    /// To report on, once.
    pub test: Vec<SentencePair>,
}

/// A corpus to train on, which need not fit into memory.
#[derive(Clone, Debug)]
pub struct TrainingText {
    /// Where its pairs are.
    pub text: ParallelText,
    /// How often an epoch takes each of them; see [`Mixture`].
    pub weight: f64,
}

impl Corpora {
    /// Reads the held-out text that `settings` name, or generates all text.
    ///
    /// # Errors
    ///
    /// If a file cannot be read or its lines do not pair.
    pub fn load(settings: &DataSettings) -> Result<Self, DataError> {
        let alone = |text| vec![TrainingText { text, weight: 1.0 }];
        if let Some(EmbeddedCorpus::Phrasebook) = settings.embedded {
            let Phrasebook { train, valid, test } = Phrasebook::generate();
            return Ok(Self {
                train: alone(ParallelText::Pairs(train)),
                valid,
                test,
            });
        }
        let text = |files: &Option<CorpusFiles>| files.as_ref().and_then(CorpusFiles::text);
        let read = |files: &Option<CorpusFiles>| match text(files) {
            Some(text) => text.pairs()?.collect(),
            None => Ok(Vec::new()),
        };
        let valid = read(&settings.valid)?;
        Ok(Self {
            train: text(&settings.train).map(alone).unwrap_or_default(),
            test: match settings.test {
                Some(_) => read(&settings.test)?,
                None => valid.clone(),
            },
            valid,
        })
    }

    /// Learns a tokenizer of at most `vocab_size` tokens from the training text: from `vocab_pairs` pairs spread over
    /// it, or from all where there are no more.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, its lines do not pair or the vocabulary is too small.
    pub fn train_tokenizer(&self, settings: &DataSettings) -> Result<Tokenizer, DataError> {
        let texts: Vec<&ParallelText> = self.train.iter().map(|corpus| &corpus.text).collect();
        let mut failure = None;
        let lines = sample_pairs(&texts, settings.vocab_pairs)?
            .map_while(|pair| pair.map_err(|error| failure = Some(error)).ok())
            .flat_map(|pair| [pair.source, pair.target]);
        let tokenizer = Tokenizer::train_bpe(lines, settings.vocab_size)?;
        failure.map_or(Ok(tokenizer), Err)
    }
}

/// Encoded pairs to train and validate on.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Training examples that passed the filters.
    pub train: Arc<Mixture>,
    /// Validation pairs that the model has positions for.
    pub valid_pairs: Vec<SentencePair>,
    /// The same, encoded.
    pub valid: Vec<Example>,
}

impl Dataset {
    /// Encodes the training and validation pairs and filters the former. They are prepared in the folder `prepared`,
    /// unless they are there from an earlier run; see [`shard::prepare`].
    ///
    /// # Errors
    ///
    /// If the training text cannot be read, its prepared form cannot be written or is damaged, or no pair is left.
    pub fn encode(
        corpora: &Corpora,
        tokenizer: &Tokenizer,
        recipe: &Recipe,
        prepared: &Path,
        mut progress: impl FnMut(Progress),
    ) -> Result<Self, TrainError> {
        let positions = recipe.transformer_config(tokenizer.vocab_size(), 0).max_length;
        let filter = Filter {
            max_length: recipe.data.max_length.min(positions),
            max_ratio: Some(recipe.data.max_ratio),
        };
        let train = corpora
            .train
            .iter()
            .map(|TrainingText { text, weight }| {
                let examples = shard::prepare(prepared, text, tokenizer, &filter, &mut progress)?;
                Ok((examples, *weight))
            })
            .collect::<Result<_, DataError>>()?;
        let train = Mixture::new(train)?;
        if train.is_empty() {
            return Err(TrainError::NothingToTrain {
                pairs: train.filtered().dropped(),
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
            train: Arc::new(train),
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

/// The endless sequence of a run's batches. Each epoch has an order of its own, which depends on the seed and the epoch
/// alone.
#[derive(Clone, Debug)]
pub struct BatchSequence {
    examples: Arc<Mixture>,
    batch_tokens: usize,
    seed: u64,
    position: Position,
    plan: BatchPlan,
}

impl BatchSequence {
    /// The batches that follow `position`. There must be examples.
    #[must_use]
    pub fn starting_at(examples: Arc<Mixture>, batch_tokens: usize, seed: u64, position: Position) -> Self {
        Self {
            plan: examples.plan(batch_tokens, seed, position.epoch),
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
        self.position.epoch as f64 + self.position.batch as f64 / self.plan.len() as f64
    }

    /// The next batch's examples.
    pub fn next_batch(&mut self) -> Vec<Example> {
        loop {
            if let Some(batch) = self.plan.batch(self.position.batch) {
                self.position.batch += 1;
                return batch.iter().map(|&number| self.examples.get(number)).collect();
            }
            let epoch = self.position.epoch + 1;
            self.position = Position { epoch, batch: 0 };
            self.plan = self.examples.plan(self.batch_tokens, self.seed, epoch);
        }
    }
}

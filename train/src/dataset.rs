//! From a recipe's corpora to encoded examples and held-out text.

use std::path::Path;
use std::sync::Arc;

use attend_data::DataError;
use attend_data::batch::{BatchPlan, Example};
use attend_data::clean::Cleaning;
use attend_data::corpus::SentencePair;
use attend_data::filter::Filter;
use attend_data::mixture::{Mixture, WeightedCorpus};
use attend_data::parallel_text::{ParallelText, sample_pairs};
use attend_data::report::{CorpusReport, CorpusReports};
use attend_data::shard::{self, Progress};
use attend_data::tokenizer::{Tokenizer, TokenizerKind, dropout_random};
use attend_phrasebook::{Pair, Phrasebook};
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
    /// What a report calls it.
    pub name: String,
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
        if let Some(EmbeddedCorpus::Phrasebook) = settings.embedded {
            let Phrasebook { train, valid, test } = Phrasebook::generate();
            let train = TrainingText {
                name: "phrasebook".to_owned(),
                text: ParallelText::Pairs(sentence_pairs(train)),
                weight: 1.0,
            };
            return Ok(Self {
                train: vec![train],
                valid: sentence_pairs(valid),
                test: sentence_pairs(test),
            });
        }
        let train = settings.train.iter().filter_map(|files| {
            Some(TrainingText {
                name: files.name(),
                text: files.text()?,
                weight: files.weight.unwrap_or(1.0),
            })
        });
        let read = |files: &Option<CorpusFiles>| match files.as_ref().and_then(CorpusFiles::text) {
            Some(text) => text.pairs()?.collect(),
            None => Ok(Vec::new()),
        };
        let valid = read(&settings.valid)?;
        Ok(Self {
            train: train.collect(),
            test: match settings.test {
                Some(_) => read(&settings.test)?,
                None => valid.clone(),
            },
            valid,
        })
    }

    /// Learns the recipe's kind of tokenizer from what cleaning leaves of the training text: subwords from at most
    /// [`DataSettings::vocab_pairs`] pairs spread over it, words from all.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, its lines do not pair or the vocabulary is too small.
    pub fn train_tokenizer(&self, settings: &DataSettings) -> Result<Tokenizer, DataError> {
        let texts: Vec<&ParallelText> = self.train.iter().map(|corpus| &corpus.text).collect();
        let limit = match settings.tokenizer {
            TokenizerKind::Bpe | TokenizerKind::Unigram => settings.vocab_pairs,
            TokenizerKind::Whitespace => usize::MAX,
        };
        let mut failure = None;
        let lines = sample_pairs(&texts, &settings.clean, limit)?
            .map_while(|pair| pair.map_err(|error| failure = Some(error)).ok())
            .flat_map(|pair| [pair.source, pair.target]);
        let tokenizer = Tokenizer::train(settings.tokenizer, lines, settings.vocab_size)?;
        failure.map_or(Ok(tokenizer), Err)
    }
}

fn sentence_pairs(pairs: Vec<Pair>) -> Vec<SentencePair> {
    let pair = |Pair { english, german }| SentencePair {
        source: english,
        target: german,
    };
    pairs.into_iter().map(pair).collect()
}

/// Encoded pairs to train and validate on.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// Training examples that passed the filters.
    pub train: Arc<Mixture>,
    /// What became of each training corpus.
    pub reports: CorpusReports,
    /// How training sentences are cut anew each epoch, where the recipe wants that.
    pub bpe_dropout: Option<BpeDropout>,
    /// Validation pairs that the model has positions for, the targets as plain text: what translations are compared
    /// with.
    pub valid_pairs: Vec<SentencePair>,
    /// The same, encoded.
    pub valid: Vec<Example>,
    /// Test pairs whose source the model has positions for, the targets as plain text.
    pub test_pairs: Vec<SentencePair>,
}

impl Dataset {
    /// Cleans, encodes and filters the training pairs, and encodes the validation pairs. The former are prepared in the
    /// folder `prepared`, unless they are there from an earlier run; see [`shard::prepare`].
    ///
    /// # Errors
    ///
    /// If the training text cannot be read, its prepared form cannot be written or is damaged, or no pair is left to
    /// train on, to validate or to test.
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
        let cleaning: &Cleaning = &recipe.data.clean;
        let mut train = Vec::new();
        let mut reports = CorpusReports::default();
        for TrainingText { name, text, weight } in &corpora.train {
            let examples = shard::prepare(prepared, text, cleaning, tokenizer, &filter, &mut progress)?;
            reports.0.push(CorpusReport {
                name: name.clone(),
                cleaned: examples.cleaned(),
                filtered: examples.filtered(),
            });
            train.push(WeightedCorpus {
                name: name.clone(),
                examples,
                weight: *weight,
            });
        }
        let train = Mixture::new(train)?;
        if train.is_empty() {
            return Err(TrainError::NothingToTrain {
                pairs: reports.read(),
            });
        }
        let valid = |example: &Example| example.longest_side() <= positions;
        let (valid_pairs, valid) = held_out(&corpora.valid, tokenizer, valid);
        let test = |example: &Example| example.source.len() <= positions;
        let (test_pairs, _) = held_out(&corpora.test, tokenizer, test);
        for (name, all, left) in [
            ("validation", &corpora.valid, &valid_pairs),
            ("test", &corpora.test, &test_pairs),
        ] {
            if left.is_empty() {
                return Err(TrainError::NothingToScore {
                    name,
                    pairs: all.len(),
                    positions,
                });
            }
        }
        let bpe_dropout = (recipe.data.bpe_dropout > 0.0).then(|| BpeDropout {
            tokenizer: tokenizer.clone(),
            probability: recipe.data.bpe_dropout,
            max_length: positions,
        });
        Ok(Self {
            train: Arc::new(train),
            reports,
            bpe_dropout,
            valid_pairs,
            valid,
            test_pairs,
        })
    }

    /// The batches of a run by `recipe` that follow `position`.
    #[must_use]
    pub fn batches(&self, recipe: &Recipe, position: Position) -> BatchSequence {
        let train = Arc::clone(&self.train);
        let batches = BatchSequence::starting_at(train, recipe.training.batch_tokens, recipe.seed, position);
        match &self.bpe_dropout {
            Some(dropout) => batches.with_bpe_dropout(dropout.clone()),
            None => batches,
        }
    }
}

/// The pairs that are fit to be scored, the targets as plain text, and the same encoded.
fn held_out(
    pairs: &[SentencePair],
    tokenizer: &Tokenizer,
    is_fit: impl Fn(&Example) -> bool,
) -> (Vec<SentencePair>, Vec<Example>) {
    pairs
        .iter()
        .zip(tokenizer.encode_pairs(pairs))
        .filter(|(_, example)| is_fit(example))
        .map(|(pair, example)| {
            let pair = SentencePair {
                source: pair.source.clone(),
                target: tokenizer.plain_text(&pair.target),
            };
            (pair, example)
        })
        .unzip()
}

/// BPE-dropout: how a sentence is cut anew each time it is trained on; see [`Tokenizer::encode_with_dropout`].
#[derive(Clone, Debug)]
pub struct BpeDropout {
    /// What the sentences were encoded by.
    pub tokenizer: Tokenizer,
    /// The probability that a merge is left out.
    pub probability: f64,
    /// The most tokens of a sentence, `</s>` included. One that would become longer keeps its plain encoding.
    pub max_length: usize,
}

impl BpeDropout {
    /// An example cut as `seed`, `epoch` and its place in the epoch's order decide.
    fn cut(&self, example: Example, seed: u64, epoch: u64, place: u64) -> Example {
        let mut random = dropout_random(seed, epoch, place);
        let mut cut_side = |ids: Vec<u32>| {
            let text = self.tokenizer.decode(&ids);
            let mut cut = self
                .tokenizer
                .encode_with_dropout(&text, self.probability, &mut random);
            cut.push(self.tokenizer.eos_id());
            match cut.len() <= self.max_length {
                true => cut,
                false => ids,
            }
        };
        Example {
            source: cut_side(example.source),
            target: cut_side(example.target),
        }
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
    bpe_dropout: Option<BpeDropout>,
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
            bpe_dropout: None,
            batch_tokens,
            seed,
            position,
        }
    }

    /// The same batches, each sentence cut anew every time it is taken. Batches are planned before that: of more
    /// tokens, one may exceed the budget.
    #[must_use]
    pub fn with_bpe_dropout(self, dropout: BpeDropout) -> Self {
        Self {
            bpe_dropout: Some(dropout),
            ..self
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
            let position = self.position;
            if let Some(batch) = self.plan.batch(position.batch) {
                self.position.batch += 1;
                // An epoch has fewer than 2³² examples, and so a batch has, too.
                let places = (position.batch as u64) << 32..;
                let examples = batch.iter().zip(places);
                return examples
                    .map(|(&number, place)| self.example(number, position.epoch, place))
                    .collect();
            }
            let epoch = self.position.epoch + 1;
            self.position = Position { epoch, batch: 0 };
            self.plan = self.examples.plan(self.batch_tokens, self.seed, epoch);
        }
    }

    /// An example as an epoch has it at a place in its order.
    fn example(&self, number: u32, epoch: u64, place: u64) -> Example {
        let example = self.examples.get(number);
        match &self.bpe_dropout {
            Some(dropout) => dropout.cut(example, self.seed, epoch, place),
            None => example,
        }
    }
}

//! From a recipe's corpora to encoded examples and held-out text.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use attend_data::{
    Batches, BpeDropout, DataError, Example, Examples, Filter, Mixture, Normalizer, PairTokenizer,
    ParallelText, Position, Progress, SentencePair, Tokenizer, TokenizerKind, is_blank, readable,
};
use attend_phrasebook::{Pair, Phrasebook};

use crate::error::TrainError;
use crate::recipe::{CorpusFiles, DataSettings, EmbeddedCorpus, Recipe};

/// The text of a run.
#[derive(Clone, Debug)]
pub struct Corpora {
    /// The texts to train on, each with its weight in the [`Mixture`]. They need not fit into memory.
    pub train: Vec<(ParallelText, f64)>,
    /// The pairs to choose the best weights by.
    pub valid: Vec<SentencePair>,
    /// The pairs to score the finished model on.
    pub test: Vec<SentencePair>,
}

impl Corpora {
    /// Reads the validation and test pairs that `settings` name. With an embedded corpus, generates all pairs. With
    /// [`DataSettings::capitals`], each training text is followed by its pairs in capital letters.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`ParallelText::pairs`], and those of [`ParallelText::check_rereadable`] for each text.
    pub fn load(settings: &DataSettings) -> Result<Self, DataError> {
        if let Some(EmbeddedCorpus::Phrasebook) = settings.embedded {
            let Phrasebook { train, valid, test } = Phrasebook::generate();
            let train = ParallelText::Memory {
                name: "phrasebook".to_owned(),
                pairs: sentence_pairs(train),
            };
            return Ok(Self {
                train: with_capitals([(train, 1.0)].into(), settings.capitals),
                valid: sentence_pairs(valid),
                test: sentence_pairs(test),
            });
        }
        for files in settings.train.iter().chain(&settings.valid).chain(&settings.test) {
            files.text().map_or(Ok(()), |text| text.check_rereadable())?;
        }
        let train = settings.train.iter();
        let train = train.filter_map(|files| Some((files.text()?, files.weight.unwrap_or(1.0))));
        let read = |files: &Option<CorpusFiles>| match files.as_ref().and_then(CorpusFiles::text) {
            Some(text) => text.read_all(),
            None => Ok(Vec::new()),
        };
        let valid = read(&settings.valid)?;
        Ok(Self {
            train: with_capitals(train.collect(), settings.capitals),
            test: match settings.test {
                Some(_) => read(&settings.test)?,
                None => valid.clone(),
            },
            valid,
        })
    }

    /// Learns the recipe's kind of tokenizer from the training pairs that cleaning keeps, after normalisation. Subwords
    /// are learnt from at most [`DataSettings::vocab_pairs`] pairs, spread evenly over the texts; of these, pairs that
    /// are surely longer than [`DataSettings::max_length`] are left out. Words are collected from all pairs.
    ///
    /// # Errors
    ///
    /// Returns the errors of [`ParallelText::pairs`] and [`Tokenizer::train`].
    pub fn train_tokenizer(&self, settings: &DataSettings) -> Result<Tokenizer, DataError> {
        let texts: Vec<&ParallelText> = self.train.iter().map(|(text, _)| text).collect();
        let kind = settings.tokenizer.unwrap_or_default();
        let limit = match kind {
            TokenizerKind::Whitespace => usize::MAX,
            _ => settings.vocab_pairs,
        };
        let mut failure = None;
        let normalizer = Normalizer::new(&settings.normalization);
        let is_subwords = kind != TokenizerKind::Whitespace;
        let is_too_long = |line: &String| {
            is_subwords && line.len() > settings.max_length.saturating_mul(Tokenizer::LONGEST_SUBWORD)
        };
        let lines = ParallelText::sample(&texts, &settings.clean, limit)?
            .map_while(|pair| pair.map_err(|error| failure = Some(error)).ok())
            .map(|pair| [pair.source, pair.target].map(|line| normalizer.apply(&line)))
            .filter(|pair| !pair.iter().any(is_too_long))
            .flatten();
        let tokenizer = Tokenizer::train(kind, lines, settings.vocab_size)?;
        failure.map_or(Ok(tokenizer.with_normalizer(normalizer)), Err)
    }
}

/// Adds to each text of `train` the share `capitals` of its pairs in capital letters.
fn with_capitals(train: Vec<(ParallelText, f64)>, capitals: f64) -> Vec<(ParallelText, f64)> {
    if capitals == 0.0 {
        return train;
    }
    let in_capitals = |(text, weight): (ParallelText, f64)| {
        let capitals = ParallelText::Capitals {
            text: text.clone().into(),
            share: capitals,
        };
        [(text, weight), (capitals, weight)]
    };
    train.into_iter().flat_map(in_capitals).collect()
}

fn sentence_pairs(pairs: Vec<Pair>) -> Vec<SentencePair> {
    let pair = |Pair { english, german }| SentencePair {
        source: english,
        target: german,
    };
    pairs.into_iter().map(pair).collect()
}

/// The numbers of validation or test pairs that cannot be scored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// Pairs of which one side is [blank](is_blank).
    pub blank: usize,
    /// Pairs that are longer than the model's positions.
    pub too_long: usize,
}

impl LeftOut {
    /// Returns the number of pairs that were left out.
    #[must_use]
    pub fn pairs(&self) -> usize {
        self.blank + self.too_long
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blank = (self.blank > 0).then(|| format!("{} with a blank side", self.blank));
        let too_long = (self.too_long > 0).then(|| {
            let count = self.too_long;
            format!("{count} longer than the model's positions")
        });
        let reasons: Vec<String> = [blank, too_long].into_iter().flatten().collect();
        f.write_str(&reasons.join(", "))
    }
}

/// Encoded pairs to train and validate on.
#[derive(Clone, Debug)]
pub struct Dataset {
    /// The training examples.
    pub train: Arc<Mixture>,
    /// The BPE-dropout by which training sentences are cut anew whenever they are taken; `None` if the recipe does not
    /// ask for it.
    pub bpe_dropout: Option<BpeDropout>,
    /// The validation pairs that have text on both sides, and whose two sides fit the model's positions. The targets
    /// are plain text, with which translations are compared.
    pub valid_pairs: Vec<SentencePair>,
    /// The numbers of the other validation pairs.
    pub valid_left_out: LeftOut,
    /// The validation pairs, encoded.
    pub valid: Vec<Example>,
    /// The test pairs that have text on both sides, and whose source fits the model's positions. The targets are plain
    /// text, with which translations are compared.
    pub test_pairs: Vec<SentencePair>,
    /// The numbers of the other test pairs.
    pub test_left_out: LeftOut,
}

impl Dataset {
    /// Cleans, encodes and filters the training pairs, and encodes the validation pairs. The training pairs are stored
    /// in the folder `prepared`, and read from there if an earlier run has stored them; see [`Examples::prepare`].
    ///
    /// # Errors
    ///
    /// Returns [`TrainError::Data`] if the training text cannot be read, or if the prepared files cannot be written or
    /// are damaged. Returns [`TrainError::NothingToTrain`] if no training pair is left, and
    /// [`TrainError::NothingToScore`] if no validation or test pair is left.
    pub fn encode(
        corpora: &Corpora,
        tokenizer: &PairTokenizer,
        recipe: &Recipe,
        prepared: &Path,
        mut progress: impl FnMut(Progress),
    ) -> Result<Self, TrainError> {
        let positions = recipe
            .transformer_config(tokenizer.source.vocab_size(), 0)
            .max_length;
        let filter = Filter {
            max_length: recipe.data.max_length.min(positions),
            max_ratio: Some(recipe.data.max_ratio),
        };
        let mut train = Vec::new();
        for (text, weight) in &corpora.train {
            let cleaning = &recipe.data.clean;
            let examples = Examples::prepare(prepared, text, cleaning, tokenizer, &filter, &mut progress)?;
            train.push((examples, *weight));
        }
        let train = Mixture::new(train)?;
        if train.is_empty() {
            let report = train.report();
            return Err(TrainError::NothingToTrain {
                unit: "pairs",
                pairs: report.pairs_read(),
                dropped: report.dropped().collect(),
            });
        }
        let both_sides = |pair: &SentencePair| SentencePair {
            source: readable(&pair.source).into_owned(),
            target: readable(&pair.target).into_owned(),
        };
        let source = |pair: &SentencePair| SentencePair {
            source: readable(&pair.source).into_owned(),
            target: String::new(),
        };
        let valid = held_out(&corpora.valid, tokenizer, positions, both_sides);
        let test = held_out(&corpora.test, tokenizer, positions, source);
        for (name, held_out) in [("validation pairs", &valid), ("test pairs", &test)] {
            if held_out.pairs.is_empty() {
                return Err(TrainError::NothingToScore {
                    name,
                    left_out: held_out.left_out,
                    positions,
                });
            }
        }
        // Only a tokenizer of both sides has merges to skip.
        let bpe_dropout = (recipe.data.bpe_dropout > 0.0).then(|| BpeDropout {
            tokenizer: tokenizer.source.clone(),
            probability: recipe.data.bpe_dropout,
            max_length: positions,
        });
        Ok(Self {
            train: Arc::new(train),
            bpe_dropout,
            valid_pairs: valid.pairs,
            valid_left_out: valid.left_out,
            valid: valid.examples,
            test_pairs: test.pairs,
            test_left_out: test.left_out,
        })
    }

    /// Returns the batches of a run of `recipe`, beginning at `position`.
    #[must_use]
    pub fn batches(&self, recipe: &Recipe, position: Position) -> Batches {
        let train = Arc::clone(&self.train);
        let batches = Batches::starting_at(train, recipe.training.batch_tokens, recipe.seed, position);
        match &self.bpe_dropout {
            Some(dropout) => batches.with_bpe_dropout(dropout.clone()),
            None => batches,
        }
    }
}

/// Pairs to validate or to test with.
struct HeldOut {
    /// The pairs, whose targets are plain text.
    pairs: Vec<SentencePair>,
    /// The encoded pairs.
    examples: Vec<Example>,
    /// The numbers of pairs that are not among them.
    left_out: LeftOut,
}

/// Returns the pairs with text on both sides of which `encoded`, the text of a pair that is encoded, fits the
/// positions.
fn held_out(
    pairs: &[SentencePair],
    tokenizer: &PairTokenizer,
    positions: usize,
    encoded: impl Fn(&SentencePair) -> SentencePair,
) -> HeldOut {
    let is_blank = |pair: &&SentencePair| is_blank(&pair.source) || is_blank(&pair.target);
    let blank = pairs.iter().filter(is_blank).count();
    let pairs_and_texts = pairs
        .iter()
        .filter(|pair| !is_blank(pair))
        .map(|pair| (pair, encoded(pair)));
    let (fitting, texts) = without_surely_too_long(pairs_and_texts, tokenizer, positions);
    let examples = tokenizer.encode_pairs(&texts);
    // A translator counts </s> whether a source ends with it or not.
    let most_of_source = positions - usize::from(!tokenizer.source_eos);
    let (kept, examples): (Vec<SentencePair>, Vec<Example>) = fitting
        .into_iter()
        .zip(examples)
        .filter(|(_, example)| example.target.len() <= positions && example.source.len() <= most_of_source)
        .map(|(pair, example)| {
            let pair = SentencePair {
                source: pair.source.clone(),
                target: tokenizer.target.plain_text(&pair.target),
            };
            (pair, example)
        })
        .unzip();
    HeldOut {
        left_out: LeftOut {
            blank,
            too_long: pairs.len() - blank - kept.len(),
        },
        pairs: kept,
        examples,
    }
}

/// Returns the pairs whose texts are worth encoding, and these texts. To encode a text that is surely too long would
/// take a hundred times its memory.
fn without_surely_too_long<'a>(
    pairs_and_texts: impl Iterator<Item = (&'a SentencePair, SentencePair)>,
    tokenizer: &PairTokenizer,
    positions: usize,
) -> (Vec<&'a SentencePair>, Vec<SentencePair>) {
    pairs_and_texts
        .filter(|(_, text)| !tokenizer.has_more_tokens(text, positions.saturating_sub(1)))
        .unzip()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(source: &str, target: &str) -> SentencePair {
        SentencePair {
            source: source.to_owned(),
            target: target.to_owned(),
        }
    }

    #[test]
    fn held_out_pairs_that_do_not_fit_are_left_out_and_not_encoded() {
        let short = pair("on\u{ad}e two", "eins\u{200b} zwei");
        let long = "one".repeat(3_500_000);
        let tokenizer = Tokenizer::train_bpe(["one two", "eins zwei"].into_iter(), 300).unwrap();
        let tokenizer = PairTokenizer::from(tokenizer);
        let text = ParallelText::Memory {
            name: "one pair".to_owned(),
            pairs: vec![short.clone()],
        };
        let held_out = vec![short.clone(), pair(&long, "lang"), pair("long", &long)];
        let corpora = Corpora {
            train: vec![(text, 1.0)],
            valid: held_out.clone(),
            test: held_out,
        };
        let recipe = "data.embedded = \"phrasebook\"\nmodel.preset = \"tiny\"\nmodel.max_length = 64\n\
                      training.updates = 1\ntraining.learning_rate = 0.1";
        let recipe: Recipe = toml::from_str(recipe).unwrap();
        let prepared = tempfile::tempdir().unwrap();
        let texts = corpora.valid.iter().map(|pair| (pair, pair.clone()));
        let (pairs, texts) = without_surely_too_long(texts, &tokenizer, 64);
        assert_eq!(pairs, [&short]);
        assert_eq!(
            texts,
            std::slice::from_ref(&short),
            "a line of 10 MB is not encoded"
        );
        let dataset = Dataset::encode(&corpora, &tokenizer, &recipe, prepared.path(), |_| {}).unwrap();
        assert_eq!(dataset.valid_pairs, std::slice::from_ref(&short));
        let too_long = |too_long| LeftOut { blank: 0, too_long };
        assert_eq!(
            (dataset.valid_left_out, dataset.test_left_out),
            (too_long(2), too_long(1))
        );
        // A reference may be of any length.
        assert_eq!(dataset.test_pairs, [short, pair("long", &long)]);
        // What no reader sees is not encoded.
        let expected = tokenizer.encode_pairs(&[pair("one two", "eins zwei")]);
        assert_eq!(dataset.valid, expected);
    }

    #[test]
    fn a_held_out_source_leaves_a_position_for_its_end_even_if_it_has_none() {
        let words = Tokenizer::train_whitespace(["a b"].into_iter(), None).unwrap();
        let pairs = [62, 63, 64].map(|count| pair(&vec!["a"; count].join(" "), "b"));
        for (source_eos, lengths) in [(true, [63, 64]), (false, [62, 63])] {
            let tokenizer = PairTokenizer {
                source_eos,
                ..PairTokenizer::from(words.clone())
            };
            let kept = held_out(&pairs, &tokenizer, 64, SentencePair::clone);
            assert_eq!(kept.pairs, &pairs[..2]);
            let sources = kept.examples.iter().map(|example| example.source.len());
            assert_eq!(sources.collect::<Vec<_>>(), lengths);
        }
    }
}

//! Scores and alignments of given translations.

use std::borrow::Cow;

use attend_data::{Batch, Example, Tokenizer, readable};
use attend_device::values;
use attend_model::Memory;
use burn::tensor::{Int, Tensor};
use serde::Serialize;

use super::Translator;
use super::batches::Item;
use super::encoding::EncodedSentence;
use super::target_language::TargetLanguage;
use crate::alignment::{Alignment, EncodedText};
use crate::error::InferError;
use crate::model::Model;
use crate::options::TranslateOptions;
use crate::search::SearchOptions;
use crate::translation::Translation;

/// A sentence and its translation for [`Translator::score`].
#[derive(Clone, Copy, Debug, Default)]
pub struct GivenTranslation<'a> {
    /// The source sentence.
    pub source: &'a str,
    /// The translation of the sentence.
    pub target: &'a str,
    /// The index of the pair in the input, from 0. Errors name the pair by this index plus 1.
    pub number: usize,
}

/// The probability of a translation according to a model.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Score {
    /// Natural logarithm of the translation's probability, `</s>` included.
    pub log_probability: f32,
    /// The log-probability divided by the length divisor, plus the coverage penalty; see [`SearchOptions::score`].
    /// Higher is better.
    pub score: f32,
    /// The translation's tokens, `</s>` last.
    pub tokens: Vec<TokenScore>,
    /// The source word of each word of the translation, if the option [`alignment`](TranslateOptions::alignment) is
    /// set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alignment: Option<Alignment>,
}

/// The probability of a token according to a model, given the source and the tokens before it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TokenScore {
    /// The token's text.
    pub token: String,
    /// Natural logarithm of the token's probability.
    pub log_probability: f32,
}

/// A sentence as the encoder reads it, and its translation as the decoder writes it, `</s>` last.
pub(super) struct EncodedPair<'a> {
    pub(super) tokens: Example,
    /// The source sentence as the model reads it.
    pub(super) source: Cow<'a, str>,
    /// Whether the source sentence as it was given lacks the target language with which this one begins.
    pub(super) adds_language: bool,
    /// The text of the translation; `None` if a search found the translation.
    pub(super) target: Option<&'a str>,
}

impl Translator {
    /// Scores given translations, without a search. Each side of a pair is one sentence. Returns the result of each
    /// pair, in order.
    ///
    /// Five options change a result: [`alignment`](TranslateOptions::alignment),
    /// [`target_language`](TranslateOptions::target_language), and of the search
    /// [`length_penalty`](SearchOptions::length_penalty), [`length_normalization`](SearchOptions::length_normalization)
    /// and [`coverage_penalty`](SearchOptions::coverage_penalty). All other options are validated and then ignored.
    ///
    /// # Errors
    ///
    /// The result of a pair is an error of [`Model::check`] if the options are not valid, and [`InferError::TooLong`]
    /// if one of its sides has more tokens than the model has positions.
    ///
    /// # Panics
    ///
    /// If the device fails. [`attend_device::notice_device_failure`] around the call turns this panic into an error.
    pub fn score(
        &self,
        pairs: &[GivenTranslation<'_>],
        options: &TranslateOptions,
    ) -> Vec<Result<Score, InferError>> {
        let encoded = self.for_each(pairs, |pair| EncodedPair::new(&self.model, pair, options));
        let pairs: Vec<&EncodedPair<'_>> = encoded.iter().flatten().collect();
        let item = |(place, pair): (usize, &&EncodedPair<'_>)| Item {
            place,
            source: pair.tokens.longest_side(),
            target: pair.tokens.longest_side(),
        };
        let items = pairs.iter().enumerate().map(item).collect();
        let batches = self.batch_limit.plan(items, 1, self.workers.count());
        let scores = self.in_batches(&batches, |batch| {
            let batch: Vec<&EncodedPair<'_>> = batch.iter().map(|&place| pairs[place]).collect();
            self.score_batch(&batch, options)
        });
        let mut scores = scores.into_iter();
        let score_of =
            |pair: Result<EncodedPair<'_>, InferError>| pair.map(|_| scores.next().expect("a score of each"));
        encoded.into_iter().map(score_of).collect()
    }

    fn score_batch(&self, pairs: &[&EncodedPair<'_>], options: &TranslateOptions) -> Vec<Score> {
        let networks = &self.model.networks;
        let batch = self.batch(pairs);
        let width = batch.target_output.width;
        let memories = networks.encode(self.tensor(&batch.source));
        let target_input = self.tensor(&batch.target_input);
        let target_output = self.tensor(&batch.target_output);
        let log_probabilities = networks.score(target_input.clone(), target_output, &memories);
        let log_probabilities = values(log_probabilities);
        let rows = log_probabilities.chunks_exact(width).zip(pairs);
        let mut scores: Vec<Score> = rows
            .map(|(row, pair)| self.score_of(&pair.tokens.target, row, &options.search))
            .collect();
        if options.alignment || options.search.coverage_penalty > 0.0 {
            let alignments = self.alignments(pairs, target_input, &memories);
            for (score, alignment) in scores.iter_mut().zip(alignments) {
                score.score += options.search.coverage_score(&alignment.coverage());
                score.alignment = options.alignment.then_some(alignment);
            }
        }
        scores
    }

    /// Returns the score of a target without its coverage penalty. `target` has the tokens, `</s>` last. `row` has
    /// their log-probabilities, `[target_seq]`, perhaps followed by those of padding.
    fn score_of(&self, target: &[u32], row: &[f32], search: &SearchOptions) -> Score {
        let log_probabilities = &row[..target.len()];
        let total: f64 = log_probabilities.iter().copied().map(f64::from).sum();
        let tokens = target.iter().zip(log_probabilities);
        Score {
            log_probability: total as f32,
            score: search.score(total as f32, target.len() - 1, true),
            tokens: tokens
                .map(|(&token, &log_probability)| TokenScore {
                    token: self.model.target_tokenizer.token(token),
                    log_probability,
                })
                .collect(),
            alignment: None,
        }
    }

    /// Sets the alignment of the translations of each of `sentences`. The sentences are the rows of each of
    /// `memories`, in order.
    pub(super) fn align(
        &self,
        translations: &mut [Vec<Translation>],
        sentences: &[&EncodedSentence],
        memories: &[Memory],
    ) {
        let (mut rows, mut pairs) = (Vec::new(), Vec::new());
        for (row, (best_first, sentence)) in translations.iter().zip(sentences).enumerate() {
            for translation in best_first {
                rows.push(row as i32);
                pairs.push(EncodedPair {
                    tokens: Example {
                        source: self.model.encoder_input(sentence.source.clone()),
                        target: self.model.decoder_output(translation.tokens.clone()),
                    },
                    source: Cow::Borrowed(&sentence.text),
                    adds_language: sentence.added > 0,
                    target: None,
                });
            }
        }
        // A sentence without all of its required words has no translation.
        if pairs.is_empty() {
            return;
        }
        let pairs: Vec<&EncodedPair<'_>> = pairs.iter().collect();
        let rows = Tensor::<1, Int>::from_ints(rows.as_slice(), &self.model.device());
        let memories = memories.iter().map(|memory| Memory {
            states: memory.states.clone().select(0, rows.clone()),
            hidden: memory.hidden.clone().select(0, rows.clone()),
        });
        let target_input = self.tensor(&self.batch(&pairs).target_input);
        let alignments = self.alignments(&pairs, target_input, &memories.collect::<Vec<_>>());
        for (translation, alignment) in translations.iter_mut().flatten().zip(alignments) {
            translation.alignment = Some(alignment);
        }
    }

    /// Returns the alignment of each pair. The pairs are the rows of `target_input` `[pairs, target_seq]` and of each
    /// of the `memories`.
    fn alignments(
        &self,
        pairs: &[&EncodedPair<'_>],
        target_input: Tensor<2, Int>,
        memories: &[Memory],
    ) -> Vec<Alignment> {
        let attention = self.model.networks.alignment(target_input, memories);
        let [_, target_width, source_width] = attention.dims();
        let attention = values(attention);
        let of_pairs = attention.chunks_exact(target_width * source_width);
        let alignment = |(attention, pair): (&[f32], &&EncodedPair<'_>)| {
            let Example { source, target } = &pair.tokens;
            let rows = attention.chunks_exact(source_width).take(target.len());
            let rows = rows.map(|row| row[..source.len()].to_vec()).collect();
            let source = EncodedText {
                tokenizer: &self.model.source_tokenizer,
                tokens: source,
                text: Some(&pair.source),
                adds_language: pair.adds_language,
            };
            let target = EncodedText {
                tokenizer: &self.model.target_tokenizer,
                tokens: target,
                text: pair.target,
                adds_language: false,
            };
            Alignment::new(&source, &target, rows)
        };
        of_pairs.zip(pairs).map(alignment).collect()
    }

    pub(super) fn batch(&self, pairs: &[&EncodedPair<'_>]) -> Batch {
        let pairs = pairs.iter().map(|pair| &pair.tokens);
        Batch::new(pairs, self.model.padding(), self.model.special.bos)
    }
}

impl<'a> EncodedPair<'a> {
    pub(super) fn new(
        model: &Model,
        pair: &GivenTranslation<'a>,
        options: &TranslateOptions,
    ) -> Result<Self, InferError> {
        model.check(options)?;
        let encode = |tokenizer: &Tokenizer, sentence: &str, text| {
            let tokens = model.encode_by(tokenizer, sentence);
            tokens.map_err(|tokens| model.too_long(pair.number, tokens, text))
        };
        let tokenizer = &model.source_tokenizer;
        let language = TargetLanguage::of_sentence(tokenizer, &readable(pair.source), options);
        let source = language.before(pair.source);
        let source_tokens = encode(tokenizer, &source, "the sources")?;
        let target_tokens = encode(&model.target_tokenizer, pair.target, "the targets")?;
        Ok(Self {
            tokens: Example {
                source: model.encoder_input(source_tokens),
                target: model.decoder_output(target_tokens),
            },
            adds_language: source.len() > pair.source.len(),
            source,
            target: Some(pair.target),
        })
    }
}
